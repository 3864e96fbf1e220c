"""The commands decode and extract into every format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import run
from helpers.sink_sources import AFFINE, volume

from mmip_gpu.cli import main
from mmip_gpu.sinks import write_image
from mmip_gpu.sources import open_source


class TestCommandLine:
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Path]:
        write_image(volume("zyx", affine=AFFINE, space="scanner"), tmp_path / "a.nii.gz")
        run("compress", tmp_path / "a.nii.gz", tmp_path / "a.zarr", "--lossless", "--chunks", "16,32,32")
        return tmp_path / "a.zarr"

    @pytest.mark.parametrize("name", ["b.npy", "b.nii", "b.nii.gz", "b.tif", "b.ome.tiff", "b.dcm", "b"])
    def test_extract(self, name: str, store: Path, tmp_path: Path) -> None:
        run("extract", store, "-o", tmp_path / name)
        found = open_source(tmp_path / name)
        np.testing.assert_array_equal(found.read(), volume("zyx").read())
        assert name == "b.npy" or found.metadata["spacing"] == pytest.approx([3.0, 0.25, 0.5])
        if not name.endswith((".npy", ".tif", ".tiff")):
            np.testing.assert_allclose(found.metadata["affine"], AFFINE)
        assert main(["extract", str(store), "-o", str(tmp_path / name)]) == 2
        run("extract", store, "-o", tmp_path / name, "--overwrite", "--region", "1:3,2:9,4:")
        np.testing.assert_array_equal(open_source(tmp_path / name).read(), volume("zyx").read()[1:3, 2:9, 4:])

    def test_decode_with_a_template(self, store: Path, tmp_path: Path) -> None:
        run("encode", tmp_path / "a.nii.gz", "-o", tmp_path / "a.mmip", "--lossless")
        run("decode", tmp_path / "a.mmip", "-o", tmp_path / "plain.nii")
        assert "affine" not in open_source(tmp_path / "plain.nii").metadata
        run("decode", tmp_path / "a.mmip", "-o", tmp_path / "b.nii", "--template", tmp_path / "a.nii.gz")
        np.testing.assert_allclose(open_source(tmp_path / "b.nii").metadata["affine"], AFFINE)
        run(
            "decode", tmp_path / "a.mmip", "-o", tmp_path / "c.nii", "--template", tmp_path / "a.nii.gz",
            "--region", "1:4,:,8:",
        )  # fmt: skip
        np.testing.assert_allclose(
            np.array(open_source(tmp_path / "c.nii").metadata["affine"])[:3, 3], np.array(AFFINE)[:3] @ [8, 0, 1, 1]
        )
        for name in ("d.ome.tif", "d.dcm"):
            run("decode", tmp_path / "a.mmip", "-o", tmp_path / name, "--template", tmp_path / "a.nii.gz")
            assert open_source(tmp_path / name).metadata["spacing"] == pytest.approx([3.0, 0.25, 0.5])

    def test_float32(self, tmp_path: Path) -> None:
        array = np.random.default_rng(0).normal(3, 50, (5, 20, 30)).astype(np.float32)
        np.save(tmp_path / "a.npy", array)
        run("compress", tmp_path / "a.npy", tmp_path / "a.zarr", "--max-error", 0.5, "--step", 0.125)
        run("encode", tmp_path / "a.npy", "-o", tmp_path / "a.mmip", "--max-error", 0.5, "--step", 0.125)
        for command, stored in (("extract", "a.zarr"), ("decode", "a.mmip")):
            for name in ("b.npy", "b.nii.gz", "b.tif", "b.ome.tif"):
                run(command, tmp_path / stored, "-o", tmp_path / name, "--overwrite")
                found = open_source(tmp_path / name)
                assert found.dtype == np.float32
                assert np.abs(found.read() - array).max() <= 0.5
            assert main([command, str(tmp_path / stored), "-o", str(tmp_path / "folder")]) != 0

    def test_one_time_point_as_dicom(self, tmp_path: Path) -> None:
        source = volume("tzyx")
        write_image(source, tmp_path / "a.nii")
        run("compress", tmp_path / "a.nii", tmp_path / "a.zarr", "--lossless")
        assert main(["extract", str(tmp_path / "a.zarr"), "-o", str(tmp_path / "a.dcm")]) == 2
        run("extract", tmp_path / "a.zarr", "-o", tmp_path / "a.dcm", "--region", "1:2,:,:,:")
        np.testing.assert_array_equal(open_source(tmp_path / "a.dcm").read(), source.read()[1])

    def test_colour_and_channels(self, tmp_path: Path) -> None:
        for axes, colour in (("zyxc", True), ("czyx", False)):
            source = volume(axes, "uint8", colour=colour)
            write_image(source, tmp_path / f"{axes}.ome.tif")
            run("compress", tmp_path / f"{axes}.ome.tif", tmp_path / f"{axes}.zarr", "--lossless")
            run("extract", tmp_path / f"{axes}.zarr", "-o", tmp_path / f"{axes}.out.ome.tif")
            found = open_source(tmp_path / f"{axes}.out.ome.tif")
            assert (found.axes, found.colour) == (axes, colour)
            np.testing.assert_array_equal(found.read(), source.read())

    def test_an_unfinished_store_is_refused(self, store: Path, tmp_path: Path) -> None:
        import json

        document = json.loads((store / "zarr.json").read_text())
        document["attributes"]["mmip"] |= {"state": "writing", "report": None}
        (store / "zarr.json").write_text(json.dumps(document))
        assert main(["extract", str(store), "-o", str(tmp_path / "x.tif")]) == 2
        assert not (tmp_path / "x.tif").exists()
