"""Encoding with prediction: what is decoded is what was measured, bytes are those of any threads, and fewer."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from helpers.edges import edges
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu import _core
from mmip_gpu.container.header import Header
from mmip_gpu.options import CodingOptions
from mmip_gpu.transform.groups import read_groups


def fields(blob: bytes) -> Any:
    return Header.parse(blob)[0].fields


def decibels(samples: NDArray[Any], found: NDArray[Any]) -> float:
    error = np.mean((samples.astype(np.float64) - found) ** 2)
    return float(10 * np.log10(float(np.ptp(samples)) ** 2 / error))


@pytest.mark.parametrize(("shape", "effort"), list(product([(5, 150, 210), (170, 230)], (2, 3))))
def test_edges_take_fewer_bytes(shape: tuple[int, ...], effort: int) -> None:
    samples = edges(shape, 1)
    options: CodingOptions = {"qstep": 30, "effort": effort, "cell_depth": 1}  # type: ignore[typeddict-item]
    plain, predicted = (mmip.encode(samples, prediction=on, **options) for on in (False, True))
    assert (fields(plain).prediction, fields(predicted).prediction) == (False, True)
    assert len(predicted) < 0.99 * len(plain)
    assert decibels(samples, mmip.decode(predicted)) > decibels(samples, mmip.decode(plain)) - 0.15


CASES: dict[str, dict[str, Any]] = {
    "steps": {"qstep": 30},
    "stages": {"qstep": 40, "stages": 5},
    "a PSNR": {"psnr": 45},
    "quality": {"quality": 20},
    "regions": {"qstep": 50, "roi": "threshold:2000", "roi_quality": "lossless"},
    "a bound": {"max_error": 9, "stages": 3},
    "padding": {"qstep": 40, "padding": 900},
}


@pytest.mark.parametrize(("name", "effort"), list(product(CASES, (2, 3))))
def test_decoded_as_measured(name: str, effort: int) -> None:
    """The decoder has no drift: errors are those that the encoder measured, and stages and regions agree."""
    samples = edges((5, 100, 170), 2)
    samples[:, :40, :50] = 900
    blobs = [mmip.encode(samples, prediction=True, effort=effort, threads=t, **CASES[name]) for t in (1, 3)]
    assert blobs[0] == blobs[1]
    assert fields(blobs[0]).prediction
    whole, loss = mmip.decode(blobs[0]), Header.parse(blobs[0])[0].loss
    error = np.abs(whole.astype(np.int64) - samples)
    if name in ("a PSNR", "a bound"):
        assert decibels(samples, whole) >= 45 if name == "a PSNR" else error.max() <= 9
    if name == "regions":
        assert not error[samples >= 2000].any()
    if name == "padding":
        assert np.array_equal(whole == 900, samples == 900)
    assert loss.sse == pytest.approx(float(np.sum(error.astype(np.float64) ** 2)))
    region = (slice(1, 5), slice(33, 90), slice(60, 170))
    for stages in range(1, len(fields(blobs[0]).cuts) + 1):
        full = mmip.decode(blobs[0], stages=stages)
        assert np.array_equal(mmip.decode(blobs[0], stages=stages, region=region), full[region])


@pytest.mark.parametrize(
    ("samples", "options"),
    [
        (edges((40, 90, 80), 3).reshape(40, 90, 80), {"axes": "tyx"}),
        (edges((3, 70, 90), 4).transpose(1, 2, 0).astype(np.uint8), {"axes": "yxc"}),
        (edges((4, 60, 90), 5).astype(np.float32) / 8, {"step": 0.125}),
        (edges((2, 600, 520), 6) // 8, {"qstep": 60}),
        ((edges((3, 64, 64), 7).astype(np.int32) - 2000).astype(np.int16), {}),
    ],
    ids=["time", "colour", "float32", "low rate", "int16"],
)
def test_kinds_of_samples(samples: NDArray[Any], options: dict[str, Any]) -> None:
    samples = np.ascontiguousarray(samples)
    blob = mmip.encode(samples, prediction=True, **({"qstep": 12} | options))
    assert fields(blob).prediction
    plain = mmip.encode(samples, prediction=False, cell_depth=1, **({"qstep": 12} | options))
    assert decibels(samples, mmip.decode(blob)) > decibels(samples, mmip.decode(plain)) - 0.5


@pytest.mark.parametrize("max_error", [3, 20])  # tiles are small, or large
@pytest.mark.parametrize("prediction", [False, True])
def test_what_regions_read(prediction: bool, max_error: int) -> None:
    """Damage in another group of sub-streams is no concern of a region."""
    samples = edges((9, 150, 270), 7)
    blob = mmip.encode(samples, max_error=max_error, stages=3, effort=2, cell_depth=1, prediction=prediction)
    header, start = Header.parse(blob)
    assert header.fields.prediction == prediction
    for stage, size in enumerate(header.fields.stage_bytes, 1):
        groups = read_groups(header, stage, size, blob[start : start + size])
        assert len(groups.spans) == -(-header.fields.substreams(header.layout) // 4)
        damaged = bytearray(blob)
        damaged[start + groups.spans[1][0]] ^= 1  # of the second group, which begins with a tile of the first slices
        first = (slice(0, 1), slice(0, 60), slice(0, 100))
        assert np.array_equal(mmip.decode(bytes(damaged), region=first), mmip.decode(blob, region=first))
        with pytest.raises(mmip.CorruptData, match="group 1: crc differs"):
            mmip.decode(bytes(damaged))
        start += size


def test_estimated_errors_are_near() -> None:
    samples = edges((4, 128, 128), 8)
    blob = mmip.encode(samples, qstep=40, effort=3, prediction=True, verify=False)
    found = np.sum((mmip.decode(blob).astype(np.float64) - samples) ** 2)
    assert Header.parse(blob)[0].loss.sse == pytest.approx(found, rel=0.05)


@pytest.mark.parametrize("effort", [2, 3])
def test_every_kernel_writes_the_same_bytes(effort: int, each_kernel: list[str]) -> None:
    samples, found = edges((3, 70, 140), 9), set()
    for name in each_kernel:
        assert _core.select_kernels(name)
        found.add(mmip.encode(samples, qstep=25, effort=effort, prediction=True))
    assert len(found) == 1


def test_effort_3_predicts_where_it_pays() -> None:
    sharp, noise = edges((2, 150, 210), 10), np.random.default_rng(0).integers(0, 4096, (2, 128, 128), np.uint16)
    assert fields(mmip.encode(sharp, qstep=30, effort=3)).prediction
    assert not fields(mmip.encode(sharp, qstep=30, effort=3, prediction=False)).prediction
    for samples, options in ((sharp, {"qstep": 60}), (sharp, {"qstep": 50, "effort": 1}), (noise, {"quality": 1})):
        assert not fields(mmip.encode(samples, **options)).prediction


@pytest.mark.parametrize("kind", ["alternating", "repeated", "spikes", "noise", "constant"])
def test_arrays_made_to_hurt(kind: str) -> None:
    rng = np.random.default_rng(11)
    samples = np.zeros((6, 130, 140), np.uint16)
    if kind == "alternating":
        samples[::2] = 65535
    elif kind == "repeated":
        samples[:] = edges((130, 140), 12)
    elif kind == "spikes":
        samples[rng.random(samples.shape) < 0.001] = 65535
    elif kind == "noise":
        samples[:] = rng.integers(0, 65536, samples.shape)
    for effort in (2, 3):
        blob = mmip.encode(samples, qstep=64, effort=effort, prediction=True)
        assert len(blob) <= mmip.max_encoded_size(samples.shape, samples.dtype)
        assert np.abs(mmip.decode(blob).astype(np.int64) - samples).mean() < 64


@pytest.mark.parametrize(
    "options", [{"effort": 1}, {"cell_depth": 8}, {"prediction": 1}, {"prediction": "yes"}], ids=str
)
def test_bad_options(options: dict[str, Any]) -> None:
    with pytest.raises(mmip.InvalidArgument, match="prediction"):
        mmip.encode(np.zeros((8, 8), np.uint8), **({"quality": 10, "prediction": True} | options))


@pytest.mark.parametrize("options", [{"lossless": True}, {"labels": True}], ids=str)
def test_exact_samples_in_one_piece_exclude_it(options: dict[str, Any]) -> None:
    with pytest.raises(mmip.InvalidArgument, match="prediction"):
        mmip.encode(np.zeros((8, 8), np.uint8), prediction=True, **options)
