"""An image of the benchmark: what is known of it, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mmip_gpu.bench.images import BenchImage, checksum, file_safe, middle_of
from mmip_gpu.errors import InvalidArgument

RAMP = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("axes", "bits", "raw", "spatial", "channels"),
    [
        ("zyx", 12, 48, (2, 3, 4), 1),
        ("yxc", 8, 24, (2, 3), 4),
        ("tyx", 16, 48, (2, 3, 4), 1),
        ("zyx", 17, 72, (2, 3, 4), 1),
    ],
)
def test_sizes(axes, bits, raw, spatial, channels):
    image = BenchImage("ramp", RAMP, axes, bits)
    assert (image.raw_bytes, image.spatial_shape, image.channels) == (raw, spatial, channels)
    assert image.facts["checksum"] == checksum(RAMP)


def test_a_constant_image_has_a_peak():
    flat = BenchImage("flat", np.full((4, 4), 9, np.int16), "yx", 16)
    assert flat.peak == 1
    assert flat.facts["constant_psnr"] == math.inf


def test_the_psnr_of_one_colour_is_a_fact():
    ramp = BenchImage("ramp", RAMP, "zyx", 12)
    assert ramp.facts["constant_psnr"] == pytest.approx(20 * math.log10(23 / RAMP.std()))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"axes": "yx"}, "a letter an axis"),
        ({"array": RAMP[:0]}, "a letter an axis"),
        ({"name": "a/b"}, "expected 'a_b'"),
        ({"masks": {"lesion": np.ones((3, 4), bool)}}, r"lesion: expected .* \(2, 3, 4\), found \(3, 4\)"),
        ({"labels": np.ones((2, 3), np.uint8)}, "labels: expected"),
        ({"window": (9.0, 9.0)}, "window: expected its two ends"),
        ({"window": (0.0, math.inf)}, "window: expected its two ends"),
        ({"window": (1.0, 2.0, 3.0)}, "window: expected its two ends"),
    ],
)
def test_refused(changed, said):
    with pytest.raises(InvalidArgument, match=said):
        BenchImage(**({"name": "ramp", "array": RAMP, "axes": "zyx", "bits": 16} | changed))


@pytest.mark.parametrize(("name", "safe"), [("a b.tif", "a_b.tif"), ("..", "_"), ("x:1/2", "x_1_2"), ("é", "é")])
def test_names_of_files(name, safe):
    assert file_safe(name) == safe


@pytest.mark.parametrize("axes", ["zyx", "tyx", "yxc", "yx"])
def test_the_middle_of_a_large_image(axes):
    shape = {"z": 7, "t": 7, "y": 6, "x": 9, "c": 3}
    array = np.arange(7 * 6 * 9 * 3)[: math.prod(shape[a] for a in axes)].reshape([shape[a] for a in axes])
    spatial = array[..., 0] if axes == "yxc" else array
    image = BenchImage("a", array, axes, 16, masks={"odd": spatial % 2 > 0}, labels=spatial, window=(1.0, 2.0))
    cut = middle_of(image, 4, 3)
    index = tuple(slice({"z": 2, "t": 2, "y": 1, "x": 2}[a], {"z": 5, "t": 5, "y": 5, "x": 6}[a]) for a in axes[:-1])
    index += (slice(None) if axes == "yxc" else slice(2, 6),)
    assert (cut.name, cut.window) == ("a-middle", (1.0, 2.0))
    assert np.array_equal(cut.array, array[index])
    kept = cut.array[..., 0] if axes == "yxc" else cut.array
    assert np.array_equal(cut.labels, kept)
    assert np.array_equal(cut.masks["odd"], kept % 2 > 0)
    assert middle_of(image, 9, 7) is image
