"""Efforts: fewer bytes for more work, one decoder, the same bytes from every kernel copy and thread count."""

import numpy as np
import pytest
from helpers.strategies import make
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu import _core
from mmip_gpu.container.header import Header

EFFORTS = (1, 2, 3)


def soft_volume() -> NDArray[np.uint16]:
    """Smooth waves, an edge and a little noise: every block mode is the best one somewhere."""
    z, y, x = np.mgrid[:32, :96, :96].astype(float)
    waves = 900 * np.sin(x / 23 + z / 9) + 700 * np.cos(y / 17)
    edge = 4000 * ((x - 40) ** 2 + (y - 50) ** 2 < 500)
    noise = np.random.default_rng(3).normal(0, 12, waves.shape)
    return np.clip(np.rint(5000 + waves + edge + noise), 0, 65535).astype(np.uint16)


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("case", ["volume", "image", "classes"])
def test_kernels_and_threads_write_the_same_bytes(effort: int, case: str, each_kernel: list[str]) -> None:
    array = soft_volume() if case == "volume" else make("textured", (200, 230), "uint16", 5)
    options = {"roi": "threshold:40000", "roi_quality": "lossless"} if case == "classes" else {}
    blobs = set()
    for name in each_kernel:
        assert _core.select_kernels(name)
        blobs |= {mmip.encode(array, quality=12, effort=effort, threads=threads, **options) for threads in (1, 3)}
    assert len(blobs) == 1


def test_more_effort_takes_fewer_bytes() -> None:
    volume = soft_volume()
    blobs = [mmip.encode(volume, psnr=50, effort=effort) for effort in EFFORTS]
    assert len(blobs[0]) > len(blobs[1]) > len(blobs[2])
    for blob in blobs:
        loss = mmip.inspect(blob)["loss"]
        assert 50 <= loss["psnr"] < 50.3
        error = np.mean((mmip.decode(blob).astype(float) - volume) ** 2)
        assert 10 * np.log10(float(np.ptp(volume)) ** 2 / error) == pytest.approx(loss["psnr"], abs=1e-6)


def test_bit_exact_arrays_do_not_depend_on_the_effort() -> None:
    image = make("textured", (90, 120), "int16", 2)
    assert len({mmip.encode(image, lossless=True, stages=3, effort=effort) for effort in EFFORTS}) == 1


@pytest.mark.parametrize("effort", [0, 4, 2.0, True, "3", None])
def test_other_efforts_are_refused(effort: object) -> None:
    with pytest.raises(mmip.InvalidArgument, match="effort="):
        mmip.encode(np.zeros((8, 8), np.uint8), quality=10, effort=effort)


def stage_1_of(blob: bytes) -> bytes:
    header, at = Header.parse(blob)
    return blob[at : at + header.payload_sizes[0]]


def test_prediction_weights_are_sent_where_they_pay() -> None:
    """Columns that have nothing to do with one another are predicted from above; noise is not worth 11 bytes."""
    columns = np.repeat(np.random.default_rng(1).integers(0, 60000, 64), 8).astype(np.uint16)
    striped = stage_1_of(mmip.encode(np.tile(columns, (512, 1)), quality=10))
    assert striped[4] & 128
    assert len(striped) < 64 * 64 * 2 / 8
    plain = stage_1_of(mmip.encode(make("noise", (64, 64), "uint16", 1), quality=10))
    assert not plain[4] & 128


def test_flat_regions_take_no_bits_for_their_dcs() -> None:
    """Runs: 4,095 of 4,096 cells say nothing of their own."""
    image = np.full((512, 512), 1000, np.uint16)
    image[:8, :8] = 3000
    assert len(stage_1_of(mmip.encode(image, quality=10, padding=None))) < 60
