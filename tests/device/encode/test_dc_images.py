"""DC images by the encoding kernels on the CPU: payloads and header fields as the core has them."""

from __future__ import annotations

from typing import Any

import numpy as np
from helpers.device_batches import plan_of, with_step
from helpers.strategies import DTYPES, make
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmip_gpu.device.encode.batch import Chunk, encode_batch
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.transform.analysis import ROUNDING, analyze, prepare
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.plan import ChunkPlan


def image_plan(axes: str, step: float, tile: tuple[int, int, int], **more: Any) -> ChunkPlan:
    return plan_of(axes, 1, step, dc_image=True, tile_log2=tile, **more)


CASES: list[tuple[str, tuple[int, ...], str, ChunkPlan]] = [
    ("textured", (170, 301), "uint16", image_plan("yx", 4000.0, (0, 4, 4))),
    ("smooth", (600, 520), "uint8", image_plan("yx", 30.0, (0, 6, 6), cuts=(0, 5, 20, 63))),
    ("noise", (70, 130), "int8", image_plan("yx", 40.0, (0, 3, 3), correction=9)),
    ("edges", (5, 90, 80), "int16", image_plan("zyx", 900.0, (2, 3, 4))),
    ("spikes", (1, 9), "int16", image_plan("yx", 30.0, (0, 3, 3))),
    ("constant", (2, 90, 40), "uint8", image_plan("tyx", 4.0, (0, 5, 3), cuts=(0, 4, 63))),
    ("textured", (133, 140, 3), "uint8", image_plan("yxc", 16.0, (0, 4, 4), colour=True)),
    ("checkerboard", (129, 65), "uint16", image_plan("yx", 65536.0, (0, 4, 4))),
]


def assert_coded_alike(executor: HostExecutor, arrays: list[NDArray[Any]], plans: list[ChunkPlan]) -> None:
    chunks = [Chunk(executor.upload(a), plan) for a, plan in zip(arrays, plans, strict=True)]
    for array, plan, found in zip(arrays, plans, encode_batch(executor, chunks, ROUNDING), strict=True):
        expected = encode_chunk(array, plan, allow_raw=False)
        fields = expected.header.fields
        assert fields is not None
        assert tuple(found.payloads) == expected.payloads
        assert found.errors == analyze(prepare(array, plan, 1), plan, None).errors
        assert (found.offset, [tuple(d) for d in found.recon]) == (fields.offset, list(fields.recon))
        assert found.dc_recon == (None if fields.dc_image is None else list(fields.dc_image))


def test_an_unequal_batch_with_and_without_dc_images(executor: HostExecutor) -> None:
    arrays = [make(kind, shape, dtype, 5) for kind, shape, dtype, _ in CASES]
    plans = [plan for *_, plan in CASES]
    arrays.insert(2, make("textured", (70, 60), "uint16", 6))
    plans.insert(2, plan_of("yx", 1, 900.0))
    arrays.append((make("smooth", (100, 90), "uint16", 7) * 0.5).astype(np.float32))
    plans.append(with_step(image_plan("yx", 500.0, (0, 4, 4), correction=300), 0.25))
    assert_coded_alike(executor, arrays, plans)


@given(st.data())
def test_any_dc_image(data: st.DataObject) -> None:
    tile = (data.draw(st.integers(0, 2)), data.draw(st.integers(3, 5)), data.draw(st.integers(3, 5)))
    inner = data.draw(st.lists(st.integers(1, 62), max_size=4, unique=True))
    step = data.draw(st.sampled_from((0.5, 7.0, 300.0, 4000.0)))
    correction = data.draw(st.sampled_from((None, None, 20)))
    plan = image_plan("tzyx", step, tile, cuts=(0, *sorted(inner), 63), correction=correction)
    shape = tuple(data.draw(st.integers(1, n)) for n in (2, 3, 150, 150))
    kind = data.draw(st.sampled_from(("noise", "smooth", "textured", "edges", "half")))
    array = make(kind, shape, data.draw(st.sampled_from(DTYPES)), 5)
    assert_coded_alike(HostExecutor(data.draw(st.booleans())), [array], [plan])
