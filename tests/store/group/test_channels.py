"""The loss of each channel: recorded, shown, and warned about where a PSNR of the whole leaves one out."""

import json
import warnings

import numpy as np
import pytest

import mmip_gpu as mmip
from mmip_gpu import MmipWarning
from mmip_gpu.cli import main

VOLUME = mmip.phantom3d((16, 64, 64)).astype(int) // 16
UNEQUAL = np.stack([VOLUME // 30, VOLUME * 10]).astype("u2")
EQUAL = np.stack([VOLUME, VOLUME[::-1]]).astype("u2")


def said(work):
    """(result, warnings) of a call."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        result = work()
    texts = [str(one.message) for one in found if one.category is MmipWarning]
    return result, [text for text in texts if "labels=True" not in text]


def own_psnr(a, b):
    return 20 * np.log10(np.ptp(a) / np.sqrt(((a.astype(float) - b) ** 2).mean()))


@pytest.mark.parametrize(
    ("array", "axes"),
    [
        (UNEQUAL, "czyx"),
        (np.moveaxis(UNEQUAL, 0, -1), "zyxc"),
        (UNEQUAL[:, None].repeat(2, 1), "ctzyx"),
        ((UNEQUAL / 10).astype("f4"), "czyx"),
    ],
)
def test_each_channel_is_recorded_and_what_is_missed_is_said(array, axes):
    store, step = {}, {"step": 0.01} if array.dtype.kind == "f" else {}
    report, texts = said(
        lambda: mmip.write_zarr(array, store, psnr=50, axes=axes, per_channel=False, progress=False, **step)
    )
    channel, found = axes.index("c"), mmip.open_zarr(store)[...]
    pairs = zip(np.moveaxis(array, channel, 0), np.moveaxis(found, channel, 0), strict=True)
    for stated, (a, b) in zip(report["loss"]["channels"], pairs, strict=True):
        assert stated["psnr"] == pytest.approx(own_psnr(a, b), abs=1e-3)
        assert stated["max_error"] == pytest.approx(abs(a.astype(float) - b).max(), rel=1e-6)
        assert (stated["minimum"], stated["maximum"]) == (a.min(), a.max())
    assert len(texts) == 1
    assert "by channel 0 (" in texts[0]
    assert mmip.open_zarr(store).report["loss"] == report["loss"]
    assert mmip.verify_zarr(store, progress=False)["ok"]


@pytest.mark.parametrize("batch", [False, True])
def test_encode_says_it_too(batch):
    work = (
        (lambda: mmip.encode_batch([UNEQUAL], psnr=50, axes="czyx", per_channel=False))
        if batch
        else (lambda: mmip.encode(UNEQUAL, psnr=50, axes="czyx", per_channel=False))
    )
    assert "by channel 0 (" in said(work)[1][0]


@pytest.mark.parametrize("options", [{"psnr": 50}, {"quality": 10}, {"lossless": True, "stages": 3}])
def test_equal_channels_are_no_reason_to_warn(options):
    report, texts = said(lambda: mmip.write_zarr(EQUAL, {}, axes="czyx", progress=False, **options))
    assert texts == []
    assert len(report["loss"]["channels"]) == 2
    assert said(lambda: mmip.encode(EQUAL, axes="czyx", **options))[1] == []


def test_colour_and_grey_have_no_channels():
    for array, axes in ((np.zeros((64, 64, 3), "u1"), "yxc"), (np.zeros((64, 64), "u1"), "yx")):
        assert "channels" not in mmip.write_zarr(array, {}, quality=10, axes=axes, progress=False)["loss"]


def test_the_command_shows_channels(tmp_path, capsys):
    np.save(tmp_path / "a.npy", UNEQUAL)
    assert main(["compress", str(tmp_path / "a.npy"), str(tmp_path / "a.zarr"), "--psnr", "50", "--axes", "czyx"]) == 0
    assert main(["info", str(tmp_path / "a.zarr")]) == 0
    out = capsys.readouterr().out
    assert out.count("channel 0: PSNR") == out.count("channel 1: PSNR") == 2


def test_a_store_without_the_record_of_channels_opens_and_one_of_another_form_does_not(tmp_path):
    mmip.write_zarr(EQUAL, tmp_path / "a.zarr", quality=10, axes="czyx", progress=False)
    place = tmp_path / "a.zarr/zarr.json"
    data = json.loads(place.read_text())
    loss = data["attributes"]["mmip"]["report"]["loss"]
    del loss["channels"]
    place.write_text(json.dumps(data))
    assert mmip.verify_zarr(tmp_path / "a.zarr", progress=False)["ok"]
    assert mmip.open_zarr(tmp_path / "a.zarr").shape == EQUAL.shape
    for wrong in (7, ["x"], [{"psnr": "high"}]):
        loss["channels"] = wrong
        place.write_text(json.dumps(data))
        with pytest.raises(mmip.CorruptData, match="report is damaged"):
            mmip.open_zarr(tmp_path / "a.zarr")
