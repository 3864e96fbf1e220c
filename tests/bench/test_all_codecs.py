"""Every codec of the registry on every kind of image: exact where it says so, of the right shape, or a refusal."""

from __future__ import annotations

import math
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from helpers.rival_images import DEPTHS, SIZES, volume

from mmip_gpu.bench import ffmpeg
from mmip_gpu.bench.adapters import Codec, Source
from mmip_gpu.bench.codec_registry import codecs
from mmip_gpu.bench.colour import in_colour
from mmip_gpu.bench.measure import cpu_seconds, round_trip

LOSSY = [codec for codec in codecs() if codec.has_dial]
BOUNDED = [codec for codec in codecs() if codec.bounded]
LOSSLESS = [codec for codec in codecs() if codec.lossless]
VIDEO = [
    "HEVC (x265 medium)",
    "AV1 (SVT-AV1 6)",
    "VVC (VVenC faster)",
    "FFV1 lossless",
    "HEVC*lossless",
    "AV1*lossless",
]
pytestmark = [
    pytest.mark.filterwarnings("ignore::mmip_gpu.MmipWarning"),
    pytest.mark.filterwarnings("ignore:Numcodecs codecs"),
]


def ways(codec: Codec, source: Source) -> list[tuple[Codec, Source]]:
    """The codec in every colour that suits the image."""
    fit = {"gray"} if source.channels == 1 else codec.colours - {"gray"}
    return [in_colour(codec, source, colour) for colour in sorted(fit)]


@pytest.mark.parametrize("codec", LOSSLESS, ids=lambda c: c.name)
def test_lossless_codecs_are_exact(codec: Codec) -> None:
    taken = 0
    for name, source in {**DEPTHS, **SIZES}.items():
        for way, seen in ways(codec, source):
            if way.refusal(seen):
                assert int(seen.range).bit_length() > codec.most_bits, (name, way.refusal(seen))
                continue
            assert math.isinf(round_trip(way, seen, 0).point.psnr_db), name
            taken += 1
    assert taken >= 10


@pytest.mark.parametrize("codec", LOSSY, ids=lambda c: c.name)
def test_lossy_codecs_follow_their_dial(codec: Codec) -> None:
    for name, source in DEPTHS.items():
        way, seen = ways(codec, source)[0]
        if way.refusal(seen):
            assert int(seen.range).bit_length() > codec.most_bits, (name, way.refusal(seen))
            continue
        dial = codec.dial(seen, 45.0)
        good = round_trip(way, seen, dial.nearest(dial.start)).point
        bad = round_trip(way, seen, dial.nearest(dial.start - 20 / dial.slope)).point
        assert bad.psnr_db < good.psnr_db, name
        assert bad.bits < good.bits, name
        assert 20 < good.psnr_db < 70, name


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
@pytest.mark.parametrize("codec", LOSSY, ids=lambda c: c.name)
def test_black_and_white_do_not_wrap_around(codec: Codec, dtype: str) -> None:
    """Letters of full white on black: what is decoded beyond the dtype has to be clipped."""
    rng, info = np.random.default_rng(4), np.iinfo(dtype)
    blocks = rng.random((12, 16)) < 0.3
    array = np.where(np.kron(blocks, np.ones((8, 8))) > 0, info.max, info.min).astype(dtype)
    source = Source(array)
    if codec.refusal(source):
        pytest.skip(str(codec.refusal(source)))
    dial = codec.dial(source, 40.0)
    decoded = round_trip(codec, source, dial.nearest(dial.start + 5 / dial.slope)).decoded
    assert np.abs(decoded.astype(int) - array).max() < 0.3 * (int(info.max) - int(info.min))


@pytest.mark.parametrize("codec", LOSSY, ids=lambda c: c.name)
def test_lossy_codecs_take_odd_sizes(codec: Codec) -> None:
    for name, source in SIZES.items():
        if codec.refusal(source) is None:
            dial = codec.dial(source, 45.0)
            best = round_trip(codec, source, dial.nearest(dial.high)).point
            assert best.psnr_db > (0 if source.range == 1 else 25), name


@pytest.mark.parametrize("codec", BOUNDED, ids=lambda c: c.name)
def test_bounds_hold_on_every_kind_of_image(codec: Codec) -> None:
    for name, source in {**DEPTHS, **SIZES}.items():
        for way, seen in ways(codec, source):
            assert way.refusal(seen) is None
            for bound in (1.0, 2.5):
                decoded = round_trip(way, seen, bound).decoded.astype(int)
                assert np.abs(decoded - seen.array).max() <= bound, name
                assert way.promises(seen, bound) == {"max_error": bound}


def _soft(channels: int, dtype: type, noise: float) -> Source:
    """A smooth image with a little noise, of which 2 bits a sample keep nearly all."""
    rows, columns = np.mgrid[:64, :96] / 16
    plane = np.sin(rows) * np.cos(columns) + 1.2
    shape = np.stack([plane * share for share in (1.0, 0.8, 0.6)[:channels]], axis=-1) * 90 * noise
    array = np.rint(shape + np.random.default_rng(9).normal(0, noise, shape.shape)).clip(0).astype(dtype)
    return Source(array, "yxc") if channels > 1 else Source(array[..., 0])


