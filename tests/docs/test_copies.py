"""Copies of samples and of coded bytes on the host are those that architecture.md counts.

NumPy and Python tell `tracemalloc` what they allocate, the core does not: what is measured here is memory beside that
of the core, as a multiple of the samples that go in or come out.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from packaging.version import Version
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.config import CodecConfig
from mmip_gpu.container.reader import open_container
from mmip_gpu.options import EncodeSettings
from mmip_gpu.raw import encode_raw
from mmip_gpu.stage_arrays import zarr_base
from mmip_gpu.stage_arrays.zarr_buffers import array_of
from mmip_gpu.store.job.job import Job
from mmip_gpu.transform import analysis
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.plan import ChunkPlan, class_steps
from mmip_gpu.volume.axes import PlaneLayout
from numcodecs_plugin import Mmip

SLACK = 0.12  # of the samples: coded bytes, which these coarse steps keep small, and objects
OPTIONS: dict[str, Any] = {"qstep": 200, "effort": 1, "padding": None, "verify": False}
VOLUME = mmip.phantom3d((32, 128, 128))
COLOUR = np.stack([mmip.phantom2d(512)] * 3)


def memory(work: Callable[[], object]) -> int:
    """Bytes that a call takes at most, beside the core's; what it makes once is made before."""
    work()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        kept = work()
        assert kept is not None
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def plan_of(array: NDArray[Any], axes: str = "zyx", **changes: Any) -> ChunkPlan:
    colour, padding, correction = (changes.pop(name, None) for name in ("colour", "padding", "correction"))
    config = CodecConfig("qstep", 200.0, effort=1, padding=None, **({"verify": False} | changes))
    depth = 8 if axes == "zyx" else 1
    steps, reversible = class_steps(config, 1, bool(colour), 200.0)
    tiles = (2, 2, 2) if depth == 8 else (0, 5, 5)
    cuts = config.stage_cuts(depth)
    return ChunkPlan(config, axes, bool(colour), depth, tiles, cuts, steps, reversible, padding, correction)


# --- encode


class RecordedChunk:
    """A chunk of the core, and the samples that it was given."""

    def __init__(self, chunk: Any, seen: list[NDArray[Any]]) -> None:
        self._chunk, self._seen = chunk, seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chunk, name)

    def analyze(self, samples: NDArray[Any], *rest: Any) -> Any:
        self._seen.append(samples)
        return self._chunk.analyze(samples, *rest)


