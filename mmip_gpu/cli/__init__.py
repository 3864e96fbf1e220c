"""The command ``mmip``: parses, calls the library, prints.

Values: an argument list in, an exit code out (0 done, 1 a verification failed, 2 other errors, 130
interrupted). Implements no section of FORMAT.md. Guarantees one line on stderr for every error a caller can
meet; the module of a command is imported only when that command runs.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr
from importlib import import_module
from typing import Any, TextIO

from mmip_gpu.cli.failures import VerificationError, in_flags
from mmip_gpu.cli.parser import build_parser
from mmip_gpu.errors import MmipError, MmipWarning

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process when None.

    Returns
    -------
    int
        Exit code: 0, 1 where a verification failed, 2 for other errors, 130 when interrupted.

    Examples
    --------
    >>> main(["info"])
    2
    """
    again, flags = "run the same command again", dict[str, str]()
    try:
        args = build_parser().parse_args(argv)
        again, flags = args.again, args.flags
        module, name = args.run.split(":")
        command: Callable[..., int | None] = getattr(import_module(f"mmip_gpu.cli.{module}"), name)
        told = redirect_stderr(_NoTerminal(sys.stderr)) if args.quiet else nullcontext()
        with _warnings_as_lines(flags), told, _sources_limited(args):
            code = command(args) or 0
        sys.stdout.flush()  # so that a closed pipe is met here
    except VerificationError as error:
        return _fail(type(error).__name__, in_flags(str(error), flags), 1)
    except MmipError as error:
        return _fail(type(error).__name__, in_flags(str(error), flags), 2)
    except BrokenPipeError:  # the reader of our output left, as `mmip info | head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _fail("StoreError", error, 2)
    except MemoryError:
        return _fail("LimitExceeded", "not enough memory; a store (mmip compress) is coded chunk by chunk", 2)
    except KeyboardInterrupt:
        return _fail("interrupted", again, 130)
    return code


@contextmanager
def _warnings_as_lines(flags: Mapping[str, str]) -> Iterator[None]:
    """Print our warnings as one line on stderr, in the words of the command, as errors are."""
    plain = warnings.formatwarning

    def line(message: Any, category: Any, *place: Any, **more: Any) -> str:
        if not issubclass(category, MmipWarning):
            return plain(message, category, *place, **more)
        return f"mmip: warning: {' '.join(in_flags(str(message), flags).split())}\n"

    warnings.formatwarning = line
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", MmipWarning)
            yield
    finally:
        warnings.formatwarning = plain


def _sources_limited(args: Namespace) -> AbstractContextManager[None]:
    """Hold the sources of a command against its --max-bytes, which of decode is that of the image."""
    limit = getattr(args, "max_bytes", None)
    if limit is None or args.run == "files:decode":
        return nullcontext()
    from mmip_gpu.sources import size_limit

    return size_limit(limit)


class _NoTerminal(io.TextIOBase):
    """Standard error as no terminal, on which no bar is drawn; what is written to it still is."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()


def _fail(kind: str, message: object, code: int) -> int:
    """Print an error as one line and return its exit code."""
    print(f"mmip: {kind}: {' '.join(str(message).split())}", file=sys.stderr)
    return code