@pytest.mark.parametrize("source", [_soft(3, np.uint8, 1.0), _soft(1, np.uint16, 64.0)], ids=["rgb8", "grey16"])
@pytest.mark.parametrize("codec", LOSSY, ids=lambda c: c.name)
def test_dials_reach_two_bits(codec: Codec, source: Source) -> None:
    way, seen = ways(codec, source)[0]
    if codec.refusal(seen):
        pytest.skip(str(codec.refusal(seen)))
    if codec.name == "WebP m4" and source.channels > 1:
        pytest.skip("chroma of half the rows and columns, by its format")
    dial = codec.dial(seen, 45.0)
    good, best = (round_trip(way, seen, dial.nearest(p)).point for p in ((dial.start + dial.high) / 2, dial.high))
    assert best.bits >= 2
    assert best.psnr_db >= good.psnr_db


@pytest.mark.parametrize("name", ["JPEG 2000 (OpenJPEG)", "AVIF speed 6", "HTJ2K (OpenJPH)"])
def test_a_dial_goes_on_past_the_finest_step_of_a_byte(name: str) -> None:
    (codec,) = codecs([name])
    for source in (_soft(3, np.uint8, 1.0), _soft(1, np.uint8, 1.0)):
        dial, edge = codec.dial(source, 45.0), 20 * math.log10(source.range)
        steps = (97, 99, 100, 102, dial.high) if name.startswith("AVIF") else (edge - 6, edge - 1, edge + 1, edge + 6)
        points = [round_trip(codec, source, step).point for step in steps]
        assert all(b.bits > a.bits and b.psnr_db > a.psnr_db for a, b in pairwise(points)), points


@pytest.mark.parametrize("shape", [(289, 40), (40, 353), (288, 352), (300, 400)])
def test_large_frames_of_ffv1(shape: tuple[int, int]) -> None:
    (codec,) = codecs(["ffv1 lossless"])
    source = Source(np.random.default_rng(3).integers(0, 9, shape).astype(np.uint8))
    assert math.isinf(round_trip(codec, source, 0).point.psnr_db)


@pytest.mark.parametrize("codec", codecs(), ids=lambda c: c.name)
def test_what_is_no_image_of_a_codec_is_refused(codec: Codec) -> None:
    for array in (
        np.ones((4, 4), np.uint32),
        np.ones((4, 4), np.float64),
        np.ones((4, 4), bool),
        np.ones((0, 4), "u1"),
    ):
        assert codec.refusal(Source(array))
    deep = Source(volume(16))
    assert (codec.refusal(deep) is None) == (codec.most_bits == 16)
    assert (codec.refusal(Source(np.ones((4, 4), np.float32), step=0.5)) is None) == codec.floats


@pytest.mark.parametrize("channels", [2, 4])
def test_other_numbers_of_channels_are_taken_or_refused(channels: int) -> None:
    source = Source(np.random.default_rng(6).integers(0, 99, (20, 30, channels)).astype(np.uint8), "yxc")
    reasons = {codec.name: codec.refusal(source) for codec in codecs()}
    taken = [codec for codec in LOSSLESS if reasons[codec.name] is None]
    assert {"mmip 3 stages lossless", "pcodec 8 lossless", "nd-lift-ht lossless"} <= {codec.name for codec in taken}
    assert all(math.isinf(round_trip(codec, source, 0).point.psnr_db) for codec in taken)
    assert reasons["JPEG XL e7"] == f"takes 1 or 3 channels, found {channels}"
    assert "separate or luma" in str(reasons["SZ3"])


@pytest.mark.parametrize("codec", [c for c in codecs() if c.floats], ids=lambda c: c.name)
def test_float_samples_come_back_as_floats(codec: Codec) -> None:
    steps = np.rint(np.random.default_rng(5).normal(0, 40, (3, 20, 30)))
    source = Source((steps * 0.125).astype(np.float32), step=0.125)
    dial = codec.dial(source, 45.0)
    point = round_trip(codec, source, dial.nearest(dial.start)).point
    assert math.isinf(point.psnr_db) if codec.lossless else point.psnr_db > 35


def test_threads_change_no_sample() -> None:
    source = Source(volume(8))
    for one, many in zip(codecs(), codecs(threads=2), strict=True):
        assert (one.name, one.threads) == (many.name, 1)
        if many.threads > 1 and one.lossless and one.refusal(source) is None:
            assert math.isinf(round_trip(many, source, 0).point.psnr_db)


# --- video


@pytest.mark.parametrize("name", VIDEO)
def test_ffmpeg_that_is_missing_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for function in (ffmpeg._executable, ffmpeg.version):
        function.cache_clear()
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    try:
        [codec] = codecs([name])
        assert "pip install imageio-ffmpeg" in str(codec.refusal(Source(volume(8))))
        assert codec.name not in {one.name for one in codecs()}
    finally:
        for function in (ffmpeg._executable, ffmpeg.version):
            function.cache_clear()


def test_an_encoder_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "version", lambda: ("ffmpeg 7", frozenset({"libx265"})))
    [codec] = codecs(["VVC*"])
    assert codec.refusal(Source(volume(8))) == "ffmpeg 7 of imageio-ffmpeg has no encoder libvvenc"
    assert codecs(["HEVC (x265 medium)"])[0].missing is None


def test_what_ffmpeg_says_is_in_the_error() -> None:
    [codec] = codecs(["FFV1 lossless"])
    [frames] = codec.pieces(Source(volume(8)))
    with pytest.raises(RuntimeError, match="ffmpeg ended with"):
        codec.decode(b"no video", frames)


def test_the_time_of_a_child_counts() -> None:
    program = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    _, seconds = cpu_seconds(lambda: subprocess.run([sys.executable, "-c", program], check=True))
    assert seconds > 0.29
