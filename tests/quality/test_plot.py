"""Figures: the files are there, small, of the right kind, and bad input is refused."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from mmip_gpu.errors import InvalidArgument, MissingResource, StoreError
from mmip_gpu.quality.drawing import PNG_BYTES_MAX
from mmip_gpu.quality.plot import plot_progressive
from mmip_gpu.quality.plot_charts import plot_rate

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
ROWS = [{"codec": codec, "bits_per_sample": bits, "psnr": 40 + 6 * bits} for codec in "ab" for bits in (2, 0.5, 1)]


def noise(shape, dtype=np.uint16):
    return np.random.default_rng(0).integers(0, 255, shape).astype(dtype)


@pytest.fixture(autouse=True)
def _matplotlib():
    pytest.importorskip("matplotlib")


@pytest.mark.parametrize(
    ("shape", "axes", "roi"),
    [
        ((40, 30), None, "threshold:128"),
        ((9, 16, 17), None, np.ones((9, 16, 17), bool)),
        ((16, 17, 3), "yxc", np.eye(16, 17, dtype=np.uint8)),
        ((2, 16, 17), "cyx", "threshold:300"),
        ((2, 3, 4, 5), "tzyx", None),
        ((17, 1600), "xy", None),
        ((1, 1), "yx", None),
    ],
)
def test_progressive_of_every_kind(shape, axes, roi, tmp_path):
    image = noise(shape)
    path = tmp_path / "stages.png"
    plot_progressive(image, [image // 2, image], ["stage 1: 5.1 kB, 48.3 dB", "stage 2"], path, roi, axes=axes)
    encoded = path.read_bytes()
    assert encoded.startswith(PNG_MAGIC)
    assert len(encoded) <= PNG_BYTES_MAX


@pytest.mark.parametrize("sizes", [(4000, 1), (4000, 200, 1), (0, 3), (1, 0)])
def test_every_stage_has_an_error_scale_of_its_own(sizes, tmp_path):
    """Small errors are as red and blue as large ones; a stage without errors stays pale."""
    image = np.zeros((32, 32), np.int32)
    errors = [size * (noise((32, 32), np.int32) % 3 - 1) for size in sizes]
    plot_progressive(image, errors, list(map(str, sizes)), tmp_path / "a.png", caption="zeros\nall of it")
    from PIL import Image

    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    lower = pixels[int(pixels.shape[0] * 0.55) : int(pixels.shape[0] * 0.85)]
    for k, size in enumerate(sizes, start=1):
        left, right = (int(pixels.shape[1] * (k + part) / (len(sizes) + 1)) for part in (0.2, 0.8))
        red_less_blue = (lower[:, left:right] @ (1, 0, -1)).ravel()
        assert ((red_less_blue > 50).mean() > 0.1) == ((red_less_blue < -50).mean() > 0.1) == (size > 0)


def test_progressive_stays_small_on_noise(tmp_path):
    image = noise((1000, 900))
    path = tmp_path / "noise.png"
    plot_progressive(image, [image ^ mask for mask in (63, 15, 3)], ["1", "2", "3"], str(path))
    assert 10_000 < path.stat().st_size <= PNG_BYTES_MAX


def test_progressive_does_not_alter_its_input(tmp_path):
    image = noise((12, 12))
    before = image.copy()
    image.flags.writeable = False
    plot_progressive(image, [image], ["stage 1"], tmp_path / "a.png", roi=image > 100)
    assert np.array_equal(image, before)


@pytest.mark.parametrize(
    ("shape", "stages", "labels"),
    [
        ((4, 4), [], []),
        ((4, 4), [np.zeros((4, 4))], ["1", "2"]),
        ((4, 4), [np.zeros((4, 5))], ["1"]),
        ((4,), [np.zeros(4)], ["1"]),
        ((0, 4), [np.zeros((0, 4))], ["1"]),
    ],
)
def test_progressive_refuses(shape, stages, labels, tmp_path):
    with pytest.raises(InvalidArgument, match=r"plot: expected .* found"):
        plot_progressive(np.zeros(shape), stages, labels, tmp_path / "a.png")


def test_rate(tmp_path):
    rows = [*ROWS, {"codec": "lossless", "bits_per_sample": 3, "psnr": float("inf")}]
    plot_rate([*rows, {"codec": "lossless", "bits_per_sample": 3, "psnr": None}], tmp_path / "rate.png")
    assert (tmp_path / "rate.png").read_bytes().startswith(PNG_MAGIC)
    plot_rate(ROWS, tmp_path / "rate.svg", peak="peak 65535")
    drawing = (tmp_path / "rate.svg").read_text()
    assert drawing.startswith("<?xml")
    with pytest.raises(InvalidArgument, match="found 1 rows"):
        plot_rate(rows[-1:], tmp_path / "none.png")


def test_files_that_cannot_be_written(tmp_path):
    for name in ("missing/rate.png", "missing/rate.svg"):
        with pytest.raises(StoreError, match="missing"):
            plot_rate(ROWS, tmp_path / name)
    with pytest.raises(InvalidArgument, match="found 'xyz'"):
        plot_rate(ROWS, tmp_path / "rate.xyz")


def test_no_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingResource, match=r"mmip-gpu\[plot\]"):
        plot_rate(ROWS, tmp_path / "rate.png")


def test_pyplot_is_not_touched(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    plot_rate(ROWS, tmp_path / "rate.png")
    assert (tmp_path / "rate.png").stat().st_size > 0
