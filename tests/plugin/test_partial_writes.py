"""Chunks that are written in part: bounds hold, errors do not grow, and a warning says what it costs."""

import asyncio
import warnings

import numpy as np
import pytest
import zarr
from zarr.core.codec_pipeline import BatchedCodecPipeline
from zarr.registry import register_pipeline

import mmip_gpu as mmip
from mmip_gpu import MmipWarning
from numcodecs_plugin import Mmip, MmipV2


class OneTask(BatchedCodecPipeline):
    """Another pipeline, which works as Zarr's own does."""


class ManyTasks(BatchedCodecPipeline):
    """A pipeline that decodes and encodes in tasks of their own."""

    async def decode_batch(self, chunk_bytes_and_specs):
        return await asyncio.create_task(super().decode_batch(chunk_bytes_and_specs))

    async def encode_batch(self, chunk_arrays_and_specs):
        return await asyncio.create_task(super().encode_batch(chunk_arrays_and_specs))


RNG = np.random.default_rng(0)
VOLUME = (mmip.phantom3d((24, 48, 48)) // 16 + RNG.integers(0, 60, (24, 48, 48))).astype("u2")


def appended(array, volume=VOLUME):
    """The warnings of an array to which planes are appended one by one."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for plane in volume:
            array.append(plane[None])
    return [one for one in said if one.category is MmipWarning]


def empty(codec, shape=(0, 48, 48), dtype="u2", chunks=(8, 24, 48), **options):
    return zarr.create_array({}, shape=shape, dtype=dtype, chunks=chunks, serializer=codec, compressors=None, **options)


def psnr(a, b, peak):
    return 10 * np.log10(peak**2 / ((a.astype(float) - b) ** 2).mean())


@pytest.mark.parametrize("bound", [1, 2, 9])
def test_appending_keeps_the_largest_error(bound):
    array = empty(Mmip(max_error=bound))
    assert appended(array)
    assert abs(array[...].astype(int) - VOLUME).max() <= bound


@pytest.mark.parametrize("options", [{}, {"roi": "threshold:300", "roi_quality": "lossless"}])
def test_appending_keeps_the_psnr_and_regions(options):
    array = empty(Mmip(psnr=45, data_range=4096, **options))
    appended(array)
    assert psnr(array[...], VOLUME, 4096) >= 45
    if options:
        assert (array[...] == VOLUME)[VOLUME >= 300].all()


def test_appending_floats_keeps_the_largest_error():
    volume = (VOLUME / 100).astype("f4")
    array = empty(Mmip(max_error=0.1, step=0.01), dtype="f4")
    assert appended(array, volume)
    assert abs(array[...] - volume.astype(float)).max() <= 0.1 + 1e-6


def test_an_error_does_not_grow_with_each_write():
    array = empty(Mmip(quality=20), (16, 48, 48))
    array[...] = VOLUME[:16]
    first = array[...]
    for turn in range(4):
        array[turn, :4, :4] = 7
    now = array[...]
    same = np.ones(first.shape, bool)
    same[:4, :4, :4] = False
    assert (now == first)[same].all()


@pytest.mark.parametrize("options", [{"ratio": 8}, {"qstep": 30}, {"quality": 30}])
def test_other_targets_keep_what_was_there(options):
    array = empty(Mmip(**options), (8, 48, 48))
    array[...] = VOLUME[:8]
    before = array[4:]
    with pytest.warns(MmipWarning, match="written in part"):
        array[:4] = VOLUME[8:12]
    assert (array[4:] == before).all()


def test_the_record_claims_no_less_than_what_was_lost():
    store = zarr.storage.MemoryStore()
    array = zarr.create_array(
        store, shape=(8, 48, 48), dtype="u2", chunks=(8, 48, 48), serializer=Mmip(max_error=3), compressors=None
    )
    array[...] = VOLUME[:8]
    array[2] = VOLUME[9]
    wanted = VOLUME[:8].astype(int)
    wanted[2] = VOLUME[9]
    loss = mmip.inspect(bytes(store._store_dict["c/0/0/0"].to_bytes()))["loss"]
    assert abs(array[...] - wanted).max() <= loss["max_error"] <= 3
    assert (loss["mode"], loss["requested"], loss["verified"]) == ("max_error", 3, False)


def test_whole_chunks_and_planes_of_shards_are_no_partial_writes():
    array = empty(Mmip(max_error=2), chunks=(1, 48, 48), shards=(8, 48, 48))
    assert appended(array) == []
    assert abs(array[...].astype(int) - VOLUME).max() <= 2
    whole = empty(Mmip(max_error=2))
    with warnings.catch_warnings():
        warnings.simplefilter("error", MmipWarning)
        for start in (0, 8, 16):
            whole.append(VOLUME[start : start + 8])
    assert abs(whole[...].astype(int) - VOLUME).max() <= 2


def test_lossless_arrays_lose_and_say_nothing():
    array = empty(Mmip(lossless=True, stages=3))
    assert appended(array) == []
    assert (array[...] == VOLUME).all()


def test_writing_the_same_again_keeps_the_bytes():
    store = zarr.storage.MemoryStore()
    array = zarr.create_array(store, data=VOLUME[:8], chunks=(8, 48, 48), serializer=Mmip(quality=9), compressors=None)
    before = store._store_dict["c/0/0/0"].to_bytes()
    array[3] = array[3]
    assert store._store_dict["c/0/0/0"].to_bytes() == before


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    ("codec", "dtype"),
    [(MmipV2(max_error=2), "u2"), (MmipV2(max_error=2, endian="big"), ">u2"), (MmipV2(max_error=2, step=1), "f4")],
)
def test_arrays_of_zarr_v2_keep_the_largest_error(codec, dtype, order):
    options = {"zarr_format": 2, "filters": None, "compressors": codec, "order": order}
    array = zarr.create_array({}, shape=(0, 48, 48), dtype=dtype, chunks=(8, 24, 48), **options)
    assert appended(array, VOLUME.astype(dtype))
    assert abs(array[...].astype(float) - VOLUME).max() <= 2


def test_what_numcodecs_decodes_and_another_codec_encodes_is_new():
    blob = MmipV2(quality=5).encode(VOLUME)
    decoded = MmipV2(quality=5).decode(blob)
    with warnings.catch_warnings():
        warnings.simplefilter("error", MmipWarning)
        other = MmipV2(quality=40).encode(decoded)
        changed = MmipV2(quality=5).encode(decoded[:8])
    assert other != blob != changed
    assert mmip.inspect(other)["loss"]["requested"] == 40


@pytest.mark.parametrize("options", [{"chunks": (8, 24, 48), "shards": (16, 48, 48)}, {"chunks": (8, 24, 48)}])
def test_shards_and_codecs_behind_ours(options):
    behind = None if "shards" in options else "auto"
    array = zarr.create_array(
        {}, shape=(0, 48, 48), dtype="u2", serializer=Mmip(max_error=2), compressors=behind, **options
    )
    assert appended(array)
    assert abs(array[...].astype(int) - VOLUME).max() <= 2


def test_what_is_computed_of_a_decoded_chunk_is_new():
    codec = MmipV2(quality=5)
    decoded = codec.decode(codec.encode(VOLUME))
    odd = (np.arange(VOLUME.shape[-1]) % 2).astype(VOLUME.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for computed in (decoded + odd, decoded * odd, np.maximum(decoded, odd * 1000)):
            assert type(computed) is np.ndarray
            assert codec.encode(computed) == codec.encode(np.array(computed))
        assert isinstance(decoded.max(), VOLUME.dtype.type)


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_batches_of_any_size_keep_the_largest_error(batch):
    with zarr.config.set({"codec_pipeline.batch_size": batch}):
        array = empty(Mmip(max_error=2))
        assert appended(array)
        assert abs(array[...].astype(int) - VOLUME).max() <= 2


@pytest.mark.parametrize(("kind", "word"), [(OneTask, "written in part"), (ManyTasks, "this pipeline of Zarr")])
def test_other_pipelines_are_warned_of_where_they_hide_what_is_replaced(kind, word):
    register_pipeline(kind)
    with zarr.config.set({"codec_pipeline.path": f"{kind.__module__}.{kind.__qualname__}"}):
        array = empty(Mmip(max_error=2))
        said = [str(one.message) for one in appended(array)]
        assert any(word in one for one in said)
        exact = empty(Mmip(lossless=True, stages=3))
        assert appended(exact) == []
        assert (exact[...] == VOLUME).all()
        if kind is OneTask:
            assert abs(array[...].astype(int) - VOLUME).max() <= 2
