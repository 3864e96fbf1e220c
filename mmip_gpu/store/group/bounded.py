"""Work on many items, of which a bounded number is under way.

Values: a function and an iterable of small items in; results are handed on as they finish. It works on threads.
Guarantees that `workers` items are worked on at most and one more waits. Items are taken from the iterable as they are
needed. After an error or an interrupt no work goes on when it returns.
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
