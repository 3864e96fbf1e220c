"""Tasks that wait for answers, taken together: what all of them ask for is answered at once.

Values: functions that ask in, their results out, in order. Encoder side; knows no coding. Guarantees the results that
the tasks have alone, where an answer depends on its question only, and the same rounds on every machine: each task has
a thread, of which one runs at a time, in the order of the tasks, until it asks or ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Generic, TypeVar

__all__ = ["in_lock_step"]

_MOST = 256  # tasks at once

_Question = TypeVar("_Question")
_Answer = TypeVar("_Answer")
_Result = TypeVar("_Result")


def in_lock_step(
    works: Sequence[Callable[[Callable[[_Question], _Answer]], _Result]],
    answer: Callable[[list[_Question]], list[_Answer]],
    entered: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> list[_Result]:
    """``work(ask)`` of every work; the first error of one ends all.

    Parameters
    ----------
    answer : callable
        Called on the caller's thread when all works that have not ended wait in ``ask(question)``; for the question
        alone where there is one work only, or it has ended.
    entered : callable
        What a thread enters for the time of its work.

    Examples
    --------
    >>> def halved_until_one(ask, n):
    ...     while n > 1:
    ...         n = ask(n)
    ...     return n
    >>> from functools import partial
    >>> asked = []
    >>> works = [partial(halved_until_one, n=n) for n in (2, 8, 5)]
    >>> in_lock_step(works, lambda numbers: asked.append(numbers) or [n // 2 for n in numbers])
    [1, 1, 1]
    >>> asked
    [[2, 8, 5], [4, 2], [2]]
    """
    if len(works) == 1:
        return [works[0](lambda question: answer([question])[0])]
    results: list[_Result] = []
    for first in range(0, len(works), _MOST):
        tasks = [_Task(work, answer, entered) for work in works[first : first + _MOST]]
        try:
            for task in tasks:
                task.go_on()
            while waiting := [task for task in tasks if task.question]:
                answers = answer([task.question[0] for task in waiting])
                for task in waiting:
                    task.go_on(answers.pop(0))  # which holds it alone from now on
        finally:
            found = [task.stop() for task in tasks]
        results += [result for one in found for result in one]
    return results


class _Stopped(BaseException):
    """Ends the work of a task that nobody waits for."""


class _Task(Generic[_Question, _Answer, _Result]):
    """A work that is run from one question to the next: `question` holds one while there is one.

    Nothing that it holds leads back to it once it is stopped: a cycle would keep what results hold, such as arrays.
    """

    def __init__(
        self,
        work: Callable[[Callable[[_Question], _Answer]], _Result],
        answer: Callable[[list[_Question]], list[_Answer]],
        entered: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.question: list[_Question] = []
        self._result: list[_Result] = []
        self._answer_alone, self._entered = answer, entered
        self._answer: list[_Answer] = []
        self._error: BaseException | None = None
        self._resumed, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(work,), name="mmip-task", daemon=True)

    def go_on(self, *answer: _Answer) -> None:
        """Run until it asks or ends; raises what it ends with."""
        self.question.clear()
        self._answer += answer
        del answer
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._resumed.release()
        self._paused.acquire()
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
        finally:
            del error

    def stop(self) -> list[_Result]:
        """End it where it waits; its result, where it has one."""
        if self._thread.ident is not None:
            self._resumed.release()
            self._thread.join()
        self.question.clear()
        found, self._result = self._result, []
        return found

    def _run(self, work: Callable[[Callable[[_Question], _Answer]], _Result]) -> None:
        try:
            with self._entered():
                self._result.append(work(self._ask))
        except _Stopped:
            pass
        except BaseException as error:  # raised again by `go_on`
            self._error = error
        finally:
            self._paused.release()

    def _ask(self, question: _Question) -> _Answer:
        if threading.current_thread() is not self._thread:
            return self._answer_alone([question])[0]
        self.question.append(question)
        self._paused.release()
        self._resumed.acquire()
        if not self._answer:
            raise _Stopped
        return self._answer.pop()
