"""The registry of codecs: names, configurations, ways to handle colour, what cannot be taken."""

from __future__ import annotations

import json
import math
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
import zarr_codecs
from zarr.codecs import BloscCodec

import mmip_gpu as mmip
from mmip_gpu import InvalidArgument
from mmip_gpu.bench.adapters import Codec, Source
from mmip_gpu.bench.codec_registry import codecs
from mmip_gpu.bench.colour import channels_of, in_colour, luma_of
from mmip_gpu.bench.measure import round_trip
from numcodecs_plugin import Mmip

VOLUME = mmip.phantom3d((5, 33, 47))
GREY = mmip.phantom2d(48) * (200 / mmip.phantom2d(48).max()) + np.random.default_rng(3).normal(20, 3, (48, 48))
RGB = np.stack([GREY, GREY.T, GREY * 0.5 + 30], -1).clip(0, 255).astype(np.uint8)
LOSSLESS_MMIP = {"name": "mmip", "configuration": {"lossless": True, "stages": 3}}


def codec_of(kind: str, configuration: Any, threads: int = 1) -> Codec:
    return codecs([f"{kind}:{json.dumps(configuration)}"], threads)[0]


def size_of(codec: Codec, source: Source, parameter: float = 0) -> int:
    trial = round_trip(codec, source, parameter)
    assert math.isinf(trial.point.psnr_db)
    return sum(map(len, trial.streams))


# --- names


def test_names_are_unique_and_patterns_find_them() -> None:
    names = [codec.name for codec in codecs()]
    assert len(set(names)) == len(names) > 15
    assert [codec.name for codec in codecs(["MMIP effort 3", "mmip effort 3"])] == ["mmip effort 3"]
    assert all(codec.lossless for codec in codecs(["*lossless"]))
    assert not any(codec.lossless for codec in codecs(["mmip effort*"]))


@pytest.mark.parametrize("name", ["mmpi", "jpeg2000", "numcodec:{}", ""])
def test_a_name_that_fits_nothing_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match="no codec fits"):
        codecs([name])


def test_threads_reach_the_codecs_that_know_them() -> None:
    found = {codec.name: codec.threads for codec in codecs(threads=2)}
    assert found["mmip effort 2"] == found["JPEG XL e7"] == 2
    assert found["HTJ2K (OpenJPH)"] == 1


# --- configurations


