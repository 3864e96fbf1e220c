"""A progress bar on stderr for work that is done chunk by chunk.

Values: how many items there are in; a function that counts them as they are done out. Implements no section of
FORMAT.md. Guarantees that nothing is printed where stderr is no terminal, unless it was asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(total: int, name: str, shown: bool | None) -> Iterator[Callable[[], Any]]:
    """Show a bar, or nothing; gives the function that moves it by one chunk. None: where stderr is a terminal.

    Examples
    --------
    >>> with progress_bar(2, "reading", False) as advance:
    ...     advance()
    """
    if not (sys.stderr.isatty() if shown is None else shown):
        yield lambda: None
        return
    from tqdm import tqdm

    with tqdm(total=total, unit="chunk", desc=name) as bar:
        yield bar.update
