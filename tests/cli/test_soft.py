"""The command soft: the stages of the original on a small set, what they print, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import run
from PIL import Image

import mmip_gpu
from mmip_gpu.cli import main
from mmip_gpu.soft import Codebook, library


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a set of six images, of which the last one has a value that the others lack."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MMIP_CODEBOOKS", str(tmp_path / "books"))
    monkeypatch.setattr(library, "_REGISTERED", {})
    (tmp_path / "set").mkdir()
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:50, :60]
    for number in range(6):
        image = np.stack([120 + 40 * np.sin((y + number) / 9), 90 + x / 2, np.full(y.shape, 60.0)], -1)
        image = image + rng.integers(-2, 3, image.shape)
        image[5, 5] = (255, 0, 255) if number == 5 else 10
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(tmp_path / "set" / f"{number}.png")
    return tmp_path


def test_the_stages(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("soft", "prepare", "4/2", "set", "out")
    run("soft", "train", "out/train", "-o", "cells.mmsc")
    run("soft", "train", "out/train", "-o", "books", "--json", "--quiet")
    assert "4 images to train with, 2 to test with" in capsys.readouterr().out
    book = Codebook.load("cells.mmsc")
    assert (here / "books" / f"{book.sha256.hex()}.mmsc").read_bytes() == book.data
    run("soft", "encode", "out/test/5.png", "--codebook", "cells.mmsc", "-o", "a.mmip")
    run("soft", "encode", "out/test/5.png", "--codebook", book.digest, "-o", "b.mmip", "--embed")
    assert f"codebook {book.digest}, embedded" in capsys.readouterr().out
    run("soft", "encode", "out/test/5.png", "--codebook", "books", "-o", "b.mmip", "--embed", "--overwrite")
    assert main(["soft", "encode", "out/test/5.png", "--codebook", "out", "-o", "n.mmip"]) == 2
    assert "a folder of one codebook, found 0" in capsys.readouterr().err
    expected = np.asarray(Image.open("set/5.png"))
    for name in ("a", "b"):
        run("soft", "decode", f"{name}.mmip", "-o", f"{name}.npy")
        assert np.array_equal(np.load(f"{name}.npy"), expected)
    run("decode", "a.mmip", "-o", "again.npy")
    run("evaluate", "out/test/5.png", "a.mmip", "--quiet")
    (here / "books" / f"{book.sha256.hex()}.mmsc").unlink()
    library._REGISTERED.clear()
    assert main(["soft", "decode", "a.mmip", "-o", "c.npy"]) == 2
    assert f"MissingResource: the codebook {book.digest}" in capsys.readouterr().err
    run("soft", "decode", "a.mmip", "-o", "c.npy", "--codebook", "cells.mmsc")
    assert mmip_gpu.inspect((here / "a.mmip").read_bytes())["codebook"] == book.digest


def test_evaluate_prints_what_the_original_prints(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("soft", "prepare", "4/2", "set", "out")
    capsys.readouterr()
    run("soft", "evaluate", "out")
    text = capsys.readouterr().out
    for words in ("4.png", "compression ratio: mean", "variance", "root mean square error 0.00", "corpus ratio",
                  "compressible indicator"):  # fmt: skip
        assert words in text
    run("soft", "evaluate", "out", "--json", "--no-colour", "--degree", "2")
    report = json.loads(capsys.readouterr().out)
    assert report["images"] == 2
    assert [row["image"] for row in report["rows"]] == ["4.png", "5.png"]
    assert report["minimum"] <= report["mean"] <= report["maximum"]
    run("soft", "train", "out/train", "-o", "cells.mmsc", "--quiet")
    run("soft", "evaluate", "set", "--codebook", "cells.mmsc", "--json")
    assert json.loads(capsys.readouterr().out)["images"] == 6
    run("soft", "evaluate", "set", "--leave-one-out", "--json")
    assert json.loads(capsys.readouterr().out)["rmse"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("soft prepare 9/9 set out", "takes 9 images to train, found 6"),
        ("soft prepare 4/2 none out", "expected a folder of images"),
        ("soft train none -o a.mmsc", "expected a folder of images"),
        ("soft train set -o a.mmsc --bits 7", "bits"),
        ("soft encode set/1.png --codebook none.mmsc -o a.mmip", "codebook none.mmsc: No such file"),
        ("soft encode set/1.png --codebook set/1.png -o a.mmip", "codebook: another magic"),
        ("soft encode set/1.png --codebook sha256:00 -o a.mmip", "64 hex digits"),
        ("soft decode set/1.png -o a.npy", "expected the magic"),
        ("soft decode a.mmip -o a.png", ".npy"),
        ("soft evaluate set", "expected folders train and test in it, or --codebook, or --leave-one-out"),
        ("soft evaluate set --leave-one-out --codebook a.mmsc", "leave --codebook out"),
        ("soft frobnicate", "unknown command frobnicate"),
    ],
)
def test_what_is_refused(arguments: str, said: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments.split()) == 2
    assert said in capsys.readouterr().err
