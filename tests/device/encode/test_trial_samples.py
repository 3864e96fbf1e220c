"""Plans tried on samples of a device, run on the CPU: numbers of the host, what is launched for them, what is held."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from helpers.device_batches import plan_of
from helpers.device_options import CASES, case
from helpers.standin_cupy import Cupy
from helpers.strategies import make
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu._core import SEARCH_FAST
from mmip_gpu.device.decode.synthesis import Synthesizer
from mmip_gpu.device.encode import trial_samples
from mmip_gpu.device.encode.arrays import encode_arrays
from mmip_gpu.device.encode.quantized import QuantizedBatch
from mmip_gpu.device.encode.trial_samples import DeviceAnalysis, DeviceSamples
from mmip_gpu.device.lanes import Lane
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.device.run.lockstep import in_lock_step
from mmip_gpu.encoding import planned
from mmip_gpu.errors import InvalidArgument, LimitExceeded
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.match_distortion import QualityFactors, match_quality, search_step
from mmip_gpu.transform.planning.trial import HostSamples, Trial

PACKING = {"list_tokens", "count_token_bits", "write_tokens", "dc_residuals", "group_crcs"}


class Recorder(HostExecutor):
    """Counts launches by kernel; has memory to quantize so many superblocks at once."""

    def __init__(self, descending: bool = False, most: int = 2**40) -> None:
        super().__init__(descending)
        self.launched: Counter[str] = Counter()
        self.most, self.fails_at = most, ""

    def launch(self, kernel: str, **values: int) -> None:
        if is_analysis(kernel) and values["groups"] > self.most:
            raise MemoryError("no memory of the device")
        if kernel == self.fails_at:
            raise MemoryError("no memory of the device")
        self.launched[kernel] += 1
        super().launch(kernel, **values)


def is_analysis(kernel: str) -> bool:
    return kernel.startswith(("analyze", "search"))


def analyses(executor: Recorder) -> int:
    return sum(many for kernel, many in executor.launched.items() if is_analysis(kernel))


@pytest.fixture(params=[False, True], ids=["ascending", "descending"])
def executor(request: pytest.FixtureRequest) -> Recorder:
    return Recorder(request.param)


def on_both(executor: Recorder, name: str) -> tuple[ChunkPlan, HostSamples, DeviceSamples]:
    """The plan of a case, and its samples in both places."""
    array, options = case(name)
    settings = mmip.EncodeSettings.of(**options)
    trial, plan = planned(lambda roi, axes: HostSamples(array, roi if isinstance(roi, np.ndarray) else None), settings)
    assert isinstance(trial.samples, HostSamples)
    classes = None if trial.classes is None else executor.upload(trial.classes)
    return plan, trial.samples, DeviceSamples(Lane(executor), executor.upload(array), classes)


@pytest.mark.parametrize("name", [name for name in CASES if name != "empty"])
def test_numbers_are_those_of_the_host(executor: Recorder, name: str) -> None:
    plan, given, held = on_both(executor, name)
    check_numbers(plan, given, held)
    if plan.search[0] == SEARCH_FAST and not plan.lossless:  # blocks by other steps, as a search may leave them
        by = tuple(tuple(max(round(step * 1.07), 64) for step in row) for row in plan.steps)
        check_numbers(replace(plan, choice_steps=by), given, held)


def check_numbers(plan: ChunkPlan, given: HostSamples, held: DeviceSamples) -> None:
    expected = given.analyzed(plan)
    for packed_first in (False, True):  # packing changes indices of blocks under the padding
        found = held.analyzed(plan)
        if packed_first:
            assert tuple(found.payloads()) == expected.payloads()
        assert found.class_errors() == expected.class_errors()
        assert found.mean_error() == expected.mean_error()
        assert found.estimate() == expected.estimate()
        assert tuple(found.payloads()) == expected.payloads()
    for allow_raw in (False, True):
        assert found.encoded(plan, allow_raw).to_bytes() == expected.encoded(plan, allow_raw).to_bytes()
    plain, plain_expected = (part.analyzed(plan, plain=True) for part in (held, given))
    assert plain.class_errors() == plain_expected.class_errors()


@pytest.mark.parametrize("depth", [1, 8])
def test_packing_changes_no_decoded_sample(executor: Recorder, depth: int) -> None:
    array = make("textured", (20, 70, 80), "uint16", 3)
    array[:, :50, :60] = 0
    plan = plan_of("zyx", depth, 2000.0, padding=0)
    analysis = DeviceSamples(Lane(executor), executor.upload(array)).analyzed(plan)
    assert isinstance(analysis, DeviceAnalysis)
    found = analysis.quantized
    (before,), indices = found.decoded(), found.indices.dcs.copy()
    assert found.payloads
    assert not np.array_equal(found.indices.dcs, indices)
    assert np.array_equal(found.decoded()[0], before)


def test_corrections_that_an_analysis_was_not_made_for() -> None:
    plan, given, held = on_both(Recorder(), "bounded")
    without = replace(plan, correction=None)
    expected = given.analyzed(plan)
    for asked, made in ((plan, without), (without, plan)):
        assert held.analyzed(made).encoded(asked, False) == expected.encoded(asked, False)


@pytest.mark.parametrize("name", ["psnr", "psnr-deep", "float"])
def test_a_search_for_a_psnr_packs_nothing(executor: Recorder, name: str) -> None:
    plan, given, held = on_both(executor, name)
    start, peak = plan.with_step(plan.background_step * 4), 2.0**8
    expected, _ = search_step(start, peak, Trial.of(given).mean_error)
    executor.launched.clear()
    trial = Trial.of(held)
    found, _ = search_step(start, peak, trial.mean_error)
    assert found == expected
    tried = analyses(executor)
    assert tried > 2
    assert not executor.launched.keys() & PACKING
    assert trial.encoded(found, False) == Trial.of(given).encoded(found, False)
    assert executor.launched["write_tokens"] == 1


def test_a_search_for_a_quality_measures_without_packing(executor: Recorder) -> None:
    plan, given, held = on_both(executor, "quality-mask")
    factors = QualityFactors.first(len(plan.steps))
    expected = match_quality(plan, Trial.of(given), factors)
    executor.launched.clear()
    assert match_quality(plan, Trial.of(held), factors) == expected
    assert not executor.launched.keys() & PACKING
    assert executor.launched["sum_differences"] == len(plan.steps) * analyses(executor)


@pytest.fixture
def held_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many analyses there are before each new one, without the help of the garbage collector."""
    before: list[int] = []
    made: list[weakref.ref[QuantizedBatch]] = []
    quantize = trial_samples.quantize_batch

    def watched(*given: Any, **options: Any) -> list[tuple[list[int], QuantizedBatch]]:
        before.append(sum(held() is not None for held in made))
        found = quantize(*given, **options)
        made.extend(weakref.ref(one) for _, one in found)
        return found

    monkeypatch.setattr(trial_samples, "quantize_batch", watched)
    gc.disable()
    yield before
    gc.enable()


