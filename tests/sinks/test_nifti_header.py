"""What a NIfTI header says comes back: time step, units, both forms, a fourth axis of one frame, its other fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

import mmip_gpu
from mmip_gpu.cli import main
from mmip_gpu.errors import MetadataWarning

TURNED = nibabel.affines.from_matvec(np.diag([2.0, 2.0, 3.0]) @ nibabel.eulerangles.euler2mat(0.1, 0.2, 0.3), [1, 2, 3])


def written(folder: Path, shape: tuple[int, ...], **fields: Any) -> Path:
    data = (np.arange(np.prod(shape)) % 1000).astype(np.int16).reshape(shape)
    image = nibabel.Nifti1Image(data, None)
    image.header.set_zooms((2.0, 2.0, 3.0, *([2.5] * (len(shape) - 3))))
    for name, value in fields.items():
        image.header[name] = value
    nibabel.save(image, folder / "a.nii")
    return folder / "a.nii"


def through_a_store(folder: Path, *more: str) -> Any:
    assert main(["compress", str(folder / "a.nii"), str(folder / "a.zarr"), "--lossless", "--overwrite"]) == 0
    assert main(["extract", str(folder / "a.zarr"), "-o", str(folder / "b.nii"), "--overwrite", *more]) == 0
    return nibabel.load(folder / "b.nii")


@pytest.mark.parametrize("time", ["sec", "msec", "usec", "hz", "ppm", "unknown"])
@pytest.mark.parametrize("length", ["mm", "micron", "meter", "unknown"])
def test_units_and_time_step(length: str, time: str, tmp_path: Path) -> None:
    path = written(
        tmp_path, (6, 5, 4, 3), xyzt_units=nibabel.nifti1.unit_codes[length] + nibabel.nifti1.unit_codes[time]
    )
    for more in ((), ("--template", str(path))):
        found = through_a_store(tmp_path, *more).header
        assert found.get_xyzt_units() == (length, time)
        np.testing.assert_allclose(found.get_zooms(), (2, 2, 3, 2.5), rtol=1e-6)


@pytest.mark.parametrize("frames", [1, 2])
def test_a_fourth_axis_of_one_frame_stays(frames: int, tmp_path: Path) -> None:
    written(tmp_path, (6, 5, 4, frames))
    found = through_a_store(tmp_path)
    assert found.shape == (6, 5, 4, frames)
    np.testing.assert_array_equal(found.get_fdata(), nibabel.load(tmp_path / "a.nii").get_fdata())


@pytest.mark.parametrize(("qform", "sform"), [(1, 4), (1, 0), (0, 2), (2, 2), (0, 0)])
def test_both_forms_keep_their_affine_and_code(qform: int, sform: int, tmp_path: Path) -> None:
    image = nibabel.load(written(tmp_path, (6, 5, 4)))
    image.header.set_qform(TURNED if qform else None, qform)
    image.header.set_sform(np.diag([2.0, -2.0, 3.0, 1.0]) if sform else None, sform)
    image = nibabel.Nifti1Image(np.asarray(image.dataobj), None, image.header)
    nibabel.save(image, tmp_path / "a.nii")
    found = through_a_store(tmp_path).header
    assert (int(found["qform_code"]), int(found["sform_code"])) == (qform, sform)
    for form in ("get_qform", "get_sform"):
        expected, _ = getattr(image.header, form)(coded=True)
        affine, _ = getattr(found, form)(coded=True)
        assert (affine is None) == (expected is None)
        if affine is not None:
            np.testing.assert_allclose(affine, expected, atol=1e-5)
    part = through_a_store(tmp_path, "--region", "1:3,0:5,2:6").header
    if qform and sform:
        moved = image.header.get_qform() @ [2, 0, 1, 1]
        np.testing.assert_allclose(part.get_qform()[:3, 3], moved[:3], atol=1e-5)


def test_other_fields_stay_and_extensions_are_told(tmp_path: Path) -> None:
    fields = {"intent_code": 1002, "cal_max": 90.0, "toffset": 1.5, "slice_code": 3, "slice_end": 3}
    image = nibabel.load(written(tmp_path, (6, 5, 4), **fields))
    found = through_a_store(tmp_path).header
    assert {name: found[name].item() for name in fields} == fields
    assert int(through_a_store(tmp_path, "--region", "0:2,:,:").header["slice_end"]) == 0
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"of a scanner"))
    nibabel.save(image, tmp_path / "a.nii")
    with pytest.warns(MetadataWarning, match="NIfTI extensions"):
        report = mmip_gpu.write_zarr(tmp_path / "a.nii", tmp_path / "c.zarr", lossless=True, stages=3)
    assert report["lost"] == ["NIfTI extensions"]
