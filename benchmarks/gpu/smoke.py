"""Every kernel once on a device, alone, against the same launch on the CPU: so the first fault has a kernel's name.

Values: tiny arrays go through the pipelines on the CPU; the first launch of each kernel is made again on the device, in
memory with the bytes that it found, and must leave the bytes that the CPU left. Addresses in parameters and in arrays
of structs are moved: a word counts as one where it points into memory that the pipeline has asked an address of.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpu.run import Run
from gpu.tiny import tiny_cases
from mmip_gpu.device.layouts.structs import KERNEL_LANES, KERNEL_MODULES
from mmip_gpu.device.run.cuda import open_cupy
from mmip_gpu.device.run.executors import Executor, HostExecutor
from mmip_gpu.device.run.modules import kernel_of
from mmip_gpu.errors import BackendUnavailable

BEGUN = "kernel "  # begins the line that is printed before a launch
_LAUNCH_SECONDS = 5  # of one launch: one that hangs ends the process
_WORD = np.dtype(np.uint64)

Memory = dict[int, NDArray[np.uint8]]
"""Bytes by the address that they start at."""


@dataclass(frozen=True)
class Launch:
    """A launch on the CPU: parameters, and the memory that it reaches before and after."""

    kernel: str
    values: dict[str, int]
    before: Memory
    after: Memory


class Recorder(HostExecutor):
    """Runs kernels on the CPU, and gives the first launch of each to a function."""

    def __init__(self, check: Callable[[Launch], None], done: set[str]) -> None:
        super().__init__()
        self._check, self._done = check, done
        self._held: dict[int, NDArray[Any]] = {}  # kept, so that no two arrays have had the same place

    def address(self, array: NDArray[Any]) -> int:
        """Where its first item stands; remembers the memory around it."""
        whole = array
        while isinstance(whole.base, np.ndarray):
            whole = whole.base
        if whole.nbytes:
            self._held[whole.ctypes.data] = whole
        return super().address(array)

    def pinned(self, size: int) -> NDArray[np.uint8]:
        """Zeros: what stood there before may look like an address."""
        return np.zeros(size, np.uint8)

    def launch(self, kernel: str, **values: int) -> None:
        """Run it; the first time, with what it found and left."""
        if not values["groups"] or kernel in self._done:
            return super().launch(kernel, **values)
        self._done.add(kernel)
        reached = self._reached(values)
        before = _copied(reached)
        super().launch(kernel, **values)
        return self._check(Launch(kernel, dict(values), before, _copied(reached)))

    def _reached(self, values: dict[str, int]) -> dict[int, NDArray[Any]]:
        """Memory that parameters point at, and what stands there in turn."""
        map_ = Places({start: array.nbytes for start, array in self._held.items()})
        found: dict[int, NDArray[Any]] = {}
        words = np.array([value for value in values.values() if value >= 0], _WORD)
        while words.size:
            starts = [start for start in map_.starts_of(words) if start not in found]
            found |= {start: self._held[start] for start in starts}
            words = np.concatenate([_words(_bytes(self._held[start])) for start in starts] or [np.empty(0, _WORD)])
        return found


class Places:
    """Intervals of addresses, and whether words point into one."""

    def __init__(self, sizes: dict[int, int]) -> None:
        self._starts = np.array(sorted(sizes), _WORD)
        self._ends = np.array([start + sizes[start] for start in sorted(sizes)], _WORD)

    def starts_of(self, words: NDArray[np.uint64]) -> list[int]:
        """Of every interval that a word points into, where it starts."""
        return [int(start) for start in self._starts[np.unique(self._indices(words)[1])]]

    def moved(self, words: NDArray[np.uint64], to: Sequence[int]) -> NDArray[np.uint64]:
        """Words, those that point into an interval as much behind its new start; `to` is by ascending old start."""
        inside, indices = self._indices(words)
        changed = words.copy()
        changed[inside] += np.array(to, _WORD)[indices] - self._starts[indices]  # modulo 2**64
        return changed

    def _indices(self, words: NDArray[np.uint64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Which words point into an interval, and of these into which."""
        at = np.searchsorted(self._starts, words, "right").astype(np.int64) - 1
        inside = (
            (at >= 0) & (words < self._ends[np.maximum(at, 0)]) if self._starts.size else np.zeros(words.shape, bool)
        )
        return inside, at[inside]


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _words(data: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return data[: data.size // 8 * 8].view(_WORD)


def _copied(arrays: dict[int, NDArray[Any]]) -> Memory:
    return {start: _bytes(array).copy() for start, array in sorted(arrays.items())}


def replayed(executor: Executor, launch: Launch) -> str:
    """What differs where an executor makes a launch anew, or the word equal."""
    sizes = {start: data.size for start, data in launch.before.items()}
    held = [executor.empty(size, np.uint8) for size in sizes.values()]
    there, here = [executor.address(array) for array in held], Places(sizes)
    for array, data in zip(held, launch.before.values(), strict=True):
        moved = data.copy()
        _words(moved)[:] = here.moved(_words(moved), there)
        array[:] = executor.upload(moved)
    values = np.array([value % 2**64 for value in launch.values.values()], _WORD)
    moved_values = [int(value) for value in here.moved(values, there)]
    kept = [value if value < 0 else new for value, new in zip(launch.values.values(), moved_values, strict=True)]
    executor.launch(launch.kernel, **dict(zip(launch.values, kept, strict=True)))
    executor.wait()
    for number, (array, data) in enumerate(zip(held, launch.after.values(), strict=True)):
        found, expected = executor.download(array), data.copy()
        _words(expected)[:] = here.moved(_words(expected), there)
        different = np.flatnonzero(found != expected)
        if different.size:
            first = int(different[0])
            where = f"byte {first}: expected {expected[first]}, found {found[first]}"
            return f"{different.size} of {data.size} bytes of array {number} of {len(held)} differ, first {where}"
    return "equal"


def run_smoke(run: Run, without: Sequence[str]) -> None:
    """Every kernel but those that are named; a device that fails ends it, after its kernel is named."""
    done, tried = set(without), set(without)

    for case in tiny_cases():

        def check(launch: Launch, case: str = case.name) -> None:
            tried.add(launch.kernel)
            if run.left() > 0:
                _check(run, case, launch)
            else:
                run.skip("smoke", launch.kernel, "no time left")

        if len(done) < len(KERNEL_LANES):
            case.run(Recorder(check, done))
    for kernel in sorted(set(KERNEL_LANES) - tried):
        run.skip("smoke", kernel, "no tiny case launches it")


def _check(run: Run, case: str, launch: Launch) -> None:
    kernel = launch.kernel
    row = {"kernel": kernel, "module": KERNEL_MODULES[kernel], "case": case}
    row |= {"groups": launch.values["groups"], "lanes": KERNEL_LANES[kernel]}
    print(f"{BEGUN}{kernel}", flush=True)
    try:
        facts = _attributes(run, kernel)
        print(f"  {facts}", flush=True)
        start = time.perf_counter()
        signal.alarm(_LAUNCH_SECONDS)
        outcome = replayed(run.executor, launch)
    except BackendUnavailable as error:
        run.add("smoke", **row, outcome=str(error))
        raise
    finally:
        signal.alarm(0)
    seconds = time.perf_counter() - start
    run.add("smoke", **row, outcome=outcome, seconds=seconds, **facts)
    print(f"  {outcome}, {1e3 * seconds:.1f} ms", flush=True)
    if outcome != "equal":
        run.fail("smoke", kernel, outcome)


def _attributes(run: Run, kernel: str) -> dict[str, int]:
    """What the compiler gave a kernel on the device."""
    if not run.on_gpu:
        return {}
    found = kernel_of(open_cupy(), kernel).attributes
    names = {
        **{"registers": "num_regs", "shared_bytes": "shared_size_bytes", "local_bytes": "local_size_bytes"},
        **{"most_lanes": "max_threads_per_block", "binary": "binary_version"},
    }
    return {name: int(found[theirs]) for name, theirs in names.items()}
