"""Contracts of the steps of a pipeline, declared beside them: what a step reads, writes and launches, and where.

Values: functions in, the same functions out; nothing is done when a step runs. A name ends in ``_dev`` where its array
lies in the executor's memory; all else lies on the host. A test compares the kernels, and whether the host waits, with
what the steps do (tests/device/test_contracts.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import CodeType
from typing import Any, TypeVar

__all__ = ["CONTRACTS", "Contract", "contract"]

_Step = TypeVar("_Step", bound=Callable[..., Any])


@dataclass(frozen=True)
class Contract:
    """What a step does by itself; the steps that it calls have their own.

    Parameters
    ----------
    reads, writes : str
        The arrays that the step takes and leaves.
    kernels : set of str
        The kernels that it launches, on the caller's stream, without waiting for them.
    waits : bool
        Whether the host waits for the device.
    """

    step: str
    reads: str
    writes: str
    kernels: frozenset[str]
    waits: bool


CONTRACTS: dict[CodeType, Contract] = {}
"""The contract of every step of the modules that are imported, by the code of its function."""


def contract(*, reads: str, writes: str, kernels: Iterable[str] = (), waits: bool = False) -> Callable[[_Step], _Step]:
    """Declare the contract of the function below.

    Examples
    --------
    >>> @contract(reads="planes_dev", writes="sums", kernels=["sample_statistics"], waits=True)
    ... def sums(planes_dev):
    ...     return planes_dev
    >>> CONTRACTS.pop(sums.__code__).writes
    'sums'
    """

    def declared(step: _Step) -> _Step:
        name = f"{step.__module__}.{step.__qualname__}"
        CONTRACTS[step.__code__] = Contract(name, reads, writes, frozenset(kernels), waits)
        return step

    return declared
