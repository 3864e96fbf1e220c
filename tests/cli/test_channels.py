"""The command line: numbers for each channel, and what was reached in each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import run
from helpers.strategies import make

import mmip_gpu as mmip
from mmip_gpu.cli import main


@pytest.fixture
def image(tmp_path: Path) -> Path:
    array = np.stack([make("textured", (50, 40), "uint8", i).astype(np.uint16) * (1, 40, 6)[i] for i in range(3)])
    np.save(tmp_path / "image.npy", array)
    return tmp_path / "image.npy"


def test_a_bound_of_each_channel(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    array, out = np.load(image), image.with_suffix(".mmip")
    run("encode", image, "-o", out, "--axes", "cyx", "--max-error", "1,60,7.5")
    worst = np.abs(mmip.decode(out.read_bytes()).astype(int) - array).max(axis=(1, 2))
    assert (worst <= (1, 60, 7)).all()
    capsys.readouterr()
    run("info", out)
    text = capsys.readouterr().out
    assert f"channel 1 of 60: PSNR {mmip.inspect(out.read_bytes())['loss']['channels'][1]['psnr']:.2f} dB" in text
    run("info", out, "--json")
    loss = json.loads(capsys.readouterr().out)["loss"]
    assert [one["max_error"] for one in loss["channels"]] == worst.tolist()


def test_stores_and_one_step_for_all(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = image.with_suffix(".zarr")
    run("compress", image, store, "--axes", "cyx", "--no-colour", "--qstep", "2,90,9.5", "--chunks", "32")
    run("info", store)
    text = capsys.readouterr().out
    assert all(f"channel {i}: PSNR" in text for i in range(3))
    assert mmip.open_zarr(store).report["plan"]["steps"] == [[2, 90, 9.5]]
    run("verify", store)
    for flags, count in (((), 3), (("--no-per-channel",), 1)):
        out = image.with_suffix(".mmip")
        run("encode", image, "-o", out, "--axes", "cyx", "--no-colour", "--psnr", "40", *flags)
        assert len(mmip.inspect(out.read_bytes())["config"]["steps"][0]) == count
        out.unlink()


@pytest.mark.parametrize("text", ["1,,2", "a", "1;2", ""])
def test_a_list_that_cannot_be_read_is_refused(text: str, image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", str(image), "-o", str(image.with_suffix(".mmip")), f"--max-error={text}"]) != 0
    assert "expected a number, or one for each channel as in 1,2,5" in capsys.readouterr().err


def test_another_number_of_channels_is_refused(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(image.with_suffix(".mmip"))
    assert main(["encode", str(image), "-o", out, "--axes", "cyx", "--max-error", "1,2"]) != 0
    assert "one for each of 3 channels" in capsys.readouterr().err