def test_numcodecs_by_configuration_agrees_with_direct_calls() -> None:
    blosc = {"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 2, "blocksize": 0}
    direct = numcodecs.get_codec(dict(blosc)).encode(VOLUME)
    assert size_of(codec_of("numcodecs", blosc), Source(VOLUME)) == len(direct)
    delta = {"id": "delta", "dtype": "<u2"}
    both = numcodecs.get_codec({"id": "zstd", "level": 3}).encode(numcodecs.get_codec(dict(delta)).encode(VOLUME))
    assert size_of(codec_of("numcodecs", [delta, {"id": "zstd", "level": 3}]), Source(VOLUME)) == len(both)


@pytest.mark.parametrize("chunks", [None, (5, 33, 47), (4, 16, 16), (8, 64, 64)])
def test_zarr_by_configuration_counts_what_a_store_holds(chunks: tuple[int, ...] | None) -> None:
    codec = codec_of("zarr", {"codecs": LOSSLESS_MMIP, "chunks": chunks, "label": "ours"})
    store = zarr.storage.MemoryStore()
    serializer: Any = LOSSLESS_MMIP
    zarr.create_array(store, data=VOLUME, chunks=chunks or VOLUME.shape, serializer=serializer, compressors=None)
    held = sum(len(data.to_bytes()) for key, data in store._store_dict.items() if key.startswith("c/"))
    assert codec.name == "ours"
    assert size_of(codec, Source(VOLUME)) == held


def test_bytes_codecs_of_zarr_get_the_plain_bytes_before_them() -> None:
    level = {"level": 3, "checksum": False}
    source = Source(VOLUME.astype(np.int16) - 700)
    transposed = {"name": "transpose", "configuration": {"order": [2, 0, 1]}}
    sizes = [
        size_of(codec_of("zarr", entry), source)
        for entry in ({"name": "zstd", "configuration": level}, [transposed, {"name": "zstd", "configuration": level}])
    ]
    assert sizes[0] == len(numcodecs.Zstd(3).encode(source.array))
    assert sizes[1] == len(numcodecs.Zstd(3).encode(np.ascontiguousarray(source.array.transpose(2, 0, 1))))


@pytest.mark.parametrize("name", ["ours", "Blosc", "JPEG 2000"])
def test_the_numbers_of_the_study_of_zarr_are_those_of_the_registry(name: str) -> None:
    volume = mmip.phantom3d((32, 256, 256))
    options: dict[str, Any] = {"lossless": True, "stages": 2, "effort": 1, "verify": False}
    blosc = {"cname": "zstd", "clevel": 5, "shuffle": "bitshuffle", "typesize": 2, "blocksize": 0}
    jpeg = {"id": "imagecodecs_jpeg2k", "level": 70, "codecformat": "j2k", "numthreads": 1}
    studied, kind, entry = {
        "ours": ({"serializer": Mmip(**options)}, "zarr", {"name": "mmip", "configuration": options}),
        "Blosc": ({"compressors": BloscCodec(**blosc)}, "zarr", {"name": "blosc", "configuration": blosc}),
        "JPEG 2000": ({"compressors": zarr_codecs.RIVALS[0].make(70), "zarr_format": 2}, "numcodecs", jpeg),
    }[name]
    chunks = zarr_codecs.SLICES if kind == "numcodecs" else zarr_codecs.BLOCKS
    row = zarr_codecs.row_of(name, volume, chunks, studied, 1, 55 if kind == "numcodecs" else None)
    trial = round_trip(codec_of(kind, {"codecs": entry, "chunks": chunks}), Source(volume), 0)
    assert volume.nbytes / sum(map(len, trial.streams)) == pytest.approx(row["ratio"], rel=0.01)  # of metadata
    assert trial.point.psnr_db == pytest.approx(row["psnr_db"], abs=0.1)


def test_a_dial_reaches_the_codec() -> None:
    level = {"dial": [20, 120]}
    codec = codec_of("numcodecs", {"codecs": {"id": "imagecodecs_jpeg2k", "level": level}, "chunks": [1, 33, 47]})
    dial = codec.dial(Source(VOLUME), 50.0)
    points = [round_trip(codec, Source(VOLUME), dial.nearest(p)).point for p in (10.0, 40.0, 70.0)]
    assert points[0].psnr_db < points[1].psnr_db < points[2].psnr_db
    assert points[0].bits < points[1].bits < points[2].bits
    tolerance = {"dial": [1024, 1], "log": True, "integer": True}
    zfp = {"codecs": {"id": "imagecodecs_zfp", "mode": 4, "level": tolerance}, "dtype": "float32"}
    assert round_trip(codec_of("numcodecs", zfp), Source(VOLUME), 50).point.psnr_db > 40


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("numcodecs:", "no JSON"),
        ("zarr:{]", "no JSON"),
        ('numcodecs:{"name": "zstd"}', "expected codecs with 'id'"),
        ('zarr:{"id": "zstd"}', "expected codecs with 'name'"),
        ('zarr:{"codecs": [], "chunks": [4]}', "expected codecs"),
        ('numcodecs:{"codecs": {"id": "zstd"}, "chunk": [4]}', "expected codecs"),
        ('zarr:{"codecs": {"name": "bytes"}, "chunks": 5}', "whole numbers"),
        ('zarr:{"codecs": {"name": "bytes"}, "chunks": [4, 0]}', "whole numbers"),
        ('zarr:{"codecs": {"name": "bytes"}, "dtype": "nope"}', "float32"),
        ('numcodecs:{"id": "zstd", "depth": 3}', "depth"),
        ('zarr:{"name": "mmip", "configuration": {"quality": -1}}', "quality"),
        ('numcodecs:{"id": "zstd", "level": {"dial": [1]}}', "dial"),
        ('numcodecs:{"id": "zstd", "level": {"dial": [0, 3], "log": true}}', "dial"),
        ('numcodecs:[{"id": "zstd", "level": {"dial": [1, 3]}}, {"id": "lz4", "acceleration": {"dial": [1, 3]}}]', "2"),
    ],
)
def test_bad_configurations_are_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        codecs([text])


def test_two_of_one_label_are_refused() -> None:
    both = [f'numcodecs:{{"codecs": {{"id": "zstd", "level": {level}}}, "label": "mine"}}' for level in (1, 2)]
    with pytest.raises(InvalidArgument, match="same name: mine"):
        codecs(both)


# --- refusals


def test_a_missing_library_leaves_a_codec_that_says_so() -> None:
    for kind, entry in (("numcodecs", {"id": "nowhere"}), ("zarr", {"name": "nowhere", "configuration": {}})):
        reason = codec_of(kind, entry).refusal(Source(VOLUME))
        assert reason
        assert "nowhere" in reason
        assert "install" in reason


@pytest.mark.parametrize("dtype", ["uint32", "int64", "float64", "float16", "bool", "complex64"])
@pytest.mark.parametrize("name", ["mmip effort 2", "SZ3", "JPEG XL e7"])
def test_samples_of_other_dtypes_are_refused(name: str, dtype: str) -> None:
    assert "takes integers of 8 or 16 bits" in str(codecs([name])[0].refusal(Source(np.ones((4, 4), dtype))))


