"""Sources in TIFF: types, axes and packages that are refused, cuts and damage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from helpers.tiff_files import ramp, write
from hypothesis import given, settings
from hypothesis import strategies as st

from mmip_gpu.errors import InvalidArgument, MissingResource, MmipError, StoreError
from mmip_gpu.sources import open_source


def test_other_types_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="complex64"):
        write(tmp_path / "a.tif", ramp(8, 9, dtype="complex64"))
    with pytest.raises(InvalidArgument, match="float64"):
        write(tmp_path / "a.tif", ramp(8, 9, dtype="float64") / 3)
    with pytest.raises(InvalidArgument, match="uint32"):
        write(tmp_path / "a.tif", ramp(8, 9, dtype="uint32") * 1000)


def test_axes_that_have_no_place(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="QQQQYX"):
        write(tmp_path / "a.tif", ramp(2, 2, 2, 2, 8, 9), photometric="minisblack")


def test_without_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "a.tif", ramp(33, 47), compression="lzw")

    class Missing(dict):
        def __missing__(self, key: int) -> None:
            raise KeyError(f"{key} requires the 'imagecodecs' package")

    with monkeypatch.context() as patch:
        patch.setitem(vars(tifffile.TIFF), "DECOMPRESSORS", Missing())
        with pytest.raises(MissingResource, match=r"LZW.*imagecodecs.*mmip-gpu\[images\]"):
            open_source(tmp_path / "a.tif")
    monkeypatch.setitem(__import__("sys").modules, "tifffile", None)
    with pytest.raises(MissingResource, match=r"tifffile.*mmip-gpu\[io\]"):
        open_source(tmp_path / "a.tif")


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "rowsperstrip": 5}, {"tile": (16, 16)}])
def test_every_cut_is_an_error(options: dict[str, Any], tmp_path: Path) -> None:
    whole = write(tmp_path / "a.ome.tif", ramp(4, 33, 47), photometric="minisblack", **options)
    data = (tmp_path / "a.ome.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        ends = [o + c for p in file.pages for o, c in zip(p.dataoffsets, p.databytecounts, strict=True)]
    del whole
    for length in range(0, max(ends), 97):
        (tmp_path / "a.ome.tif").write_bytes(data[:length])
        with pytest.raises(MmipError):
            open_source(tmp_path / "a.ome.tif").read()


@given(seed=st.integers(0, 2**32 - 1), compression=st.sampled_from([None, "zlib", "lzw"]))
@settings(max_examples=150)
def test_damaged_files_are_read_or_refused(
    seed: int, compression: str | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng = np.random.default_rng(seed)
    path = tmp_path_factory.getbasetemp() / f"damaged_{compression}.tif"
    tifffile.imwrite(path, ramp(2, 17, 19), compression=compression, photometric="minisblack")
    data = bytearray(path.read_bytes())
    for at in rng.integers(0, min(len(data), 700), 3):
        data[at] = rng.integers(256)
    path.write_bytes(data)
    try:
        opened = open_source(path)
        if np.prod(opened.shape, dtype=object) < 2**24:
            assert opened.read().shape == opened.shape
    except (MmipError, MemoryError):
        pass


def test_a_missing_plane_is_an_error(tmp_path: Path) -> None:
    write(
        tmp_path / "a.ome.tif", ramp(3, 17, 19), photometric="minisblack", compression="zlib", metadata={"axes": "ZYX"}
    )
    data = (tmp_path / "a.ome.tif").read_bytes()
    (tmp_path / "a.ome.tif").write_bytes(data.replace(b'SizeZ="3"', b'SizeZ="4"'))
    opened = open_source(tmp_path / "a.ome.tif")
    with pytest.raises(StoreError, match="plane 3 is not in the file"):
        opened.read()
