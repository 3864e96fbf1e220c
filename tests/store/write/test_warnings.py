"""What `write_zarr` says of options that are perhaps not meant so, and rules in rescaled values."""

import warnings

import numpy as np
import pytest

import mmip_gpu as mmip
from mmip_gpu import InvalidArgument, MmipWarning
from mmip_gpu.cli import main

NOISE = np.random.default_rng(0).integers(0, 4096, (16, 64, 64)).astype("u2")
FAINT = (np.random.default_rng(0).random((32, 64, 64)) * 0.4).astype("f4")


def written(source, **options):
    """(report, warnings) of a store in memory."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        report = mmip.write_zarr(source, {}, progress=False, **options)
    return report, [str(one.message) for one in found if one.category is MmipWarning]


@pytest.mark.parametrize(
    ("roi", "word"),
    [
        ("threshold:9000", "no sample"),
        ("threshold:0", "all samples"),
        (np.zeros(NOISE.shape, bool), "no sample"),
        (np.ones(NOISE.shape, "u1"), "all samples"),
    ],
)
def test_a_region_of_nothing_or_everything_is_said(roi, word):
    _, (text,) = written(NOISE, quality=10, roi=roi)
    assert word in text


def test_a_region_in_one_chunk_is_not():
    assert (
        written(np.pad(NOISE, ((0, 0), (0, 64), (0, 0))), quality=10, roi="threshold:1", chunks=(16, 64, 64))[1] == []
    )


@pytest.mark.parametrize("verify", [True, False])
def test_a_psnr_that_the_step_excludes_is_refused(verify):
    with pytest.raises(InvalidArgument, match="pass a smaller step, such as step="):
        written(FAINT, psnr=10, step=1.0, chunks=(16, 32, 32), verify=verify)


def test_a_psnr_below_one_step_is_recorded_as_it_is():
    store = {}
    report = mmip.write_zarr(FAINT, store, psnr=10, step=0.24, chunks=(16, 32, 32), progress=False)
    error = mmip.open_zarr(store)[...] - FAINT.astype(float)
    assert report["loss"]["psnr"] == pytest.approx(10 * np.log10(np.ptp(FAINT) ** 2 / (error**2).mean()), abs=1e-3)
    assert report["loss"]["psnr"] >= 10


def test_a_step_above_the_range_is_said():
    assert "step=0.0038" in written(FAINT, ratio=10, step=1.0)[1][0]


@pytest.mark.parametrize(
    ("chunks", "word"),
    [((10, 64, 64), "z 10 to 16"), ((16, 40, 64), "y 40 to 48"), ((16, 64, 64), None), ((16, 64, 500), None)],
)
def test_chunks_that_grow_are_said(chunks, word):
    source = np.pad(NOISE, ((0, 16), (0, 64), (0, 0)))
    _, texts = written(source, quality=10, chunks=chunks, cell_depth=8)
    assert (texts == []) if word is None else (word in texts[0])


def nifti(path, samples, affine=None, slope=None, intercept=None):
    """A NIfTI file of an array (z, y, x)."""
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.Nifti1Image(samples.T, np.eye(4) if affine is None else affine)
    image.header.set_slope_inter(slope, intercept)
    image.set_sform(image.affine, 1)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize(("slope", "intercept"), [(1, -1024), (0.1, -50), (-1, 3000), (1, 0)])
def test_hu_marks_what_has_these_rescaled_values(tmp_path, slope, intercept):
    path = nifti(tmp_path / "ct.nii", NOISE.astype("i2"), slope=slope, intercept=intercept)
    low, high = sorted(value * slope + intercept for value in (1000, 2000))
    report, _ = written(path, quality=10, roi=f"hu:{low}..{high}")
    assert report["roi_share"] == ((NOISE >= 1000) & (NOISE <= 2000)).mean()
    assert report["plan"]["rule"].startswith("range:1000..2000")


def test_hu_of_an_array_is_refused():
    with pytest.raises(InvalidArgument, match="does not state a rescale"):
        written(NOISE, quality=10, roi="hu:300..3000")


def test_the_command_takes_hu_and_says_what_is_empty(tmp_path):
    path = nifti(tmp_path / "ct.nii", NOISE.astype("i2"), slope=1, intercept=-1024)
    for command in (
        ["encode", str(path), "-o", str(tmp_path / "a.mmip")],
        ["compress", str(path), str(tmp_path / "a.zarr")],
    ):
        with pytest.warns(MmipWarning, match=r"roi='range:6024\.\.7024': no sample"):
            assert main([*command, "--quality", "10", "--roi", "hu:5000..6000"]) == 0
    assert main(["evaluate", str(path), str(tmp_path / "a.mmip"), "--roi", "hu:0..100"]) == 0


@pytest.mark.parametrize("affine", [np.eye(4)[[1, 0, 2, 3]], np.diag([-1.0, 1, 1, 1]), np.diag([1.0, 1, 2, 1])])
def test_a_mask_that_lies_elsewhere_is_refused(tmp_path, affine):
    ct = nifti(tmp_path / "ct.nii", NOISE.astype("i2"))
    mask = (NOISE > 2000).astype("u1")
    assert written(ct, quality=10, roi=nifti(tmp_path / "same.nii", mask))[1] == []
    with pytest.raises(InvalidArgument, match="by their affines"):
        written(ct, quality=10, roi=nifti(tmp_path / "other.nii", mask, affine))
