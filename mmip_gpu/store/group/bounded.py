"""Work on many items with a bounded number of them under way.

Values: a function and an iterable of small items in; results are handed on as they finish. Home: threads.
Guarantees that at most `workers` items are worked on and one more waits, that items are taken from the
iterable as they are needed, and that after an error or an interrupt no work goes on when it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

__all__ = ["run_bounded"]

_T = TypeVar("_T")
_R = TypeVar("_R")


def run_bounded(work: Callable[[_T], _R], items: Iterable[_T], workers: int, done: Callable[[_R], None]) -> None:
    """Call ``done(work(item))`` for every item, `done` on the caller's thread, in the order of finishing.

    Examples
    --------
    >>> found = []
    >>> run_bounded(abs, [-1, -2], 2, found.append)
    >>> sorted(found)
    [1, 2]
    """
    if workers == 1:
        for item in items:
            done(work(item))
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="mmip")
    pending: set[Future[_R]] = set()
    try:
        for item in items:
            if len(pending) > workers:
                pending = _take_finished(pending, done)
            pending.add(pool.submit(work, item))
        while pending:
            pending = _take_finished(pending, done)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _take_finished(pending: set[Future[_R]], done: Callable[[_R], None]) -> set[Future[_R]]:
    finished, left = wait(pending, return_when=FIRST_COMPLETED)
    for future in finished:
        done(future.result())
    return left