LAYOUTS: dict[str, tuple[Callable[[], NDArray[Any]], bool]] = {
    "C-ordered": (lambda: VOLUME, True),
    "slices of a larger array": (lambda: VOLUME[8:24], True),
    "a box of a larger array": (lambda: VOLUME[:, :64, :64], False),
    "transposed": (lambda: VOLUME.T, False),
    "of the other byte order": (lambda: VOLUME.astype(">u2"), False),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_core_reads_a_c_ordered_array_itself(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[NDArray[Any]] = []
    make, shares = LAYOUTS[layout]
    array, empty_chunk = make(), analysis.empty_chunk
    monkeypatch.setattr(analysis, "empty_chunk", lambda *given: RecordedChunk(empty_chunk(*given), seen))
    encode_chunk(array, plan_of(array), allow_raw=False)
    assert [bool(np.shares_memory(array, samples)) for samples in seen] == [shares]


INT32 = 2.0  # an int32 array beside one of uint16
ENCODED: dict[str, tuple[NDArray[Any], dict[str, Any], float]] = {
    "integers": (VOLUME, {}, 0),
    "transposed": (VOLUME.T, {}, 1),
    "verified": (VOLUME, {"verify": True}, 0),
    "float32": (VOLUME.astype(np.float32), {"step": 1.0}, 1),
    "padding": (VOLUME, {"padding": 0}, 1),
    "colour": (COLOUR, {"axes": "cyx", "colour": True}, INT32),
    "corrections": (VOLUME, {"correction": 100}, 1 + INT32),
}


@pytest.mark.parametrize("case", ENCODED)
def test_copies_of_the_samples_in_encoding(case: str) -> None:
    array, options, copies = ENCODED[case]
    plan = plan_of(array, **options)
    found = memory(lambda: encode_chunk(array, plan, allow_raw=False)) / array.nbytes
    assert copies <= found < copies + SLACK


def test_a_raw_container_copies_the_samples_twice() -> None:
    plan = plan_of(VOLUME)
    assert 2 <= memory(lambda: encode_raw(VOLUME, plan).to_bytes()) / VOLUME.nbytes < 2 + SLACK


def test_the_planner_copies_a_quarter_of_the_samples() -> None:
    found = memory(lambda: mmip.encode(VOLUME, cell_depth=8, threads=1, **OPTIONS)) / VOLUME.nbytes
    assert 0.25 <= found < 0.25 + 2 * SLACK


def test_a_container_copies_coded_bytes_once() -> None:
    encoded = encode_chunk(VOLUME, plan_of(VOLUME))
    assert len(encoded.payloads) == 3
    assert 1 <= memory(encoded.to_bytes) / encoded.size < 1 + SLACK


# --- decode


def test_parts_of_a_container_are_views() -> None:
    blob = mmip.encode(VOLUME, threads=1, **OPTIONS)
    header, read_part = open_container(blob)
    parts = [read_part(stage, 0, None) for stage in range(1, len(header.payload_sizes) + 1)]
    assert all(memoryview(part).obj is blob for part in parts)
    assert sum(len(memoryview(part)) for part in parts) == sum(header.payload_sizes)


DECODED: dict[str, tuple[NDArray[Any], dict[str, Any], float]] = {
    "integers": (VOLUME, {}, 1),
    "channels last": (np.moveaxis(COLOUR, 0, -1), {"axes": "yxc", "colour": False}, 2),
    "float32": (VOLUME.astype(np.float32), {"step": 1.0}, 1 + 2 + 1),  # int32, float64, float32
    "colour": (COLOUR, {"axes": "cyx", "colour": True}, 2 * INT32 + 1),
    "corrections": (VOLUME, {"max_error": 100, "stages": 3, "qstep": None}, 1 + INT32),
}


@pytest.mark.parametrize("case", DECODED)
def test_arrays_that_decoding_makes(case: str) -> None:
    array, options, arrays = DECODED[case]
    blob = mmip.encode(array, threads=1, **(OPTIONS | options))
    assert arrays <= memory(lambda: mmip.decode(blob, threads=1)) / array.nbytes < arrays + SLACK


def test_a_region_is_written_once() -> None:
    encoded = encode_chunk(VOLUME, plan_of(VOLUME)).to_bytes()
    region = (slice(0, 32), slice(0, 60), slice(0, 128))
    part = mmip.decode(encoded, region=region)
    found = memory(lambda: mmip.decode(encoded, region=region, threads=1))
    assert part.nbytes <= found < part.nbytes + SLACK * VOLUME.nbytes


def test_a_region_with_corrections_takes_its_tiles_and_itself() -> None:
    encoded = mmip.encode(VOLUME, threads=1, **(OPTIONS | {"max_error": 100, "stages": 3, "qstep": None}))
    region = (slice(0, 32), slice(0, 60), slice(0, 128))
    part = mmip.decode(encoded, region=region)
    found = memory(lambda: mmip.decode(encoded, region=region, threads=1))
    assert found > 2 * part.nbytes


# --- chunks of Zarr arrays and of stores


def zarr_array(chunks: tuple[int, ...]) -> zarr.Array[Any]:
    return zarr.create_array(
        MemoryStore(),
        shape=VOLUME.shape,
        chunks=chunks,
        dtype=VOLUME.dtype,
        serializer=Mmip(**OPTIONS),
        compressors=None,
    )


def test_zarr_hands_over_the_array_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[NDArray[Any]] = []
    made: list[tuple[Any, Any]] = []
    encode_host, to_buffer = Mmip._encode_host, zarr_base.to_buffer

    def encoded(codec: Mmip, array: NDArray[Any], spec: Any) -> bytes:
        given.append(array)
        return encode_host(codec, array, spec)

    def buffered(data: Any, spec: Any) -> Any:
        made.append((data, to_buffer(data, spec)))
        return made[-1][1]

    monkeypatch.setattr(Mmip, "_encode_host", encoded)
    monkeypatch.setattr(zarr_base, "to_buffer", buffered)
    zarr_array(VOLUME.shape)[...] = VOLUME
    assert [bool(np.shares_memory(array, VOLUME)) for array in given] == [True]
    given.clear()
    zarr_array((16, 128, 128))[...] = VOLUME
    copies = Version(zarr.__version__) >= Version("3.1.6")  # before, whole chunks were views of the array
    assert [array.flags.c_contiguous for array in given] == [True] * 2
    assert [not np.shares_memory(array, VOLUME) for array in given] == [copies] * 2
    assert all(np.shares_memory(np.frombuffer(data, np.uint8), array_of(buffer)) for data, buffer in made)


def test_zarr_copies_a_decoded_chunk_once() -> None:
    array = zarr_array(VOLUME.shape)
    array[...] = VOLUME
    assert 2 <= memory(lambda: array[...]) / VOLUME.nbytes < 2 + SLACK


def samples_of_chunk(chunks: tuple[int, ...]) -> NDArray[Any]:
    samples, _ = Job.of(VOLUME, EncodeSettings.of(quality=10), chunks).read(tuple(slice(0, n) for n in chunks))
    return samples


def test_a_job_reads_whole_slices_of_an_array_as_views() -> None:
    assert np.shares_memory(samples_of_chunk((16, 128, 128)), VOLUME)
    box = samples_of_chunk((32, 64, 64))
    assert not np.shares_memory(box, VOLUME)
    assert PlaneLayout.of(box.shape).to_planes(box).base is box


def test_chunks_of_a_store_are_decoded_into_their_place() -> None:
    place: dict[str, Any] = {}
    mmip.write_zarr(VOLUME, place, chunks=VOLUME.shape, threads=1, **OPTIONS)
    volume = mmip.open_zarr(place, threads=1)
    assert volume.chunks == VOLUME.shape
    assert 1 <= memory(lambda: volume[...]) / VOLUME.nbytes < 1 + SLACK
