"""Figures that compare codings: one scale for all error maps, the region outlined where it is, the fullest slice."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.drawn import is_colour, part, pixels

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.quality.drawing import PNG_BYTES_MAX, ROI_COLOUR
from mmip_gpu.quality.plot import plot_errors
from mmip_gpu.quality.plot_regions import plot_roi

pytest.importorskip("matplotlib")

# Columns of the panels of a figure with an original and two images, and the rows of the maps.
FIRST, SECOND, MAPS, IMAGES = (0.4, 0.62), (0.74, 0.95), (0.58, 0.85), (0.1, 0.45)


def strength(image: np.ndarray) -> float:
    """How red or blue a part is, in the mean."""
    return float(np.abs(image @ (1, 0, -1)).mean())


def image_with_square(shape=(60, 60)) -> np.ndarray:
    image = np.full(shape, 1000, np.uint16)
    image[..., 20:40, 20:40] = 9000
    return image


def checks(size: int, shape=(60, 60)) -> np.ndarray:
    """Errors of both signs."""
    return size * (np.indices(shape).sum(axis=0) // 8 % 2 * 2 - 1)


def test_error_maps_share_a_scale(tmp_path):
    """A tenth of the errors is a tenth as strong, which maps on scales of their own would hide."""
    image = np.full((60, 60), 500, np.int32)
    plot_errors(image, [image + checks(100), image + checks(10)], ["a", "b"], tmp_path / "a.png")
    drawn = pixels(tmp_path / "a.png")
    large, small = (strength(part(drawn, MAPS, columns)) for columns in (FIRST, SECOND))
    assert large > 80
    assert 0 < small < 0.4 * large
    plot_errors(image, [image + checks(100), image], ["a", "b"], tmp_path / "b.png")
    assert strength(part(pixels(tmp_path / "b.png"), MAPS, SECOND)) < 3


def test_red_is_above_the_original_and_blue_below(tmp_path):
    image = np.full((60, 60), 500, np.int32)
    plot_errors(image, [image + 7, image - 7], ["a", "b"], tmp_path / "a.png")
    drawn = pixels(tmp_path / "a.png")
    assert (part(drawn, MAPS, FIRST) @ (1, 0, -1)).min() > 50
    assert (part(drawn, MAPS, SECOND) @ (1, 0, -1)).max() < -50


def test_the_region_is_outlined_in_images_and_maps(tmp_path):
    image = image_with_square()
    region = image >= 9000
    plot_errors(image, [image, image + 5], ["a", "b"], tmp_path / "with.png", region)
    plot_errors(image, [image, image + 5], ["a", "b"], tmp_path / "without.png")
    for rows in (IMAGES, MAPS):
        for columns in (FIRST, SECOND):
            outlined = is_colour(part(pixels(tmp_path / "with.png"), rows, columns), ROI_COLOUR)
            inside = is_colour(part(pixels(tmp_path / "without.png"), rows, columns), ROI_COLOUR)
            assert outlined.sum() > 100
            assert inside.sum() == 0
            rows_found, columns_found = np.nonzero(outlined)  # a square in the middle, not filled
            assert np.ptp(rows_found) == pytest.approx(np.ptp(columns_found), abs=6)
            assert not outlined[
                (rows_found.min() + rows_found.max()) // 2, (columns_found.min() + columns_found.max()) // 2
            ]


def test_a_drawing_holds_its_texts_and_is_the_same_each_time(tmp_path):
    image = image_with_square()
    for name in ("a.svg", "b.svg"):
        plot_errors(image, [image + 5], ["12.8 kB, 48 dB"], tmp_path / name, caption="peak 8000")
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    for words in ("original", "12.8 kB, 48 dB", "decoded - original, at most 5", "peak 8000"):
        assert f">{words}</text>" in text
    with pytest.raises(InvalidArgument, match="shape"):
        plot_errors(image, [image[1:]], ["a"], tmp_path / "c.svg")


def test_a_region_has_its_numbers_and_the_slice_with_the_most_of_it(tmp_path):
    volume = np.full((6, 60, 60), 1000, np.uint16)
    volume[1, 30:32, 30:32] = 9000
    volume[4, 10:50, 10:50] = 9000
    better, worse = volume.copy(), volume.copy()
    better[:, 0] += 100  # outside
    worse[4, 20:40, 20:40] += 100  # inside
    decoded = {"with region": (better, 1234), "without": (worse, 1235)}
    plot_roi(volume, decoded, tmp_path / "roi.svg", "threshold:9000", name="phantom")
    text = (tmp_path / "roi.svg").read_text()
    for words in (
        "with region: 1,234 bytes",
        "without: 1,235 bytes",
        "region no error, whole 55.84 dB",
        "z = 4",
        "phantom",
    ):
        assert words in text
    plot_roi(volume, decoded, tmp_path / "roi.png", "threshold:9000")
    drawn = pixels(tmp_path / "roi.png")
    assert (tmp_path / "roi.png").stat().st_size <= PNG_BYTES_MAX
    outlined = is_colour(part(drawn, (0.1, 0.5), (0, 0.33)), ROI_COLOUR)
    assert np.ptp(np.nonzero(outlined)[0]) > 0.4 * outlined.shape[0]
    assert strength(part(drawn, (0.65, 0.75), FIRST)) < 20 < strength(part(drawn, (0.68, 0.72), (0.82, 0.86)))


@pytest.mark.parametrize(
    ("shape", "axes"), [((40, 50), "yx"), ((40, 50, 3), "yxc"), ((2, 3, 30, 40), "tzyx"), ((3, 30, 40), "cyx")]
)
def test_regions_of_every_kind_of_image(shape, axes, tmp_path):
    image = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    mask = np.zeros([size for size, letter in zip(shape, axes, strict=True) if letter != "c"], bool)
    mask[..., 5:20, 5:20] = True
    plot_roi(image, {"a": (image, 10)}, tmp_path / "a.png", mask, axes=axes)
    assert is_colour(pixels(tmp_path / "a.png"), ROI_COLOUR).sum() > 100


def test_a_region_of_nothing_is_refused(tmp_path):
    image = image_with_square()
    for region in ("threshold:60000", np.zeros((60, 60), bool)):
        with pytest.raises(InvalidArgument, match="expected a region with samples"):
            plot_roi(image, {"a": (image, 1)}, tmp_path / "a.png", region)
    assert not (tmp_path / "a.png").exists()
