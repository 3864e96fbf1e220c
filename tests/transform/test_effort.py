"""Efforts: fewer bytes for more work, and one decoder."""

import numpy as np
import pytest
from helpers.strategies import make, soft_volume

import mmip_gpu as mmip
from mmip_gpu.container.header import Header

EFFORTS = (1, 2, 3)


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
