"""Arrays whose planes are a sample or a few wide: right, and with a bounded number of trials, counted and not timed."""

import numpy as np
import pytest

import mmip_gpu as mmip
from mmip_gpu._core import SEARCH_FAST, SEARCH_NONE, SEARCH_ROUGH
from mmip_gpu.transform.planning.trial import HostSamples

SHAPES = [((4000, 1, 1), axes) for axes in ("zyx", "tyx", "yxc", "nyx")]
SHAPES += [((1, 4000, 1), None), ((1, 1, 4000), None), ((4000, 1), "yx"), ((4000, 1), "tx"), ((4000,), "x")]
SHAPES += [
    ((400, 1, 10), "zyx"),
    ((400, 10, 1), "zyx"),
    ((400, 1, 10), "tyx"),
    ((10, 400, 1), "tyx"),
    ((1, 400, 10), None),
]
TARGETS = [
    {"quality": 10},
    {"lossless": True, "stages": 3},
    {"max_error": 2, "stages": 3},
    {"psnr": 45},
    {"labels": True},
]
MOST_TRIALS = 14  # a cube of as many samples takes up to twice as many, most of them at a higher effort


@pytest.fixture
def trials(monkeypatch):
    """Search and cells of every analysis that is made."""
    made, analyzed = [], HostSamples.analyzed

    def counted(self, plan, **options):
        made.append((plan.search, plan.depth))
        return analyzed(self, plan, **options)

    monkeypatch.setattr(HostSamples, "analyzed", counted)
    return made


def line(shape, dtype):
    walk = np.random.default_rng(4).normal(0, 3, shape).cumsum(axis=int(np.argmax(shape)))
    return ((walk - walk.min()) / np.ptp(walk) * 120).astype(dtype)


@pytest.mark.parametrize(("shape", "axes"), [((10**5, 1, 1), "zyx"), ((10**4, 1, 10), "tyx")])
@pytest.mark.parametrize("target", [{"lossless": True, "stages": 3}, {"quality": 10}, {"psnr": 45}], ids=str)
def test_choices_of_thin_arrays_take_a_part_of_them(shape, axes, target, monkeypatch):
    sizes, analyzed = [], HostSamples.analyzed

    def counted(self, plan, **options):
        sizes.append(self.array.size)
        return analyzed(self, plan, **options)

    monkeypatch.setattr(HostSamples, "analyzed", counted)
    array = np.random.default_rng(5).integers(0, 256, shape).astype(np.uint8)
    blob = mmip.encode(array, axes=axes, **target)
    parts = [size for size in sizes if size < array.size]
    assert max(parts) <= array.size / 10
    assert len(sizes) - len(parts) <= (0 if "lossless" in target else 3)
    assert len(blob) <= mmip.max_encoded_size(array.shape, array.dtype)
    if "lossless" in target:
        assert np.array_equal(mmip.decode(blob), array)


@pytest.mark.parametrize(("shape", "axes"), SHAPES)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: next(iter(target)))
def test_one_wide_arrays_are_right_and_take_few_trials(shape, axes, dtype, target, trials):
    if dtype == "float32":
        if "labels" in target:
            return
        target = target | {"step": 0.25}
    array = line(shape, dtype)
    decoded = mmip.decode(mmip.encode(array, axes=axes, **target))
    error = np.abs(decoded.astype(float) - array).max()
    assert decoded.dtype == array.dtype
    if "labels" in target or "lossless" in target:
        assert error <= target.get("step", 0) / 2
    elif "max_error" in target:
        assert error <= target["max_error"]
    elif "psnr" in target:
        assert np.mean((decoded.astype(float) - array) ** 2) <= np.ptp(array).astype(float) ** 2 / 10**4.5
    else:
        assert error < 60
    assert len(trials) <= MOST_TRIALS


@pytest.mark.parametrize(("shape", "axes"), [((4000, 1, 1), "zyx"), ((400, 1, 10), "zyx"), ((400, 1, 5), "tyx")])
@pytest.mark.parametrize("target", TARGETS[:4], ids=lambda target: next(iter(target)))
def test_where_cells_hold_little_one_depth_is_tried_and_the_search_is_short(shape, axes, target, trials):
    mmip.encode(line(shape, "uint16"), axes=axes, **target)
    assert {search for search, _ in trials} <= {(SEARCH_NONE, 1), (SEARCH_FAST, 1), (SEARCH_ROUGH, 1)}
    assert {depth for _, depth in trials} == {8 if axes == "zyx" else 1}


@pytest.mark.parametrize("axes", ["tyx", "nyx", "cyx", "tcyx"])
@pytest.mark.parametrize("target", TARGETS[:4], ids=lambda target: next(iter(target)))
def test_planes_of_a_sample_are_kept_as_they_are_without_a_trial(axes, target, trials):
    array = line((4000, 1, 1), "uint16").reshape((4000, *[1] * (len(axes) - 1)))
    blob = mmip.encode(array, axes=axes, **target)
    assert mmip.inspect(blob)["kind"] == "raw"
    assert (mmip.decode(blob) == array).all()
    assert trials == []


def test_a_ratio_that_planes_of_a_sample_cannot_have_is_refused():
    with pytest.raises(mmip.InvalidArgument, match="ratio"):
        mmip.encode(line((400, 1, 1), "uint16"), axes="tyx", ratio=4)
