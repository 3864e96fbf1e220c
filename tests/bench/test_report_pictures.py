"""Pictures of a run: a window of the samples, exact; side by side at about the same rate, with errors on one scale."""

from __future__ import annotations

import base64
import io
import math
import re

import numpy as np
import pytest
from helpers import bench_records as made

from mmip_gpu.bench.images import BenchImage
from mmip_gpu.bench.report import save_pictures, write_report


def pixels(page: str, alt: str) -> np.ndarray:
    """The picture with this text in the place of it."""
    from PIL import Image

    (data,) = re.findall(rf'alt="{re.escape(alt)}[^"]*" src="data:image/png;base64,([^"]*)"', page)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(int)


@pytest.fixture(scope="module")
def run_with_pictures(tmp_path_factory):
    """An image of 16 bits below 0, whose detail lies in its lower right corner; errors of 40, 10 and -40 there."""
    folder = tmp_path_factory.mktemp("pictures")
    array = np.zeros((400, 500), np.int16) - 1000
    array[250:350, 350:450] = np.random.default_rng(0).integers(-2000, 3000, (100, 100))
    image = BenchImage("slice", array, "yx", 16, group="CT")
    records = []
    for codec, bits, error in ((made.ANCHOR, 1.0, 40), ("near", 1.1, 10), ("minus", 0.95, -40), ("far", 3.0, 1)):
        record = made.record(image.facts, codec, bits, 50.0)
        decoded = array.copy()
        decoded[300:320, 400:420] += error
        save_pictures(folder / "pictures", image, record, decoded)
        records.append(record)
    exact = made.record(image.facts, "exact", 9.0, math.inf)
    save_pictures(folder / "pictures", image, exact, array)
    write_report(made.write(folder, [*records, exact]))
    return (folder / "report.html").read_text()


def test_pictures_show_the_window_with_the_detail_exactly(run_with_pictures):
    original = pixels(run_with_pictures, "slice, original, rows 192 to 383")
    assert original.shape == (192, 192)
    assert original[:50].std() == 0
    assert original[60:150, 65:160].std() > 50


def test_error_maps_share_a_scale(run_with_pictures):
    """Orange is above the original, blue below, both as strong as their errors; white is none."""
    maps = {
        codec: pixels(run_with_pictures, f"Error map of {codec} on slice") for codec in (made.ANCHOR, "near", "minus")
    }
    (above, less, below) = (found[116, 120] for found in maps.values())  # row 308, column 408
    assert all((found[0, 0] == 255).all() for found in maps.values())
    assert above[0] > above[2] + 100
    assert below[2] > below[0] + 100
    assert 0 < less[0] - less[2] < 0.4 * (above[0] - above[2])
    assert "<span>-40</span><span>0</span><span>+40</span>" in run_with_pictures


def test_what_is_shown_has_about_the_same_rate(run_with_pictures):
    shown = re.findall(r'alt="slice decoded by ([^,]*), ([\d.]*) bits', run_with_pictures)
    assert dict(shown) == {made.ANCHOR: "1.000", "near": "1.100", "minus": "0.949"}
    assert shown[0][0] == made.ANCHOR
    assert "largest error here 40" in run_with_pictures


@pytest.mark.parametrize(
    ("shape", "axes", "dtype"),
    [
        ((40, 300), "yx", np.uint8),
        ((3, 30, 40), "zyx", np.float32),
        ((30, 40, 3), "yxc", np.uint16),
        ((2, 9, 9), "cyx", np.int8),
    ],
)
def test_pictures_of_every_kind(shape, axes, dtype, tmp_path):
    array = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    image = BenchImage("kind", array, axes, 8)
    record = made.record(image.facts, "codec", 1.0, 50.0)
    save_pictures(tmp_path / "pictures", image, record, (array + 1).astype(dtype))
    write_report(made.write(tmp_path, [record]))
    page = (tmp_path / "report.html").read_text()
    assert pixels(page, "Error map of codec on kind").reshape(-1, 3)[0].tolist() == [200, 80, 0]
    assert "largest error here 1;" in page


def test_a_picture_that_cannot_be_written_leaves_nothing_half_done(tmp_path, monkeypatch):
    image = BenchImage("kind", np.arange(100, dtype=np.uint8).reshape(10, 10), "yx", 8)
    record = made.record(image.facts, "codec", 1.0, 50.0)
    write = type(tmp_path).write_bytes

    def full(path, data):
        if "__" in path.name:
            write(path, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(type(tmp_path), "write_bytes", full)
        with pytest.raises(OSError, match="No space"):
            save_pictures(tmp_path / "pictures", image, record, image.array)
    assert sorted(path.name for path in (tmp_path / "pictures").glob("*.png")) == ["kind.png"]
    write_report(made.write(tmp_path, [record]))
    assert "data:image" not in (tmp_path / "report.html").read_text()
    save_pictures(tmp_path / "pictures", image, record, image.array + 1)
    write_report(tmp_path)
    assert "Error map of codec on kind" in (tmp_path / "report.html").read_text()
