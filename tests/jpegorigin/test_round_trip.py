"""Kind 5 gives back every sample: samplings, offsets, layouts, regions, scales, threads; and what the search finds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import reference
from reference.jpeg_origin import decode_image
from reference.jpeg_samples import Form, pixels
from vectors import makers

import mmip_gpu as mmip
from mmip_gpu import _core
from mmip_gpu.container.reader import open_container

Array = np.ndarray


def jpeg(shape: tuple[int, ...], seed: int) -> Array:
    """By seed modulo 3 4:4:4, 4:2:2, 4:2:0, from 9 on 4:4:0; odd seeds are cut 3 rows and 5 columns inside the grid."""
    return makers.make("jpeg", shape, "uint8", seed)


def small(array: Array, axes: str, **options: object) -> bytes:
    blob = mmip.encode(array, lossless="small", axes=axes, **options)
    assert mmip.inspect(blob)["kind"] == "jpeg origin"
    return blob


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("shape", "axes"), [((64, 80, 3), "yxc"), ((57, 66, 3), "yxc"), ((61, 70), "yx")])
def test_all_samples_come_back(shape: tuple[int, ...], axes: str, seed: int) -> None:
    array = jpeg(shape, seed)
    blob = small(array, axes)
    assert np.array_equal(mmip.decode(blob), array)
    if seed in (0, 1, 2, 9) and shape[0] == 57:
        assert np.array_equal(reference.decode(blob), array)


@pytest.mark.parametrize("seed", [0, 2, 4, 6, 8, 10])
def test_whole_blocks_leave_no_residual(seed: int) -> None:
    array = jpeg((64, 80, 3), seed)
    found = mmip.is_jpeg_origin(array)
    sampling = ("4:4:4", "4:2:2", "4:2:0", "4:4:0")[makers.sampling_of(seed)]
    quality = 55 + 9 * (seed % 5)
    assert found is not None
    assert found.recovered > 0.999
    assert (found.sampling, found.offset) == (sampling, (0, 0))
    assert found.qualities == (quality, quality)


def test_tables_of_no_quality_are_told_from_the_coefficients() -> None:
    rng = np.random.default_rng(0)
    steps = np.full(64, 40)
    steps[[0, 1, 8, 9, 2, 16]] = 7, 11, 13, 17, 19, 9
    blocks = rng.integers(-9, 10, (16, 20, 8, 8)) * (np.add.outer(np.arange(8), np.arange(8)) < 3)
    array = pixels([blocks], Form((128, 160, 1), 0, 0, 0, [steps.reshape(8, 8)])).astype(np.uint8)[..., 0]
    found = mmip.is_jpeg_origin(array)
    assert found is not None
    assert found.qualities == (0,)
    assert found.recovered > 0.9
    assert np.array_equal(mmip.decode(small(array, "yx")), array)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((2, 3, 50, 60), "tzyx"), ((2, 48, 64, 3), "nyxc"), ((3, 2, 48, 64), "czyx"), ((48, 3, 64), "ycx")],
)
def test_layouts(shape: tuple[int, ...], axes: str) -> None:
    if "c" in axes:
        count = int(np.prod([n for n, a in zip(shape, axes, strict=True) if a not in "cyx"]))
        images = jpeg((count, 48, 64, 3), 2)
        order = [a for a in axes if a not in "cyx"]
        lengths = [shape[axes.index(a)] for a in order]
        array = images.reshape(*lengths, 48, 64, 3).transpose([[*order, "y", "x", "c"].index(a) for a in axes])
        assert array.shape == shape
    else:
        array = jpeg(shape, 2)
    blob = small(array, axes)
    assert np.array_equal(mmip.decode(blob, threads=3), array)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        region = tuple(slice(*sorted(rng.integers(0, n + 1, 2).tolist())) for n in shape)
        assert np.array_equal(mmip.decode(blob, region=region), array[region])


def bands_of(array: Array, band_rows: int) -> tuple[bytes, list[int]]:
    """Payload in low bands, and the first byte of each band."""
    payload = _core.jpeg_encode(array[None], band_rows, 500, 2)
    assert payload is not None
    count = -(-array.shape[0] // band_rows)
    head = _core.ParameterHead(np.frombuffer(payload, np.uint8), len(payload), count, True)
    return payload, head.offsets.tolist()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("band_rows", [16, 48])
def test_rows_are_decoded_from_the_bands_around_them_alone(seed: int, band_rows: int) -> None:
    array = jpeg((90, 40, 3), seed)
    payload, offsets = bands_of(array, band_rows)
    parameters = _core.ParameterHead(np.frombuffer(payload, np.uint8), len(payload), len(offsets) - 1, True).parameters
    streams = [payload[a:b] for a, b in pairwise(offsets)]
    if seed < 3:
        assert np.array_equal(decode_image(parameters, array.shape, band_rows, streams)[0], array)
    for begin, end in ((0, 90), (0, 1), (15, 33), (47, 49), (89, 90)):
        first, last = _core.jpeg_bands(90, band_rows, begin, end)
        held = bytearray(payload)
        for band, (a, b) in enumerate(pairwise(offsets)):
            if not first <= band < last:
                held[a:b] = bytes(b - a)
        out = np.empty((1, end - begin, 40, 3), np.uint8)
        _core.jpeg_decode(np.frombuffer(held, np.uint8), 1, 90, band_rows, 0, begin, False, out, 1)
        assert np.array_equal(out[0], array[begin:end])


def test_regions_read_the_bands_that_they_need() -> None:
    array = jpeg((3, 700, 800), 4)
    blob = small(array, "zyx")
    whole = mmip.inspect(blob)["bytes_needed"]
    part = (slice(1, 2), slice(300, 310), slice(20, 90))
    assert np.array_equal(mmip.decode(blob, region=part), array[part])
    assert whole == len(blob)
    assert mmip.inspect(blob, region=(slice(0, 0), *part[1:]))["bytes_needed"] < 200


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_scales_are_means(scale: int) -> None:
    array = jpeg((61, 70, 3), 3)
    blob = small(array, "yxc")
    assert np.array_equal(mmip.decode(blob, scale=scale), reference.decode(blob, scale=scale))


def test_threads_do_not_change_the_bytes() -> None:
    array = jpeg((150, 64, 3), 5)
    assert _core.jpeg_encode(array[None], 16, 500, 1) == _core.jpeg_encode(array[None], 16, 500, 3)


def test_a_pixel_that_no_file_gives_is_kept() -> None:
    array = jpeg((64, 80, 3), 2)
    array[20, 30] = 1, 200, 3
    array[0, 0] ^= 255
    array[-1, -1] = 0
    assert np.array_equal(mmip.decode(small(array, "yxc")), array)


@pytest.mark.parametrize("maker", ["noise", "textured", "edges", "hills", "disc", "half", "gradient", "objects"])
@pytest.mark.parametrize("shape", [(90, 80), (64, 70, 3), (9, 8), (1, 400)])
def test_other_images_are_not_taken_for_it(maker: str, shape: tuple[int, ...]) -> None:
    array = makers.make(maker, shape, "uint8", 3)
    axes = "yxc" if len(shape) == 3 else "yx"
    blob = mmip.encode(array, lossless="small", axes=axes)
    assert mmip.inspect(blob)["kind"] != "jpeg origin"
    assert np.array_equal(mmip.decode(blob), array)


def test_header_is_parsed_as_it_is_written() -> None:
    blob = small(jpeg((64, 80, 3), 2), "yxc")
    header, _ = open_container(blob)
    assert header.to_bytes() == blob[: len(header.to_bytes())]
    assert mmip.inspect(blob)["config"] == {"band_rows": 64}
