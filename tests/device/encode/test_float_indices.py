"""float32 samples through the kernels on the CPU: indices, errors and payloads as the codec has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.device_batches import plan_of, with_step
from helpers.strategies import make
from hypothesis import given
from hypothesis import strategies as st

from mmip_gpu.device.encode.batch import Chunk, encode_batch
from mmip_gpu.device.encode.float_indices import sample_indices
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.transform.analysis import ROUNDING
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.volume.floats import DEEP_LIMIT, INDEX_LIMIT, to_indices

FLOATS: list[tuple[str, tuple[int, ...], float, ChunkPlan]] = [
    ("textured", (41, 70), 0.1, plan_of("yx", 1, 300.0, cuts=(0, 5, 63))),
    ("noise", (9, 20, 17), 1.0, plan_of("zyx", 8, 0.0)),
    ("smooth", (2, 16, 33), 0.3, plan_of("tyx", 1, 40.0)),
    ("spikes", (1, 1, 1), 1e-3, plan_of("zyx", 8, 8.0)),
    ("half", (70000,), 2.0**-9, plan_of("x", 1, 0.0)),
]


def float_array(kind: str, shape: tuple[int, ...], step: float) -> np.ndarray[Any, Any]:
    """Samples between the multiples of a step, far from 0."""
    whole = make(kind, shape, "uint16", 5).astype(np.float64) + 50000
    return ((whole + np.random.default_rng(3).random(shape)) * step).astype(np.float32)


def test_payloads_of_float_chunks_beside_others(executor: HostExecutor) -> None:
    arrays = [float_array(kind, shape, step) for kind, shape, step, _ in FLOATS]
    plans = [with_step(plan, step) for _, _, step, plan in FLOATS]
    arrays.insert(1, make("textured", (20, 30), "uint16", 5))
    plans.insert(1, plan_of("yx", 1, 300.0))
    chunks = [Chunk(executor.upload(a), plan) for a, plan in zip(arrays, plans, strict=True)]
    for array, plan, found in zip(arrays, plans, encode_batch(executor, chunks, ROUNDING), strict=True):
        expected = encode_chunk(array, plan, allow_raw=False)
        fields, loss = expected.header.fields, expected.header.loss
        assert fields is not None
        assert tuple(found.payloads) == expected.payloads
        assert (found.offset, tuple(map(tuple, found.recon))) == (fields.offset, fields.recon)
        assert found.sample_range == (loss.minimum, loss.maximum)


@given(st.lists(st.floats(width=32), min_size=1, max_size=600), st.floats(1e-30, 1e30), st.booleans())
def test_indices_and_errors_are_those_of_the_codec(values: list[float], step: float, deep: bool) -> None:
    samples = np.array(values, np.float32)
    limit = DEEP_LIMIT if deep else INDEX_LIMIT
    with np.errstate(over="ignore", invalid="ignore"):
        exact = np.rint(samples.astype(np.float64) / step)
    wrong = np.flatnonzero(~(np.abs(exact) <= limit))
    messages = []
    for run in (
        lambda: to_indices(samples, step, limit),
        lambda: sample_indices(HostExecutor(deep), [samples], [step], [limit], [""])[0][0],
    ):
        if wrong.size:
            with pytest.raises(InvalidArgument) as caught:
                run()
            messages.append(str(caught.value))
        else:
            assert np.array_equal(run(), exact)
    if wrong.size:
        assert messages[0] == messages[1]
        assert messages[0].endswith(f"found {values[wrong[0]]:g}")


def test_the_first_sample_without_an_index_is_named_with_its_chunk(executor: HostExecutor) -> None:
    plan = with_step(plan_of("zyx", 1, 4.0), 0.5)
    good, bad = np.zeros((2, 200, 300), np.float32), np.zeros((2, 200, 300), np.float32)
    bad[1, 20, 7], bad[1, 150, 0] = np.nan, 7e7
    with pytest.raises(InvalidArgument) as expected:
        encode_chunk(bad, plan)
    for chunks, name in (([bad], ""), ([good, bad], "chunk 1: ")):
        with pytest.raises(InvalidArgument) as caught:
            encode_batch(executor, [Chunk(executor.upload(a), plan) for a in chunks], ROUNDING)
        assert str(caught.value) == f"{name}{expected.value}"


def test_float_samples_need_a_step() -> None:
    with pytest.raises(InvalidArgument, match="samples of float32"):
        encode_batch(HostExecutor(), [Chunk(np.zeros((9, 9), np.float32), plan_of("yx", 1, 4.0))], ROUNDING)