def test_one_analysis_is_held_and_tables_are_made_once(monkeypatch: pytest.MonkeyPatch, held_before: list[int]) -> None:
    made: list[Synthesizer] = []
    first = Synthesizer.__init__

    def counted(self: Synthesizer, executor: Any) -> None:
        made.append(self)
        first(self, executor)

    monkeypatch.setattr(Synthesizer, "__init__", counted)
    arrays = [make("textured", (64, 64 + 8 * n), "uint16", n) for n in range(4)]
    encoded(arrays, Recorder(), psnr=50, effort=1)
    assert len(held_before) > 2
    assert not any(held_before[:-1])
    assert held_before[-1] <= 1  # what the search that ended last found is what is encoded
    assert len(made) == 1  # all went through one lane


# --- searches in lock-step


def encoded(arrays: list[NDArray[Any]], executor: HostExecutor, **options: Any) -> list[bytes]:
    planner = partial(planned, settings=mmip.EncodeSettings.of(**options))
    return [e.to_bytes() for e in encode_arrays(arrays, planner, 1, executor)]


@pytest.mark.parametrize(
    "options",
    [{"quality": 10}, {"psnr": 45}, {"ratio": 9}, {"max_error": 900, "stages": 3}],
    ids=lambda options: next(iter(options)),
)
def test_unequal_chunks_searched_together_are_those_of_the_cpu(executor: Recorder, options: dict[str, Any]) -> None:
    kinds = ("textured", "edges", "smooth", "half", "textured")
    shapes = ((40, 50), (9, 30, 33), (70, 41), (64, 64), (0, 5))
    arrays = [make(kind, shape, "uint16", 4) for kind, shape in zip(kinds, shapes, strict=True)]
    assert encoded(arrays, executor, effort=1, **options) == mmip.encode_batch(arrays, effort=1, **options)


