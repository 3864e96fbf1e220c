"""What `encode`, its batches and the codec of Zarr say of options that are perhaps not meant so."""

import warnings

import numpy as np
import pytest
import zarr

import mmip_gpu as mmip
from mmip_gpu import InvalidArgument, MmipWarning
from numcodecs_plugin import Mmip, MmipV2

NOISE = np.random.default_rng(0).integers(0, 4096, (8, 64, 64)).astype("u2")
FAINT = (np.random.default_rng(0).random((16, 64, 64)) * 0.4).astype("f4")


def said(work):
    """The warnings of a call."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        work()
    return [str(one.message) for one in found if one.category is MmipWarning]


@pytest.mark.parametrize(
    ("roi", "word"),
    [
        ("threshold:9000", "no sample"),
        ("range:5000..6000", "no sample"),
        ("threshold:0", "all samples"),
        (np.zeros(NOISE.shape, bool), "no sample"),
        (np.ones(NOISE.shape[-2:], "u1").repeat(8, 0).reshape(8, 64, 64), "all samples"),
    ],
)
def test_a_region_of_nothing_or_everything_is_said(roi, word):
    (text,) = said(lambda: mmip.encode(NOISE, quality=10, roi=roi))
    assert word in text


def test_a_region_that_is_met_is_not():
    assert not said(lambda: mmip.encode(NOISE, quality=10, roi="threshold:4000"))


def test_a_batch_is_judged_as_a_whole():
    dark, bright = np.zeros((64, 64), "u2"), np.full((64, 64), 9000, "u2")
    assert not said(lambda: mmip.encode_batch([dark, bright], quality=10, roi="threshold:9000"))
    assert len(said(lambda: mmip.encode_batch([dark, dark], quality=10, roi="threshold:9000"))) == 1


@pytest.mark.parametrize(
    ("roi", "dtype", "count"), [("threshold:9000", "u1", 1), ("threshold:0", "u2", 1), ("threshold:90", "u1", 0)]
)
def test_a_rule_that_no_sample_of_the_dtype_decides_is_said_by_the_codecs(roi, dtype, count):
    image = np.arange(64 * 64, dtype=dtype).reshape(64, 64)
    assert len(set(said(lambda: MmipV2(quality=10, roi=roi).encode(image)))) == count
    codec = Mmip(quality=10, roi=roi)
    assert len(set(said(lambda: zarr.create_array({}, data=image, serializer=codec, compressors=None)))) == count


def test_a_chunk_without_region_is_normal():
    image = np.pad(np.full((32, 32), 200, "u1"), 32)
    codec = Mmip(quality=10, roi="threshold:90")
    assert not said(lambda: zarr.create_array({}, data=image, chunks=(32, 32), serializer=codec, compressors=None))


@pytest.mark.parametrize("options", [{"quality": 10}, {"lossless": True, "stages": 3}, {"qstep": 1}])
def test_a_step_above_the_range_is_said(options):
    (text,) = said(lambda: mmip.encode(FAINT, step=1.0, **options))
    assert "step=0.0038" in text
    assert not said(lambda: mmip.encode(FAINT, step=0.0038, **options))


@pytest.mark.parametrize("psnr", [10, 30, 60])
def test_a_psnr_that_the_step_excludes_names_one_that_does_not(psnr):
    with pytest.raises(InvalidArgument, match=r"the largest is 4\.7[78] dB.*step=") as refused:
        mmip.encode(FAINT, psnr=psnr, step=1.0)
    step = float(str(refused.value).rpartition("step=")[2])
    loss = mmip.inspect(mmip.encode(FAINT, psnr=psnr, step=step))["loss"]
    assert loss["psnr"] >= psnr


def test_a_psnr_below_one_step_that_is_reached_is_recorded_as_it_is():
    blob = mmip.encode(FAINT, psnr=4, step=1.0)
    error = mmip.decode(blob) - FAINT.astype(float)
    true = 10 * np.log10(np.ptp(FAINT) ** 2 / (error**2).mean())
    assert mmip.inspect(blob)["loss"]["psnr"] == pytest.approx(true, abs=1e-3)


@pytest.mark.parametrize("data_range", [0.5, 1, 2])
def test_integers_reach_a_psnr_on_a_tiny_range(data_range):
    image = np.random.default_rng(1).integers(0, 3, (64, 64)).astype("u1")
    error = mmip.decode(mmip.encode(image, psnr=20, data_range=data_range)).astype(float) - image
    assert 10 * np.log10(data_range**2 / max((error**2).mean(), 1e-12)) >= 20


def test_a_ratio_that_is_far_above_is_said():
    image = np.zeros((256, 256), "u1")
    image[::3, ::5] = 255
    for work in (
        lambda: mmip.encode(image, ratio=300, padding=None),
        lambda: mmip.encode_batch([image], ratio=300, padding=None),
    ):
        (text,) = said(work)
        assert text.startswith("ratio=300: 34")


def test_rescaled_values_need_a_source():
    with pytest.raises(InvalidArgument, match="states its rescale"):
        mmip.encode(NOISE, quality=10, roi="hu:300..3000")
