"""Masks in image files: the classes of the array that they hold, in the place where the image lies."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

import mmip_gpu as mmip
from mmip_gpu.cli import main
from mmip_gpu.sinks import write_image
from mmip_gpu.sources import open_source

VOLUME = (np.indices((8, 40, 48)).sum(axis=0) * 9 + np.random.default_rng(0).integers(0, 99, (8, 40, 48))).astype("i2")
MASK = np.zeros(VOLUME.shape, np.uint8)
MASK[2:6, 10:30, 12:40] = 1
OPTIONS = {"quality": 5, "roi_quality": "lossless"}
FLAGS = ["--quality", "5", "--roi-quality", "lossless"]
AFFINE = np.diag([0.5, 0.5, 2, 1])
NAMES = ["m.npy", "bool.npy", "int64.npy", "m.nii.gz", "m.nrrd", "m.mha", "m.tif", "white.tif", "m.zarr", "slices"]


def written(name: str, mask: np.ndarray, folder: Path) -> Path:
    path = folder / name
    if name.endswith(".npy"):
        np.save(path, mask.astype({"bool.npy": bool, "int64.npy": np.int64}.get(name, np.uint8)))
    elif name.endswith(".nii.gz"):
        nibabel.Nifti1Image(mask.T, AFFINE).to_filename(path)
    elif name.endswith(".zarr"):
        zarr.save_array(path, mask)
    elif name == "slices":
        path.mkdir()
        for number, plane in enumerate(mask):
            tifffile.imwrite(path / f"{number}.tif", plane * 255)
    elif name.endswith(".tif"):
        tifffile.imwrite(path, mask * (255 if name == "white.tif" else 1), compression="zlib")
    else:
        write_image(mask, path)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_the_mask_that_it_holds(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask, image = written(name, MASK, tmp_path), tmp_path / "image.npy"
    np.save(image, VOLUME)
    assert main(["encode", str(image), "-o", str(tmp_path / "a.mmip"), "--roi", str(mask), *FLAGS]) == 0
    assert (tmp_path / "a.mmip").read_bytes() == mmip.encode(VOLUME, roi=MASK, axes="zyx", **OPTIONS)
    assert main(["compress", str(image), str(tmp_path / "a.zarr"), "--roi", str(mask), *FLAGS]) == 0
    store: dict[str, object] = {}
    mmip.write_zarr(VOLUME, store, roi=mask, progress=False, **OPTIONS)
    expected: dict[str, object] = {}
    mmip.write_zarr(VOLUME, expected, roi=MASK, progress=False, **OPTIONS)
    for found in (tmp_path / "a.zarr", store):
        assert np.array_equal(mmip.open_zarr(found)[...], mmip.open_zarr(expected)[...])
    next(path for path in (tmp_path / "a.zarr").glob("stage_2/c/**/*") if path.is_file()).unlink()
    assert main(["repair", str(tmp_path / "a.zarr"), "--source", str(image), "--roi", str(mask)]) == 0
    capsys.readouterr()
    for decoded in ("a.mmip", "a.zarr"):
        assert main(["evaluate", str(image), str(tmp_path / decoded), "--roi", str(mask)]) == 0
        assert "mask" in capsys.readouterr().out


def test_a_picture_of_white_is_a_mask(tmp_path: Path) -> None:
    Image.fromarray(MASK[3] * 255).save(tmp_path / "m.png")
    store: dict[str, object] = {}
    mmip.write_zarr(VOLUME[3], store, roi=tmp_path / "m.png", progress=False, **OPTIONS)
    assert np.array_equal(mmip.open_zarr(store)[...][MASK[3] > 0], VOLUME[3][MASK[3] > 0])


@pytest.mark.parametrize("name", ["m.nii.gz", "m.nrrd", "m.mha"])
@pytest.mark.parametrize("moved", [False, True])
def test_a_mask_lies_where_the_image_lies(
    name: str, moved: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nibabel.Nifti1Image(VOLUME.T, AFFINE).to_filename(tmp_path / "image.nii")
    there = AFFINE.copy()
    there[0, 3] = 9.0 * moved
    nibabel.Nifti1Image(MASK.T, there).to_filename(tmp_path / "there.nii")
    mask, image = tmp_path / name, tmp_path / "image.nii"
    write_image(open_source(tmp_path / "there.nii"), mask)
    mmip.write_zarr(image, tmp_path / "b.zarr", progress=False, quality=5)
    for command in (
        ["encode", str(image), "-o", str(tmp_path / "a.mmip"), *FLAGS],
        ["compress", str(image), str(tmp_path / "a.zarr"), *FLAGS],
        ["evaluate", str(image), str(tmp_path / "b.zarr")],
        ["plot", "progressive", str(image), str(tmp_path / "b.zarr"), "-o", str(tmp_path / "a.png")],
        ["demo", str(image), "--out", str(tmp_path / "demo"), "--roi-quality", "lossless"],
    ):
        assert main([*command, "--roi", str(mask)]) == (2 if moved else 0), command
        assert ("by their affines" in capsys.readouterr().err) == moved
    if moved:
        with pytest.raises(mmip.InvalidArgument, match="by their affines"):
            mmip.write_zarr(image, {}, roi=mask, progress=False, **OPTIONS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("none.npy", "none.npy"),
        ("none.nii.gz", "none.nii.gz"),
        ("folder/none", "none"),
        ("threshhold:3", "roi rule: expected"),
        ("image.npy", "expected classes 0..7"),
        ("small.npy", "expected a mask of shape"),
        ("float.npy", "bool or integer mask"),
    ],
)
def test_what_is_no_mask_is_refused(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("image.npy", VOLUME)
    np.save("small.npy", MASK[:3])
    np.save("float.npy", MASK.astype(np.float32))
    for command in (["encode", "image.npy", "-o", "a.mmip"], ["compress", "image.npy", "a.zarr"]):
        assert main([*command, *FLAGS, "--roi", text]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
