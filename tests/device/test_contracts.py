"""Contracts of the device's steps: the kernels that they declare are those that they launch; the others do not wait."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.predicted_images import predicted_blob, predicted_columns
from helpers.stage_stores import arrays as stage_arrays
from helpers.standin_buffers import held
from helpers.strategies import make, make_roi
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu.codecs import codec_of
from mmip_gpu.container.reader import open_container
from mmip_gpu.device.decode.batch import DecodeJob, Decoder
from mmip_gpu.device.decode.containers import decode_containers
from mmip_gpu.device.encode.arrays import encode_arrays
from mmip_gpu.device.layouts.structs import KERNEL_LANES
from mmip_gpu.device.run.contracts import CONTRACTS, Contract, contract
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.encoding import planned
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.options import EncodeSettings
from mmip_gpu.stage_arrays.device_decoding import StageRegion, decode_stages
from mmip_gpu.stage_arrays.device_encoding import encode_stages


class Watched(HostExecutor):
    """Notes the kernels that each step launches, and the steps in which the host waits."""

    def __init__(self) -> None:
        super().__init__()
        self.launched: dict[str, set[str]] = {}
        self.waited: set[str] = set()

    def launch(self, kernel: str, **values: int) -> None:
        step = innermost_step()
        assert step is not None, f"{kernel} is launched outside of all steps"
        assert kernel in step.kernels, f"{step.step} launches {kernel}"
        self.launched.setdefault(step.step, set()).add(kernel)
        super().launch(kernel, **values)

    def download(self, array: NDArray[Any]) -> NDArray[Any]:
        self.wait()
        return super().download(array)

    def download_all(self, arrays: Any) -> list[NDArray[Any]]:
        if arrays:
            self.wait()
        return [super(Watched, self).download(array) for array in arrays]

    def wait(self) -> None:
        step = innermost_step()
        if step is not None:  # what is read by no step, such as the samples of a probe
            assert step.waits, f"{step.step} waits"
            self.waited.add(step.step)


def innermost_step() -> Contract | None:
    frame = sys._getframe()
    while frame is not None and frame.f_code not in CONTRACTS:
        frame = frame.f_back  # type: ignore[assignment]
    return None if frame is None else CONTRACTS[frame.f_code]


def images() -> Iterator[tuple[NDArray[Any], dict[str, Any]]]:
    """Arrays and options that take every step of encoding and decoding."""
    edges = make("edges", (20, 64, 64), "uint16", 3)
    yield edges, {"psnr": 40, "cell_depth": 8, "padding": None}
    yield edges, {"quality": 20, "cell_depth": 8, "effort": 1, "padding": None}
    yield edges[0], {"psnr": 42, "padding": None}
    yield edges[:9], {"quality": 30, "padding": None, "cell_depth": 1, "roi": make_roi(edges[:9], "zyx", 3, 3)}
    yield edges[0], {"quality": 10, "effort": 1}
    yield edges[0], {"quality": 10, "effort": 3}
    yield edges[:3], {"quality": 10, "effort": 3, "prediction": True}
    half = make("half", (20, 70, 80), "uint16", 3)
    yield half[0], {"psnr": 45, "padding": 0}
    yield half, {"quality": 5, "padding": 0, "cell_depth": 8}
    yield half[:2], {"quality": 5, "padding": 0, "effort": 2, "prediction": True}
    yield make("textured", (40, 44), "uint8", 3), {"max_error": 3, "stages": 3}
    yield make("smooth", (40, 41, 3), "uint8", 4), {"axes": "yxc", "quality": 30}
    yield make("smooth", (300, 320), "uint8", 7), {"psnr": 36, "effort": 1}
    yield make("smooth", (40, 44), "float32", 7), {"psnr": 50, "step": 0.05}


def exact_images() -> Iterator[tuple[NDArray[Any], dict[str, Any]]]:
    """Arrays and options that take every step of kind 2."""
    yield make("textured", (20, 40, 44), "uint8", 3), {}
    yield make("smooth", (40, 41, 3), "uint8", 4), {"axes": "yxc"}
    yield make("smooth", (40, 44), "float32", 7), {"step": 0.05}


def run_everything(executor: Watched) -> None:
    for array, options in exact_images():
        settings = EncodeSettings.of(lossless=True, **options)
        (encoded,) = encode_arrays([array], partial(planned, settings=settings), 1, executor)
        blob = encoded.to_bytes()
        for data, scale in ((blob, 1), (held(np.frombuffer(blob, np.uint8)), 2)):
            found = decode_containers([data], codec_of, executor=executor, scale=scale)[0]
            assert np.array_equal(found, mmip.decode(blob, scale=scale))
    blob, region = predicted_blob(), (slice(1, 3), slice(4, 30), slice(5, 70))
    for scale in (1, 2):
        (found,) = decode_containers([blob], codec_of, executor=executor, scale=scale, region=region)
        assert np.array_equal(found, mmip.decode(blob, scale=scale, region=region))
    for array, options in images():
        (encoded,) = encode_arrays([array], partial(planned, settings=EncodeSettings.of(**options)), 1, executor)
        blob = encoded.to_bytes()
        expected = mmip.decode(blob)
        for data in (blob, held(np.frombuffer(blob, np.uint8))):
            assert np.array_equal(decode_containers([data], codec_of, executor=executor)[0], expected)
        decode_containers([blob], codec_of, scale=2, executor=executor)
        header, read = open_container(np.frombuffer(blob, np.uint8))
        payloads = [np.asarray(read(stage, 0, None)) for stage in range(1, len(header.payload_sizes) + 1)]
        (found,) = Decoder(executor).decode([DecodeJob(header, payloads, in_device_memory=True)]).results()
        assert np.array_equal(found, expected)
    options, columns = predicted_columns()
    (coded,) = encode_stages(options, [columns], executor)
    data = np.frombuffer(coded or b"", np.uint8)
    wanted = StageRegion(data, columns.shape, tuple(slice(0, n) for n in columns.shape))
    assert np.array_equal(decode_stages(options, [wanted], executor)[0], columns)
    for kind in ("flat", "deep", "padding", "corrections", "DC image", "flat palettes"):
        store, whole = stage_arrays(kind)
        for name, columns in whole.items():
            array = zarr.open_array(store, path=name, mode="r+")
            chunk = np.ascontiguousarray(columns[tuple(slice(0, n) for n in array.chunks)])
            (data,) = encode_stages(array.serializer, [chunk], executor)
            assert data is not None
            wanted = StageRegion(np.frombuffer(data, np.uint8), chunk.shape, tuple(slice(0, n) for n in chunk.shape))
            (found,) = decode_stages(array.serializer, [wanted], executor)
            assert np.array_equal(found, chunk)
            with pytest.raises(InvalidArgument):
                encode_stages(array.serializer, [np.full_like(chunk, 2**30)], executor)


def test_steps_do_what_they_declare() -> None:
    executor = Watched()
    run_everything(executor)
    ours = {c.step: c for c in CONTRACTS.values() if c.step.startswith("mmip_gpu.")}
    assert {name: set(c.kernels) for name, c in ours.items() if c.kernels} == executor.launched
    assert set(KERNEL_LANES) == set().union(*executor.launched.values())
    assert {name for name, c in ours.items() if c.waits} == executor.waited
    assert all(c.reads and c.writes for c in ours.values())


def test_a_kernel_that_is_not_declared_is_found() -> None:
    executor = Watched()

    @contract(reads="nothing", writes="nothing", kernels=["sum_histograms"])
    def launching(kernel: str) -> None:
        executor.launch(kernel, groups=0)

    try:
        with pytest.raises(AssertionError, match="launching launches list_tokens"):
            launching("list_tokens")
        with pytest.raises(AssertionError, match="outside of all steps"):
            executor.launch("list_tokens", groups=0)
    finally:
        del CONTRACTS[launching.__code__]