def test_refusals_name_what_was_found() -> None:
    image = codecs(["JPEG XL e7"])[0]
    assert "empty array of shape (0, 5)" in str(image.refusal(Source(np.ones((0, 5), np.uint8))))
    assert "float32" in str(image.refusal(Source(np.ones((4, 4), np.float32))))
    assert "found 2" in str(image.refusal(Source(np.ones((4, 4, 2), np.uint8), "yxc")))
    assert "separate or luma" in str(codecs(["SPERR"])[0].refusal(Source(RGB, "yxc")))
    assert "need a step" in str(codecs(["mmip effort 1"])[0].refusal(Source(np.ones((4, 4), np.float32))))
    assert "chunks of 3 axes" in str(
        codec_of("zarr", {"codecs": LOSSLESS_MMIP, "chunks": [1, 2, 3]}).refusal(Source(RGB[0]))
    )
    assert image.refusal(Source(RGB, "yxc")) is None


@pytest.mark.parametrize(("bits", "dtype"), [(7, "uint8"), (9, "uint16"), (17, "uint16"), (9, "int8"), (3, "int16")])
def test_bits_that_do_not_hold_the_samples_are_refused(bits: int, dtype: str) -> None:
    array = np.array([[0, 100], [-100 if dtype[0] == "i" else 200, 5]]).astype(dtype) * (1 if "8" in dtype else 50)
    with pytest.raises(InvalidArgument, match=f"bits={bits}: samples of {dtype}"):
        Source(array, bits=bits)


@pytest.mark.parametrize(
    ("low", "high", "depth"), [(0, 255, 8), (-5, 250, 8), (0, 256, 9), (-32768, 32767, 16), (7, 7, 8)]
)
def test_codecs_are_told_the_depth_of_the_range(low: int, high: int, depth: int) -> None:
    source = Source(np.array([[low, high]], np.int16 if low < 0 else np.uint16))
    assert (source.depth, source.unsigned.itemsize) == (depth, 1 if depth == 8 else 2)
    assert [plane.max() for plane in source.narrowed(8)] == [min(high - low, 255)]
    np.testing.assert_array_equal(source.samples(source.unsigned, True), source.array, strict=True)


@pytest.mark.parametrize("axes", ["yx", "xyc", "zyx!", "czyx", "yxcc"])
def test_axes_that_do_not_fit_are_refused(axes: str) -> None:
    with pytest.raises(InvalidArgument, match="axes"):
        Source(np.ones((3, 4, 5) if axes == "yx" else (2,) * len(axes), np.uint8), axes)


# --- colour


@pytest.mark.parametrize(
    "name", ["mmip effort 1", "JPEG 2000 (OpenJPEG)", "SPERR", "mmip 3 stages lossless", "HTJ2K*lossless"]
)
def test_separate_adds_up_the_channels(name: str) -> None:
    codec, source = codecs([name])[0], Source(RGB, "yxc")
    apart, whole = in_colour(codec, source, "separate")
    assert apart.refusal(whole) is None
    trial = round_trip(apart, whole, 45)
    alone = [round_trip(codec, one, 45) for one in channels_of(source)]
    assert sum(map(len, trial.streams)) == sum(len(s) for one in alone for s in one.streams)
    assert trial.point.bits == pytest.approx(sum(one.point.bits for one in alone) / 3)


def test_luma_is_bt601_rounded() -> None:
    luma = luma_of(Source(RGB, "yxc"))
    expected = np.rint(0.299 * RGB[..., 0] + 0.587 * RGB[..., 1] + 0.114 * RGB[..., 2])
    np.testing.assert_array_equal(luma.array, expected.astype(np.uint8), strict=True)
    assert luma.axes == "yx"
    steps = luma_of(Source((RGB / 8).astype(np.float32), "yxc", step=0.125)).array
    np.testing.assert_array_equal(steps * 8, expected, strict=False)
    _, seen = in_colour(codecs(["mmip effort 1"])[0], Source(RGB, "yxc"), "luma")
    np.testing.assert_array_equal(seen.array, luma.array)


@pytest.mark.parametrize("stack", ["zyxc", "tyxc"])
def test_stacks_of_colour_images(stack: str) -> None:
    volume = Source(np.stack([RGB, RGB[::-1], RGB // 2]), stack)
    for name in ("mmip 3 stages lossless", "JPEG XL e3 lossless"):
        for colour in ("joint", "separate", "luma"):
            codec, source = in_colour(codecs([name])[0], volume, colour)
            assert math.isinf(round_trip(codec, source, 0).point.psnr_db)


def test_colour_that_does_not_suit_is_refused() -> None:
    codec, grey = codecs(["mmip effort 1"])[0], Source(RGB[..., 0])
    for colour, source in (("joint", grey), ("luma", grey), ("gray", Source(RGB, "yxc")), ("rgb", grey)):
        with pytest.raises(InvalidArgument, match="does not suit"):
            in_colour(codec, source, colour)
    _, seen = in_colour(codec, Source(RGB[..., :1], "yxc"), "gray")
    assert seen.array.shape == RGB.shape[:2]
