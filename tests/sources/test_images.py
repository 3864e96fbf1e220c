"""Sources in PNG and JPEG: what is read, what is said about it, what is refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmip_gpu
from mmip_gpu.cli import main
from mmip_gpu.errors import InvalidArgument, MissingResource, MmipError, StoreError
from mmip_gpu.sources import open_source, source

GREY = (np.arange(20 * 31).reshape(20, 31) * 7).astype(np.uint8)
RGB = np.dstack([GREY, GREY[::-1], GREY[:, ::-1]])
SMOOTH = np.add.outer(np.arange(40), np.arange(56)).astype(np.uint8)


def png(path: Path, array: np.ndarray) -> Path:
    path.write_bytes(imagecodecs.png_encode(array))
    return path


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def raw_png(path: Path, size: tuple[int, int], bits: int, colour: int, rows: bytes, *more: bytes) -> Path:
    """Write a PNG file chunk by chunk."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0))
    parts = [header, *more, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


@pytest.mark.parametrize("array", [GREY, RGB, GREY.astype(np.uint16) * 251, RGB.astype(np.uint16) * 257 + 1])
def test_png(array: np.ndarray, tmp_path: Path) -> None:
    opened = open_source(png(tmp_path / "a.PNG", array))
    assert (opened.shape, opened.dtype, opened.metadata["kind"]) == (array.shape, array.dtype, "png")
    assert (opened.axes, opened.colour) == (("yxc", True) if array.ndim == 3 else ("yx", None))
    np.testing.assert_array_equal(opened.read(), array)
    part = (slice(3, 9), slice(5, 30), slice(1, 3))[: array.ndim]
    np.testing.assert_array_equal(opened.read(part), array[part])


def test_a_palette_becomes_rgb(tmp_path: Path) -> None:
    palette = chunk(b"PLTE", bytes([255, 0, 0, 0, 10, 20]))
    opened = open_source(raw_png(tmp_path / "a.png", (3, 2), 8, 3, b"\0\0\1\1\0\1\0\0", palette))
    assert (opened.axes, opened.colour) == ("yxc", True)
    assert opened.read()[0].tolist() == [[255, 0, 0], [0, 10, 20], [0, 10, 20]]


def test_few_bits_are_stretched_and_the_pixel_size_is_read(tmp_path: Path) -> None:
    size = chunk(b"pHYs", struct.pack(">IIB", 4000, 2000, 1))
    opened = open_source(raw_png(tmp_path / "a.png", (4, 1), 2, 0, b"\0\x1b", size))
    assert opened.read().tolist() == [[0, 85, 170, 255]]
    assert opened.metadata["spacing"] == [0.5, 0.25]


@pytest.mark.parametrize("base", [GREY[..., None], RGB])
def test_opaque_alpha_is_left_out_and_other_alpha_refused(base: np.ndarray, tmp_path: Path) -> None:
    alpha = np.full((*base.shape[:2], 1), 255, np.uint8)
    opened = open_source(png(tmp_path / "a.png", np.dstack([base, alpha])))
    np.testing.assert_array_equal(opened.read(), base.squeeze())
    alpha[7, 9] = 254
    with pytest.raises(InvalidArgument, match="alpha"):
        open_source(png(tmp_path / "b.png", np.dstack([base, alpha]))).read()


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG"])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg(suffix: str, channels: int, tmp_path: Path) -> None:
    image = SMOOTH if channels == 1 else np.dstack([SMOOTH, SMOOTH // 2, 255 - SMOOTH])
    (tmp_path / f"a{suffix}").write_bytes(imagecodecs.jpeg8_encode(image, level=95))
    opened = open_source(tmp_path / f"a{suffix}")
    assert (opened.shape, opened.dtype, opened.metadata["lossy"]) == (image.shape, np.uint8, True)
    assert opened.colour == (True if channels == 3 else None)
    assert np.abs(opened.read().astype(int) - image).max() < 16


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_lossless_jpeg(bits: int, tmp_path: Path) -> None:
    image = (SMOOTH.astype(np.uint16) << (bits - 8)).astype(np.uint8 if bits == 8 else np.uint16)
    (tmp_path / "a.jpg").write_bytes(imagecodecs.jpeg8_encode(image, lossless=True, bitspersample=bits))
    opened = open_source(tmp_path / "a.jpg")
    np.testing.assert_array_equal(opened.read(), image)
    assert "lossy" not in opened.metadata
    assert opened.metadata.get("bits_stored") == (None if bits == 8 else bits)


def test_cmyk_is_refused(tmp_path: Path) -> None:
    data = imagecodecs.jpeg8_encode(np.dstack([SMOOTH] * 4), colorspace="CMYK", outcolorspace="CMYK")
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(InvalidArgument, match="4 colour channels"):
        open_source(tmp_path / "a.jpg")


def test_what_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"not an image")
    with pytest.raises(StoreError, match="neither PNG nor JPEG"):
        open_source(tmp_path / "a.png")
    with pytest.raises(StoreError, match="cannot hold"):
        open_source(raw_png(tmp_path / "bomb.png", (2**31 - 1, 2**31 - 1), 16, 2, b"\0"))


def test_without_the_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str) -> None:
        raise ImportError(package)

    monkeypatch.setattr(source.importlib, "import_module", missing)
    with pytest.raises(MissingResource, match=r"imagecodecs.*mmip-gpu\[images\]"):
        open_source(png(tmp_path / "a.png", GREY))


def test_every_cut_is_an_error_or_whole(tmp_path: Path) -> None:
    for name, data in (("a.png", imagecodecs.png_encode(RGB)), ("a.jpg", imagecodecs.jpeg8_encode(RGB))):
        for length in range(0, len(data) - 20, 5):
            (tmp_path / name).write_bytes(data[:length])
            with pytest.raises(StoreError):
                open_source(tmp_path / name).read()


@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["png", "jpg"]))
@settings(max_examples=150)
def test_damaged_files_are_read_or_refused(seed: int, kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(imagecodecs.png_encode(RGB) if kind == "png" else imagecodecs.jpeg8_encode(RGB))
    for at in rng.integers(0, min(len(data), 400), 3):
        data[at] = rng.integers(256)
    path = tmp_path_factory.getbasetemp() / f"damaged.{kind}"
    path.write_bytes(data)
    try:
        opened = open_source(path)
        assert opened.read().shape == opened.shape
    except MmipError:
        pass


def test_the_command_line_takes_them(tmp_path: Path) -> None:
    png(tmp_path / "a.png", RGB)
    assert main(["encode", str(tmp_path / "a.png"), "-o", str(tmp_path / "a.mmip"), "--lossless"]) == 0
    blob = (tmp_path / "a.mmip").read_bytes()
    assert mmip_gpu.inspect(blob)["colour"]
    np.testing.assert_array_equal(mmip_gpu.decode(blob), RGB)
    assert main(["compress", str(tmp_path / "a.png"), str(tmp_path / "a.zarr"), "--lossless"]) == 0
    np.testing.assert_array_equal(mmip_gpu.open_zarr(tmp_path / "a.zarr")[...], RGB)
