"""Streams with a DC image: both decoders agree on every part of them, and encoders make one where it pays."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import reference
from helpers.damage import resealed
from helpers.strategies import encode_imaged, make, make_roi
from numpy.typing import NDArray
from reference import Coefficients, Header, stage_1
from reference.container import read_header, write_header
from reference.geometry import BLOCKS
from reference.random_streams import CASES, random_coefficients
from reference.synthesis import integer_planes, synthesize

import mmip_gpu as mmip
from mmip_gpu import _core
from mmip_gpu.config import CodecConfig
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.planning.array_reader import ArrayReader
from mmip_gpu.transform.planning.make_plan import make_plan
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout

SCALES = (1, 2, 4, 8)
IMAGED = [name for name, header in CASES.items() if header.dc_image is not None]
ENCODED: dict[str, tuple[NDArray[Any], str, dict[str, Any]]] = {
    "2d": (make("textured", (301, 270), "uint16", 1), "yx", {"quality": 10, "tile_log2": (0, 5, 5)}),
    "rough": (make("noise", (150, 140), "int8", 2), "yx", {"quality": 40, "stages": 4}),
    "slices": (make("slices", (2, 3, 90, 101), "int16", 3), "tzyx", {"quality": 3}),
    "colour": (make("edges", (70, 150, 3), "uint8", 4), "yxc", {"psnr": 35, "tile_log2": (0, 3, 3)}),
    "corrected": (make("textured", (3, 70, 81), "uint16", 5), "zyx", {"max_error": 900}),
    "float": (make("textured", (90, 81), "float32", 6), "yx", {"quality": 2, "step": 0.01}),
    "line": (make("half", (900,), "uint8", 7), "x", {"quality": 10, "effort": 3}),
    "one voxel": (make("noise", (1, 1), "uint16", 8), "yx", {"quality": 10, "effort": 1}),
}


@pytest.fixture(params=ENCODED)
def encoded(request: pytest.FixtureRequest) -> tuple[NDArray[Any], bytes]:
    array, axes, options = ENCODED[request.param]
    return array, encode_imaged(array, axes, **options)


def has_image(blob: bytes) -> bool:
    header, _ = read_header(blob)
    return header.kind == 1 and header.dc_image is not None


def assert_decodes_alike(blob: bytes, names: list[str]) -> None:
    """Every number of stages at every scale, on every kernel copy, with threads and by regions."""
    header, _ = read_header(blob)
    coefficients = reference.decode_coefficients(blob)
    rng = np.random.default_rng(len(blob))
    for scale, stages in product(SCALES, range(1, header.stage_count + 1)):
        most = {1: stages, 2: min(stages, header.transform_stages), 4: min(stages, 2), 8: 1}[scale]
        expected = synthesize(coefficients.first(most), header, scale)
        bounds = [sorted(rng.integers(0, n + 1, 2).tolist()) for n in expected.shape]
        region = tuple(slice(a, b) for a, b in bounds)
        for name in names:
            assert _core.select_kernels(name)
            for threads in (1, 2):
                assert np.array_equal(mmip.decode(blob, stages=stages, scale=scale, threads=threads), expected)
                part = mmip.decode(blob, stages=stages, scale=scale, region=region, threads=threads)
                assert np.array_equal(part, expected[region]), (scale, stages, region)


# --- decoders


def test_encoded_images_decode_alike(encoded: tuple[NDArray[Any], bytes], each_kernel: list[str]) -> None:
    assert has_image(encoded[1])
    assert_decodes_alike(encoded[1], each_kernel)


@pytest.mark.parametrize("name", IMAGED)
def test_regions_of_random_streams_decode_alike(name: str, each_kernel: list[str]) -> None:
    rng = np.random.default_rng(1)
    assert_decodes_alike(reference.encode(CASES[name], random_coefficients(rng, CASES[name])), each_kernel)


def one_mode(mode: int, dc: int, levels: NDArray[np.int64]) -> bytes:
    """A plane of 64 x 64 cells whose DC image has blocks of one mode with these indices."""
    header = Header((509, 512), "yx", dtype=2, tile_log2=(0, 6, 6), offset=30000, dc_image=(9, -20, 3), steps=((300,),))
    own = header.image
    side = BLOCKS[1, mode].cells[1]
    q = np.resize(levels, BLOCKS[1, mode].ac_count)
    zeros = np.zeros((1, *own.grid.cells), np.int64)
    starts = [(0, 0, y, x) for y, x in product(range(0, 8, side), repeat=2)]
    image = Coefficients(zeros, zeros + dc, [dict.fromkeys(starts, (mode, q))])
    samples = integer_planes(image, own)
    blocks = {(0, 0, *cell): (0, np.zeros(63, np.int64)) for cell in np.ndindex(64, 64)}
    given = Coefficients(np.zeros_like(samples), samples, [blocks], image=image)
    return reference.encode(header, given)


@pytest.mark.parametrize("mode", [mode for depth, mode in BLOCKS if depth == 1])
def test_every_mode_of_an_image(mode: int, each_kernel: list[str]) -> None:
    rng = np.random.default_rng(mode)
    assert_decodes_alike(one_mode(mode, -700, rng.integers(-40, 41, 1008)), each_kernel)


@pytest.mark.parametrize("mode", [0, 1, 5])
@pytest.mark.parametrize("sign", [-1, 1])
def test_extremes_of_an_image(mode: int, sign: int, each_kernel: list[str]) -> None:
    """The largest indices there are: D beyond 2^28 before they are kept inside."""
    levels = np.array([(1 << 26) - 1, 0, -(1 << 26) + 1, 5])
    blob = one_mode(mode, sign * ((1 << 26) - 1), sign * levels)
    assert np.abs(reference.decode_coefficients(blob).dc).max() == 1 << 28
    assert_decodes_alike(blob, each_kernel)


# --- hostile bytes


def assert_both_refuse(blob: bytes) -> None:
    with pytest.raises(reference.CorruptError):
        reference.decode(blob)
    with pytest.raises(mmip.CorruptData):
        mmip.decode(blob)


def small_image(dc: int) -> tuple[Header, Coefficients]:
    """Two cells of the image side by side: the DC of the second is `dc`."""
    header = Header((64, 128), "yx", tile_log2=(0, 3, 4), dc_image=(0, 0, 0))
    blocks = {(0, 0, 0, x): (0, np.zeros(63, np.int64)) for x in (0, 1)}
    image = Coefficients(np.zeros((1, 1, 1, 2), np.int64), np.array([[[[0, dc]]]]), [blocks])
    samples = integer_planes(image, header.image)
    cells = {(0, 0, *cell): (0, np.zeros(63, np.int64)) for cell in np.ndindex(8, 16)}
    return header, Coefficients(np.zeros_like(samples), samples, [cells], image=image)


def test_an_index_beyond_the_range_is_corrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    blob = reference.encode(*small_image((1 << 26) - 1))
    assert np.array_equal(mmip.decode(blob), reference.decode(blob))
    with monkeypatch.context() as without_the_check:
        without_the_check.setattr(stage_1, "LIMIT", 1 << 27)
        blob = reference.encode(*small_image(1 << 26))
    assert_both_refuse(blob)


@pytest.mark.parametrize(
    "changes",
    [
        {"dc_image": (33, 0, 0)},
        {"dc_image": (0, -33, 0)},
        {"dc_image": None},
        {"cell_depth": 8},
        {"tile_log2": (0, 2, 4)},
        {"tile_log2": (0, 4, 2)},
        {"padding": 0},
        {"reversible": (0, 0), "recon": ((0, 0, 0),) * 2, "steps": ((256,), (256,))},
        {"reversible": (1,)},
    ],
)
def test_headers_that_allow_no_image_are_corrupt(changes: dict[str, Any]) -> None:
    blob = reference.encode(*small_image(50))
    header, size = read_header(blob)
    assert write_header(header) + blob[size:] == blob
    assert_both_refuse(write_header(replace(header, **changes)) + blob[size:])


@pytest.mark.parametrize("seed", range(4))
def test_damage_behind_the_crcs_decodes_as_the_reference_says(seed: int) -> None:
    """Both decoders refuse the stream, or both give the same samples."""
    rng = np.random.default_rng(seed)
    array, axes, options = ENCODED[("slices", "colour", "corrected", "rough")[seed]]
    blob = encode_imaged(array, axes, **options)
    outcomes = []

    def damage(streams: list[bytearray]) -> None:
        stream = streams[int(rng.integers(0, len(streams)))]
        if rng.random() < 0.1:
            stream[:] = rng.bytes(len(stream))
        stream[int(rng.integers(0, len(stream)))] ^= int(1 << rng.integers(0, 8))

    for _ in range(40):
        bad = resealed(blob, 1, damage)
        try:
            expected = reference.decode(bad, scale=8)
        except reference.CorruptError:
            with pytest.raises(mmip.CorruptData):
                mmip.decode(bad, scale=8)
            outcomes.append("corrupt")
        else:
            assert np.array_equal(mmip.decode(bad, scale=8), expected)
            assert np.array_equal(mmip.decode(bad), reference.decode(bad))
            outcomes.append("decoded")
    assert set(outcomes) == {"corrupt", "decoded"}


def test_truncated_images_are_truncated_data() -> None:
    blob = reference.encode(*small_image(50))
    sizes = mmip.inspect(blob)["stages"]
    for end in range(sizes[0]["bytes_to_here"]):
        with pytest.raises(mmip.TruncatedData):
            mmip.decode(blob[:end], stages=1)
    first = blob[: sizes[0]["bytes_to_here"]]
    assert np.array_equal(mmip.decode(first, stages=1), reference.decode(first, stages=1))


# --- encoders


@pytest.mark.parametrize("name", ENCODED)
def test_threads_and_kernels_do_not_change_bytes(name: str, each_kernel: list[str]) -> None:
    array, axes, options = ENCODED[name]
    blobs = set()
    for kernel, threads in product(each_kernel, (1, 2)):
        assert _core.select_kernels(kernel)
        blobs.add(encode_imaged(array, axes, threads=threads, **options))
    assert len(blobs) == 1


def test_the_record_of_an_image_is_true(encoded: tuple[NDArray[Any], bytes]) -> None:
    array, blob = encoded
    loss = mmip.inspect(blob)["loss"]
    error = np.abs(mmip.decode(blob).astype(np.float64) - array)
    assert loss["verified"]
    assert loss["max_error"] == pytest.approx(error.max(), rel=1e-6)
    if "max_error" in loss["mode"]:
        assert error.max() <= loss["requested"]


SMOOTH = make("smooth", (512, 512), "uint16", 1)


@pytest.mark.parametrize("target", [{"psnr": 30}, {"max_error": 3000}, {"ratio": 300}])
def test_an_image_is_made_where_it_saves_bytes(target: dict[str, Any]) -> None:
    blob = mmip.encode(SMOOTH, cell_depth=1, **target)
    assert has_image(blob)
    loss = mmip.inspect(blob)["loss"]
    assert loss["psnr"] >= target.get("psnr", 0)
    assert loss["max_error"] <= target.get("max_error", 1 << 16)
    assert SMOOTH.nbytes >= len(blob) * target.get("ratio", 1)


@pytest.mark.parametrize(
    "options",
    [
        {"psnr": 80},
        {"lossless": True, "stages": 3},
        {"psnr": 30, "roi": make_roi(SMOOTH, "yx", 2, 1)},
        {"psnr": 30, "padding": int(SMOOTH[0, 0])},
    ],
)
def test_no_image_is_made_elsewhere(options: dict[str, Any]) -> None:
    assert not has_image(mmip.encode(SMOOTH, **{"cell_depth": 1, **options}))


def test_no_image_is_made_with_cells_of_eight_slices() -> None:
    volume = make("smooth", (16, 200, 200), "uint16", 1)
    assert not has_image(mmip.encode(volume, psnr=30, cell_depth=8))


def test_no_image_is_made_where_its_indices_would_not_fit() -> None:
    """Two values 2^19 steps apart cost next to nothing at any step: here the encoder's own integers are the limit."""
    array = np.full((512, 512), -(2.0**18), np.float32)
    array[64:128, 64:128] = 2.0**18
    config = CodecConfig.from_options(quality=440, step=1.0, cell_depth=1, per_channel=False)
    layout = PlaneLayout.of(array.shape, "yx")
    plan = make_plan(config, ArrayReader(Trial(array), layout))
    assert plan.background_step < 4
    assert not plan.dc_image
    decoded = mmip.decode(encode_chunk(array, plan, allow_raw=False).to_bytes())
    assert np.abs(decoded - array).max() <= 4
    forced = replace(plan, dc_image=True, tile_log2=(0, 6, 6))
    decoded = mmip.decode(encode_chunk(array, forced, allow_raw=False).to_bytes())
    assert np.abs(decoded - array).max() > 100_000
