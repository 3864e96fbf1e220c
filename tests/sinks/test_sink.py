"""Sinks: blocks cover the array, and a file is whole or not there at all."""

from __future__ import annotations

import dataclasses
import resource
import signal
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.sink_sources import volume
from hypothesis import given
from hypothesis import strategies as st

import mmip_gpu
from mmip_gpu.errors import InvalidArgument, MissingResource, StoreError
from mmip_gpu.sinks import sink, sink_of, write_image
from mmip_gpu.sources import open_source


class TestBlocks:
    @given(data=st.data())
    def test_they_cover_the_array_once_in_whole_chunks(self, data: st.DataObject) -> None:
        shape = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=4))
        chunks = data.draw(st.lists(st.integers(1, 5), min_size=len(shape), max_size=len(shape)))
        covered = np.zeros(shape, int)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sink, "BLOCK_BYTES", data.draw(st.integers(1, 400)))
            for region in sink.blocks(shape, 2, chunks):
                covered[region] += 1
                assert all(part.start % chunk == 0 for part, chunk in zip(region, chunks, strict=True))
        assert (covered == 1).all()

    @given(data=st.data())
    def test_a_file_in_any_order_of_blocks_is_the_array(
        self, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        shape = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
        array = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sink, "BLOCK_BYTES", data.draw(st.integers(1, 100)))
            regions = data.draw(st.permutations(sink.blocks(shape, 2, [1] * len(shape))))
        path = tmp_path_factory.getbasetemp() / "blocks"
        with path.open("wb") as file:
            for region in regions:
                sink.write_block(file, 5, shape, region, array[region])
        assert path.read_bytes() == bytes(5) + array.tobytes()

    def test_memory_is_that_of_a_block(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sink, "BLOCK_BYTES", 1 << 18)
        for name in ("a.npy", "a.nii", "a.nii.gz", "a.ome.tif", "a.dcm", "series"):
            write_image("phantom3d:2x16x16", tmp_path / "w" / name)  # loads the packages
            tracemalloc.start()
            write_image("phantom3d:64x256x256", tmp_path / name)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 5 << 20, name
            np.testing.assert_array_equal(
                open_source(tmp_path / name).read(), mmip_gpu.phantom3d((64, 256, 256)), err_msg=name
            )


class TestWriting:
    @pytest.mark.parametrize("name", ["a.npy", "a.nii", "a.nii.gz", "a.tif", "a.dcm", "series"])
    def test_what_is_there_is_kept_until_the_new_is_whole(self, name: str, tmp_path: Path) -> None:
        write_image(volume("zyx"), tmp_path / name)
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with pytest.raises(StoreError, match="overwrite=True"):
            write_image(volume("zyx"), tmp_path / name)

        def fail(region: Any) -> Any:
            raise RuntimeError("the source broke")

        with pytest.raises(StoreError, match="the source broke"):
            write_image(dataclasses.replace(volume("zyx"), reader=fail), tmp_path / name, overwrite=True)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
        write_image(np.zeros((1, 3, 5), np.uint8), tmp_path / name, overwrite=True)
        assert not open_source(tmp_path / name).read().any()
        assert [path.name for path in tmp_path.iterdir()] == [name]

    @pytest.mark.parametrize("name", ["a.npy", "a.nii", "a.nii.gz", "a.tif", "a.dcm", "series"])
    def test_a_full_disk(self, name: str, tmp_path: Path) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        noise = np.random.default_rng(0).integers(0, 1 << 16, (2, 200, 200)).astype(np.uint16)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (60000, hard))
            with pytest.raises(StoreError, match="cannot write"):
                write_image(noise, tmp_path / name)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_of_other_things_is_never_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "series").mkdir()
        (tmp_path / "series/thesis.txt").write_text("mine")
        with pytest.raises(StoreError, match=r"thesis\.txt"):
            write_image(volume("zyx"), tmp_path / "series", overwrite=True)
        (tmp_path / "file").write_text("mine")
        with pytest.raises(StoreError, match="something else"):
            write_image(volume("zyx"), tmp_path / "file", overwrite=True)
        with pytest.raises(StoreError, match="cannot write"):
            write_image(volume("zyx"), tmp_path / "file/a.npy")

    @pytest.mark.parametrize(
        ("axes", "dtype", "name"),
        [
            ("nzyx", "uint16", "a.nii"), ("yxc", "uint16", "a.nii"), ("tzyx", "uint16", "a.dcm"),
            ("x", "uint8", "a.dcm"), ("yxc", "uint16", "a.dcm"), ("zyx", "int16", "a.dcm"),
            ("zyx", "float32", "series"),
        ],
    )  # fmt: skip
    def test_what_a_format_cannot_hold(self, axes: str, dtype: str, name: str, tmp_path: Path) -> None:
        with pytest.raises(InvalidArgument):
            write_image(volume(axes, dtype), tmp_path / name)
        assert list(tmp_path.iterdir()) == []

    def test_names_empty_images_and_missing_packages(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(InvalidArgument, match=r"\.ome\.tif"):
            sink_of("a.gif")
        with pytest.raises(InvalidArgument, match="empty"):
            write_image(np.zeros((0, 3), np.uint8), tmp_path / "a.tif")
        for package, name in (("tifffile", "a.tif"), ("nibabel", "a.nii"), ("pydicom", "a.dcm")):
            monkeypatch.setitem(sys.modules, package, None)
            with pytest.raises(MissingResource, match=package):
                write_image(volume("zyx"), tmp_path / name)
