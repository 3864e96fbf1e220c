"""Labels: exact, the nearest sample at every scale, no label that was not there, by every entry point."""

import warnings

import numpy as np
import pytest
import reference
import zarr

import mmip_gpu as mmip
from mmip_gpu import InvalidArgument, MmipWarning
from mmip_gpu.cli import main
from numcodecs_plugin import Mmip, MmipV2

RNG = np.random.default_rng(0)


def cells(shape, count=9, dtype="u2", spread=1000):
    """Blocks of 8 x 7 x 7 voxels of one label each."""
    sizes = [8, 7, 7][-len(shape) :]
    few = RNG.integers(0, count, [-(-n // s) for n, s in zip(shape, sizes, strict=True)])
    for axis, size in enumerate(sizes):
        few = few.repeat(size, axis)
    return (few[tuple(slice(n) for n in shape)] * spread).astype(dtype)


VOLUME = cells((20, 70, 75))


def nearest(array, scale, axes):
    """The sample at the first corner of each window."""
    return array[tuple(slice(None, None, scale if axis in axes else 1) for axis in range(array.ndim))]


@pytest.mark.parametrize(
    "array",
    [
        VOLUME,
        cells((70, 75), dtype="u1", spread=20),
        cells((40, 64, 64), count=60000, spread=1),
        -cells((20, 64, 64), dtype="i2"),
        RNG.integers(0, 65535, (8, 33, 35)).astype("u2"),
        np.zeros((0, 8), "u1"),
        cells((20, 64, 64), dtype="u4", spread=2**28),
        -cells((20, 64, 64), dtype="i4", spread=2**27),
        cells((3, 5, 40, 64, 64)[2:], dtype="u8", spread=2**60),
        -cells((64, 64), dtype="i8", spread=2**59),
        RNG.integers(-(2**63), 2**63, (8, 33, 35)),
    ],
)
@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_containers_give_nearest_samples(array, scale):
    blob = mmip.encode(array, labels=True)
    kind = mmip.inspect(blob)
    assert kind["loss"]["labels"]
    assert kind["dtype"] == array.dtype.name
    assert (mmip.decode(blob) == array).all()
    whole = nearest(array, scale, range(array.ndim))
    assert (mmip.decode(blob, scale=scale) == whole).all()
    region = tuple(slice(n // 3, max(n - 1, n // 3)) for n in whole.shape)
    assert (mmip.decode(blob, scale=scale, region=region) == whole[region]).all()


@pytest.mark.parametrize("dtype", ["u2", "i4", "u8"])
@pytest.mark.parametrize("scale", [1, 2, 8])
def test_stores_give_nearest_samples(dtype, scale):
    store, array = {}, cells((20, 70, 75), dtype=dtype, spread=2**60 if dtype == "u8" else 1000)
    report = mmip.write_zarr(array, store, labels=True, chunks=(16, 32, 64), progress=False)
    assert report["loss"]["lossless"]
    assert report["loss"]["labels"]
    assert report["loss"]["maximum"] == array.max()
    volume = mmip.open_zarr(store, scale=scale)
    assert volume.dtype == dtype
    whole = nearest(array, scale, range(3))
    assert (volume[...] == whole).all()
    assert (volume[1, 3:7, 2:] == whole[1, 3:7, 2:]).all()
    assert mmip.verify_zarr(store, progress=False)["ok"]


def test_channels_and_time_are_labels_too():
    array = np.stack([cells((64, 64)), cells((64, 64)), cells((64, 64))])
    for axes, order in (("cyx", array), ("tyx", array), ("yxc", np.moveaxis(array, 0, -1))):
        blob, store = mmip.encode(order, labels=True, axes=axes), {}
        assert not mmip.inspect(blob)["colour"]
        mmip.write_zarr(order, store, labels=True, axes=axes, progress=False)
        for scale in (1, 4):
            expected = nearest(order, scale, [axes.index("y"), axes.index("x")])
            assert (mmip.decode(blob, scale=scale) == expected).all()
            assert (mmip.open_zarr(store, scale=scale)[...] == expected).all()


def test_exports_hold_nearest_samples_and_say_that_they_are_labels():
    store, image = {}, {}
    mmip.write_zarr(VOLUME, store, labels=True, chunks=(16, 32, 32), progress=False)
    levels = mmip.export_ome_zarr(store, image, chunks=8, progress=False)["levels"]
    group = zarr.open_group(image, mode="r")
    ome = group.attrs["ome"]
    assert "image-label" in ome
    assert "omero" not in ome
    assert ome["multiscales"][0]["type"] == "nearest samples"
    assert len(levels) > 4
    for number in range(len(levels)):
        found = group[str(number)][...]
        assert np.isin(found, VOLUME).all()
        if number < 4:
            assert (found == nearest(VOLUME, 2**number, range(3))).all()


def test_labels_have_one_stage():
    store = {}
    blob = mmip.encode(VOLUME, labels=True)
    mmip.write_zarr(VOLUME, store, labels=True, progress=False)
    for work in (
        lambda: mmip.open_zarr(store, stages=2),
        lambda: mmip.export_ome_zarr(store, {}, stages=2, progress=False),
        lambda: mmip.fetch_zarr(store, {}, stages=2, progress=False),
        lambda: mmip.decode(blob, stages=2),
    ):
        with pytest.raises(InvalidArgument, match="stages=2"):
            work()
    assert (mmip.decode(blob, stages=1) == VOLUME).all()
    assert mmip.fetch_zarr(store, {}, stages=None, progress=False)["stages"] == 1


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"stages": 3}, "stages="),
        ({"quality": 10}, "quality="),
        ({"roi": "threshold:3"}, "roi="),
        ({"step": 0.5}, "step="),
        ({"cell_depth": 8}, "cell_depth="),
        ({"colour": True}, "colour"),
    ],
)
def test_what_labels_exclude_is_refused(options, word):
    for work in (mmip.encode, lambda array, **more: mmip.write_zarr(array, {}, **more)):
        with pytest.raises(InvalidArgument, match=word):
            work(VOLUME, labels=True, **options)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_labels_with_fractions_are_refused(dtype):
    for work in (mmip.encode, lambda array, **more: mmip.write_zarr(array, {}, **more)):
        with pytest.raises(InvalidArgument, match="labels=True"):
            work(VOLUME.astype(dtype) + 0.5, labels=True)


@pytest.mark.parametrize("dtype", ["u4", "i4", "u8", "?"])
def test_labels_of_any_width_are_exact(dtype):
    array = (VOLUME // 1000).astype(dtype)
    assert (mmip.decode(mmip.encode(array, labels=True)) == array).all()
    store = {}
    mmip.write_zarr(array, store, labels=True)
    found = mmip.open_zarr(store)[...]
    assert (found == array).all()
    assert found.dtype == ("u1" if dtype == "?" else dtype)


def test_the_codecs_keep_labels_and_their_mark():
    array = zarr.create_array({}, data=VOLUME, chunks=(8, 32, 32), serializer=Mmip(labels=True), compressors=None)
    assert (array[...] == VOLUME).all()
    assert array.serializer.to_dict()["configuration"] == {"labels": True}
    assert (array[3, 5:9] == VOLUME[3, 5:9]).all()
    codec = MmipV2(labels=True)
    assert mmip.inspect(codec.encode(VOLUME))["loss"]["labels"]
    assert (codec.decode(codec.encode(VOLUME)) == VOLUME).all()


def said(work):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        work()
    return [str(one.message) for one in found if one.category is MmipWarning and "labels=True" in str(one.message)]


@pytest.mark.parametrize(
    ("array", "count"),
    [
        (VOLUME, 1),
        ((VOLUME > 4000).astype("u1"), 1),
        (cells((64, 64), count=30), 1),
        (np.pad(VOLUME, 30), 1),
        (mmip.phantom3d((16, 64, 64)), 0),
        (RNG.integers(0, 9, (64, 64)).astype("u1"), 0),
        (RNG.poisson(0.2, (128, 128)).astype("u1"), 0),
        (np.zeros((64, 64), "u1"), 0),
    ],
)
def test_what_looks_like_labels_is_said(array, count):
    assert len(said(lambda: mmip.encode(array, quality=10))) == count
    assert len(said(lambda: mmip.write_zarr(array, {}, quality=10, progress=False))) == count
    assert said(lambda: mmip.encode(array, labels=True)) == []
    codec = Mmip(quality=10)
    assert len(said(lambda: zarr.create_array({}, data=array, serializer=codec, compressors=None))) >= count


def test_the_command(tmp_path, capsys):
    np.save(tmp_path / "a.npy", VOLUME)
    for command in (["encode", "a.npy", "-o", "a.mmip"], ["compress", "a.npy", "a.zarr"]):
        arguments = [command[0], *(str(tmp_path / name) if "." in name else name for name in command[1:])]
        assert main([*arguments, "--labels"]) == 0
        assert "target labels" in capsys.readouterr().out
    for command, name in (("decode", "a.mmip"), ("extract", "a.zarr")):
        out = tmp_path / f"{command}.npy"
        assert main([command, str(tmp_path / name), "-o", str(out), "--scale", "4"]) == 0
        assert np.isin(np.load(out), VOLUME).all()
        assert main([command, str(tmp_path / name), "-o", str(tmp_path / "b.npy"), "--stages", "2"]) == 2
        assert main(["evaluate", str(tmp_path / "a.npy"), str(tmp_path / name)]) == 0
    assert main(["encode", str(tmp_path / "a.npy"), "-o", str(tmp_path / "b.mmip"), "--labels", "--quality", "9"]) == 2


@pytest.mark.parametrize("options", [{}, {"axes": "tyx"}])
@pytest.mark.parametrize("array", [VOLUME, VOLUME[:1, :3, :5], VOLUME[:17, 3:, 1:60]], ids=["whole", "raw", "part"])
def test_the_reference_takes_the_same_samples(array, options):
    blob = mmip.encode(array, labels=True, **options)
    for scale in (1, 2, 4, 8):
        assert np.array_equal(reference.decode(blob, scale=scale), mmip.decode(blob, scale=scale))
