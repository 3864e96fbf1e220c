"""Codecs of the registry against direct calls of their libraries: the same bytes within 1 %, and PSNR within 0.1 dB."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs as ic
import imageio_ffmpeg
import jpeg_ls
import numcodecs
import numpy as np
import pytest
import zarr
from helpers.rival_images import rgb, volume
from nd_image_codecs import codec_series
from numpy.typing import NDArray
from PIL import Image

import mmip_gpu as mmip
from mmip_gpu.bench.adapters import Source
from mmip_gpu.bench.codec_registry import codecs
from mmip_gpu.bench.measure import round_trip
from mmip_gpu.bench.rows import psnr

BYTES, WORDS, RGB = volume(8), volume(12), rgb(8)
DEEP_RGB = rgb(12)
Direct = tuple[int, NDArray[Any]]
"""Bytes, and the decoded array."""


def by_plane(encode: Callable[[Any], Any], decode: Callable[[Any], Any], array: NDArray[Any]) -> Direct:
    streams = [encode(plane) for plane in array]
    return sum(map(len, streams)), np.stack([decode(stream) for stream in streams])


def by_pillow(kind: str, array: NDArray[Any], **options: Any) -> Direct:
    """Pillow has libjpeg-turbo, libwebp and libpng of its own."""
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, kind, **options)
    return stream.tell(), np.array(Image.open(stream))


def by_ffmpeg(folder: Path, suffix: str, pixels: str, array: NDArray[Any], *options: str, out: str = "") -> Direct:
    """Files in, files out, pixel formats converted by ffmpeg itself; of 4:2:0 only luma comes back."""
    size = f"{array.shape[2]}x{array.shape[1]}"
    raw, coded, decoded = (folder / name for name in ("in.gray", f"coded.{suffix}", "out.gray"))
    raw.write_bytes(array.tobytes())
    told = ["-f", "rawvideo", "-pixel_format", pixels, "-video_size", size, "-framerate", "25"]
    call = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error"]
    subprocess.run([*call, *told, "-i", raw, *options, coded], check=True, capture_output=True)
    subprocess.run([*call, "-i", coded, "-f", "rawvideo", "-pix_fmt", out or pixels, decoded], check=True)
    samples = np.frombuffer(decoded.read_bytes(), array.dtype).reshape(len(array), -1)
    return coded.stat().st_size, samples[:, : array[0].size].reshape(array.shape)


def rounded(decoded: NDArray[Any]) -> NDArray[Any]:
    return np.rint(decoded).clip(0, 65535)


def check(name: str, array: NDArray[Any], parameter: float, direct: Direct, axes: str = "") -> None:
    [codec] = codecs([name])
    trial = round_trip(codec, Source(array, axes), parameter)
    size, decoded = direct
    ours, theirs = trial.point.psnr_db, psnr(array, decoded.reshape(array.shape))
    assert sum(map(len, trial.streams)) == pytest.approx(size, rel=0.01)
    assert ours == pytest.approx(theirs, abs=0.1)


# --- lossy images


def test_jpeg2000() -> None:
    direct = by_plane(
        lambda plane: ic.jpeg2k_encode(plane, level=45, codecformat="j2k", reversible=False, bitspersample=12),
        ic.jpeg2k_decode,
        WORDS,
    )
    check("JPEG 2000 (OpenJPEG)", WORDS, 45, direct)


def test_htj2k() -> None:
    step = 4095 * 10 ** (-45 / 20) * 12**0.5
    direct = by_plane(lambda p: ic.htj2k_encode(p, level=step / 65536, reversible=False), ic.htj2k_decode, WORDS)
    check("HTJ2K (OpenJPH)", WORDS, 45, direct)


@pytest.mark.parametrize("array", [RGB, DEEP_RGB], ids=["8 bits", "12 bits"])
def test_jpegxl_in_colour(array: NDArray[Any]) -> None:
    bits = 8 if array.dtype == np.uint8 else 12
    coded = ic.jpegxl_encode(array, distance=1.0, effort=7, bitspersample=bits)
    check("JPEG XL e7", array, 0, (len(coded), ic.jpegxl_decode(coded)), "yxc")


def test_avif_in_colour() -> None:
    coded = ic.avif_encode(RGB, level=60, speed=6, pixelformat="444", bitspersample=8, numthreads=1)
    check("AVIF speed 6", RGB, 60, (len(coded), ic.avif_decode(coded)), "yxc")


def test_jpeg_of_8_bits() -> None:
    check("JPEG (libjpeg-turbo)", RGB, 80, by_pillow("JPEG", RGB, quality=80, subsampling=0, optimize=True), "yxc")


def test_jpeg_of_12_bits() -> None:
    direct = by_plane(lambda p: ic.jpeg8_encode(p, level=40, bitspersample=12), ic.jpeg8_decode, WORDS)
    check("JPEG (libjpeg-turbo)", WORDS, 40, direct)


def test_webp() -> None:
    check("WebP m4", RGB, 80, by_pillow("WEBP", RGB, quality=80, method=4), "yxc")


def test_jpeg_xr() -> None:
    check("JPEG XR (jxrlib)", WORDS, 60, by_plane(lambda p: ic.jpegxr_encode(p, level=0.6), ic.jpegxr_decode, WORDS))


def test_lerc() -> None:
    error = 4095 * 10 ** (-50 / 20) * 12**0.5 / 2
    check(
        "LERC", WORDS, 50, by_plane(lambda p: ic.lerc_encode(p, level=error, compression="zstd"), ic.lerc_decode, WORDS)
    )


# --- arrays


def test_sz3() -> None:
    error = 4095 * 10 ** (-50 / 20) * 12**0.5 / 2
    floats = WORDS.astype(np.float32)
    coded = ic.sz3_encode(floats, mode="abs", abs=error)
    check("SZ3", WORDS, 50, (len(coded), rounded(ic.sz3_decode(coded, shape=floats.shape, dtype=floats.dtype))))


def test_sperr() -> None:
    coded = ic.sperr_encode(WORDS.astype(np.float32), level=50, mode="psnr")
    check("SPERR", WORDS, 50, (len(coded), rounded(ic.sperr_decode(coded))))


@pytest.mark.parametrize("name", ["zfp accuracy", "nd-zfp accuracy"])
def test_zfp(name: str) -> None:
    coded = ic.zfp_encode(WORDS.astype(np.float32), level=16, mode=ic.ZFP.MODE.FIXED_ACCURACY)
    check(name, WORDS, -4, (len(coded), rounded(ic.zfp_decode(coded))))


def test_ours() -> None:
    coded = mmip.encode(RGB, psnr=40, effort=2, axes="yxc")
    check("mmip effort 2", RGB, 40, (len(coded), mmip.decode(coded)), "yxc")
    steps = (WORDS / 64).astype(np.float32)
    coded = mmip.encode(steps, psnr=50, step=1 / 64, effort=1)
    trial = round_trip(codecs(["mmip effort 1"])[0], Source(steps, step=1 / 64), 50)
    assert [bytes(stream) for stream in trial.streams] == [coded]


# --- without loss


def test_exact_images() -> None:
    check("PNG lossless", BYTES[1:2], 0, by_pillow("PNG", BYTES[1], compress_level=9))
    check("WebP m4 lossless", RGB, 0, by_pillow("WEBP", RGB, lossless=True, quality=100, method=4), "yxc")
    depth, shape = int(WORDS.max()).bit_length(), WORDS[0].shape
    jpegls = by_plane(
        lambda p: jpeg_ls.encode_buffer(p.tobytes(), *shape, 1, depth),
        lambda data: np.frombuffer(jpeg_ls.decode_buffer(data)[0], np.uint16).reshape(shape),
        WORDS,
    )
    check("JPEG-LS*lossless", WORDS, 0, jpegls)
    check("HTJ2K*lossless", WORDS, 0, by_plane(lambda p: ic.htj2k_encode(p, reversible=True), ic.htj2k_decode, WORDS))
    jpeg = by_plane(lambda p: ic.jpeg8_encode(p, lossless=True, predictor=1, bitspersample=12), ic.jpeg8_decode, WORDS)
    check("JPEG SV1*", WORDS, 0, jpeg)
    exact = by_plane(
        lambda p: ic.jpeg2k_encode(p, level=0, codecformat="j2k", reversible=True), ic.jpeg2k_decode, BYTES
    )
    check("JPEG 2000 5/3*", BYTES, 0, exact)


def test_exact_arrays() -> None:
    blosc = numcodecs.Blosc("zstd", 9, numcodecs.Blosc.BITSHUFFLE)
    check("Blosc*", WORDS, 0, (len(blosc.encode(WORDS)), WORDS))
    check("zstd 19*", WORDS, 0, (len(numcodecs.Zstd(19).encode(WORDS)), WORDS))
    check("pcodec 8*", WORDS, 0, (len(ic.pcodec_encode(WORDS, level=8)), WORDS))


@pytest.mark.parametrize("family", ["nd-lift-ht", "nd-delta", "nd-zfp"])
@pytest.mark.filterwarnings("ignore:Numcodecs codecs")
def test_nd_image_codecs(family: Any) -> None:
    pipeline: list[Any] = codec_series(["z", "y", "x"], list(WORDS.shape), "uint16", family)
    inner = [codec["name"] for codec in pipeline].index(
        next(c["name"] for c in pipeline if c["name"] in ("bytes", "htj2k", "zfp"))
    )
    split = {"filters": pipeline[:inner], "serializer": pipeline[inner], "compressors": pipeline[inner + 1 :] or None}
    store: dict[str, Any] = {}
    array = zarr.create_array(zarr.storage.MemoryStore(store), data=WORDS, chunks=WORDS.shape, **split)
    size = sum(len(data) for key, data in store.items() if key.startswith("c/"))
    check(f"{family} lossless", WORDS, 0, (size, np.asarray(array[...])))


# --- video


def test_x265(tmp_path: Path) -> None:
    options = ("-c:v", "libx265", "-preset", "medium", "-tune", "psnr", "-x265-params")
    large = np.tile(WORDS, (1, 2, 1))
    direct = by_ffmpeg(tmp_path, "hevc", "gray12le", large, *options, "crf=20:info=0")
    check("HEVC (x265 medium)", large, 31, direct)
    direct = by_ffmpeg(tmp_path, "hevc", "gray12le", large, *options, "lossless=1:info=0")
    check("HEVC (x265 medium) lossless", large, 0, direct)


def test_svt_av1(tmp_path: Path) -> None:
    told = ("-pix_fmt", "yuv420p", "-c:v", "libsvtav1", "-preset", "6", "-svtav1-params", "lp=1:crf=20:aq-mode=0")
    even = np.ascontiguousarray(np.tile(BYTES, (4, 2, 2))[..., :142])
    full = ("-vf", "scale=in_range=full:out_range=full")  # else samples are made fit for television
    direct = by_ffmpeg(tmp_path, "obu", "gray", even, *full, *told, out="yuv420p")
    check("AV1 (SVT-AV1 6)", even, 50, direct)


def test_ffv1(tmp_path: Path) -> None:
    options = (
        "-c:v",
        "ffv1",
        "-level",
        "3",
        "-coder",
        "1",
        "-context",
        "1",
        "-slices",
        "1",
        "-slicecrc",
        "0",
        "-g",
        "9999",
    )
    large = np.tile(WORDS, (3, 2, 2))
    check("FFV1 lossless", large, 0, by_ffmpeg(tmp_path, "nut", "gray12le", large, *options))


def test_vvenc(tmp_path: Path) -> None:
    even = np.ascontiguousarray(np.tile(WORDS // 4, (1, 2, 1))[..., :70])
    told = (
        "-pix_fmt",
        "yuv420p10le",
        "-c:v",
        "libvvenc",
        "-preset",
        "faster",
        "-qpa",
        "0",
        "-qp",
        "20",
        "-threads",
        "1",
    )
    full = ("-vf", "scale=in_range=full:out_range=full")
    direct = by_ffmpeg(tmp_path, "266", "gray10le", even, *full, *told, out="yuv420p10le")
    check("VVC (VVenC faster)", even, 43, direct)