def test_launches_of_many_small_chunks() -> None:
    arrays = [make("textured", (64, 64), "uint16", n) for n in range(32)]
    together, alone = Recorder(), Recorder()
    expected = encoded(arrays[:1], alone, quality=10)
    found = encoded(arrays, together, quality=10)
    assert found[:1] == expected
    assert found == mmip.encode_batch(arrays, threads=1, quality=10)
    assert together.launched.total() <= 160  # 3149 where each chunk was searched for and packed by itself
    assert together.launched.total() < 4 * alone.launched.total()


def test_memory_that_is_short_in_a_search(held_before: list[int]) -> None:
    arrays = [make("textured", (64, 64), "uint16", n) for n in range(5)]
    short = Recorder(most=2)
    assert encoded(arrays, short, psnr=45, effort=1) == mmip.encode_batch(arrays, psnr=45, effort=1)
    assert max(held_before) <= 1
    held_before.clear()
    full = Recorder()
    full.fails_at = "write_tokens"  # in the thread of a search
    with pytest.raises(LimitExceeded, match="for one item"):
        encoded(arrays, full, psnr=45, effort=1)
    assert max(held_before) == 0
    with pytest.raises(LimitExceeded, match="for one item"):
        encoded(arrays, Recorder(most=0), psnr=45, effort=1)
    assert not [thread for thread in threading.enumerate() if thread.name == "mmip-task"]


def test_errors_are_those_of_a_chunk_alone() -> None:
    arrays = [make("smooth", (40, 44), "float32", n) for n in range(3)]
    arrays[1][3, 4] = np.inf
    messages = []
    for given in (arrays, arrays[1:2]):
        with pytest.raises(InvalidArgument, match="expected finite samples") as caught:
            encoded(given, HostExecutor(), quality=20, step=0.05, effort=1)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_searches_stay_on_the_stream_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = Cupy()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    cupy.stream = "mine"
    executor, arrays = CudaExecutor(), [make("textured", (40, 40), "uint8", n) for n in range(3)]
    held = [executor.upload(array) for array in arrays]
    assert mmip.encode_batch(held, psnr=40, effort=1) == mmip.encode_batch(arrays, psnr=40, effort=1)
    assert {stream for *_, stream in cupy.launched} == {"mine"}


def test_rounds_of_tasks() -> None:
    rounds: list[list[int]] = []

    def work(ask: Any, number: int) -> int:
        for _ in range(number % 4):
            number += ask(number)
        return number

    def answer(numbers: list[int]) -> list[int]:
        rounds.append(numbers)
        return [4] * len(numbers)

    works = [partial(work, number=n) for n in range(300)]
    assert in_lock_step(works, answer) == [n + 4 * (n % 4) for n in range(300)]
    assert [len(numbers) for numbers in rounds] == [192, 128, 64, 33, 22, 11]
    assert rounds[0] == [n for n in range(256) if n % 4]
    assert in_lock_step([], answer) == []


def test_a_task_that_fails_ends_all() -> None:
    ended = []

    def work(ask: Any, number: int) -> int:
        try:
            return 6 // ask(number)
        finally:
            ended.append(number)

    works = [partial(work, number=n) for n in (3, 0, 2)]
    with pytest.raises(ZeroDivisionError):
        in_lock_step(works, lambda numbers: numbers)
    with pytest.raises(KeyError):
        in_lock_step(works, lambda numbers: {}["what was asked"])
    assert sorted(ended) == [0, 0, 2, 2, 3, 3]


def test_a_task_that_has_ended_is_answered_alone() -> None:
    asks = in_lock_step([lambda ask: ask, lambda ask: ask], lambda numbers: [n + 1 for n in numbers])
    assert [ask(4) for ask in asks] == [5, 5]
