"""Stores whose blocks are predicted: every way in and out, what is damaged, and what is refused."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.damage import with_crc
from helpers.edges import edges
from helpers.stores import CountingStore, buffer, chunk_bytes, keys_of
from numpy.typing import NDArray
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.errors import CorruptData, InvalidArgument, StoreError
from mmip_gpu.transform.chunk import encode_chunk

SHAPE, CHUNKS = (20, 150, 290), (16, 96, 160)
VOLUME = edges(SHAPE, 1)
VOLUME[16:, 96:, 160:] = 1000  # a chunk where there is nothing to predict
OPTIONS: dict[str, Any] = {"qstep": 30, "effort": 3, "cell_depth": 1, "chunks": CHUNKS, "progress": False}
FLAGS = 12 + 5 * 3 + 30 + 9  # offset of `flags` in the header of an array of three axes


def written(source: Any = VOLUME, **options: Any) -> MemoryStore:
    store = MemoryStore()
    mmip.write_zarr(source, store, **(OPTIONS | options))
    return store


@pytest.fixture(scope="module")
def predicted() -> MemoryStore:
    return written(prediction=True)


def flags(store: MemoryStore) -> dict[tuple[int, ...], bool]:
    """Whether each chunk has predictions, by its coordinates."""
    volume = mmip.open_zarr(store)
    return {at: volume.record(at)["config"]["prediction"] for at in volume.grid.coordinates()}


def config_of(store: Any) -> dict[str, Any]:
    found: dict[str, Any] = dict(zarr.open_group(store, mode="r").attrs["mmip"])  # type: ignore[arg-type]
    return found


# --- written


@pytest.mark.parametrize("effort", [2, 3])
def test_chunks_are_those_of_the_plan_and_smaller(effort: int) -> None:
    store, plain = (written(prediction=on, effort=effort) for on in (True, False))
    report, other = mmip.open_zarr(store).report, mmip.open_zarr(plain).report
    assert report["plan"]["prediction"] is True
    assert other["plan"]["prediction"] is False
    assert report["bytes"] < 0.99 * other["bytes"]
    assert "prediction" not in config_of(plain)["description"]
    assert not any(flags(plain).values())
    found = flags(store)
    assert found.pop((0, 1, 1, 1)) is False
    assert all(found.values())
    volume = mmip.open_zarr(store)
    for at in volume.grid.coordinates():
        part = volume.grid.region(at)
        encoded = encode_chunk(VOLUME[part], volume._store.description.plan, allow_raw=False)
        assert np.array_equal(volume[part], mmip.decode(encoded.to_bytes()))


def test_effort_3_tries_it_and_others_do_not() -> None:
    assert any(flags(written()).values())
    assert not any(flags(written(effort=2)).values())
    assert not any(flags(written(cell_depth=8)).values())


@pytest.mark.parametrize("threads", [1, 3])
def test_bytes_do_not_depend_on_threads_or_on_what_was_there(predicted: MemoryStore, threads: int) -> None:
    store, expected = written(prediction=True, threads=threads), chunk_bytes(predicted)
    assert chunk_bytes(store) == expected
    for name in ("chunk", "stage_2"):
        del store._store_dict[keys_of(store, name)[1]]
    mmip.write_zarr(VOLUME, store, prediction=True, **OPTIONS)
    assert chunk_bytes(store) == expected


CASES: dict[str, dict[str, Any]] = {
    "a PSNR": {"qstep": None, "psnr": 44},
    "quality": {"qstep": None, "quality": 20},
    "a ratio": {"qstep": None, "ratio": 30},
    "stages": {"stages": 5},
    "regions": {"roi": "threshold:2000", "roi_quality": "lossless"},
    "a bound": {"qstep": None, "max_error": 9, "stages": 3},
    "padding": {"padding": 900},
    "float32": {"step": 0.5},
    "channels": {"axes": "czyx", "qstep": None, "psnr": 45},
    "times": {"axes": "tzyx"},
    "colour": {"axes": "zyxc", "colour": True},
}


def source_of(name: str) -> NDArray[Any]:
    samples = edges((5, 100, 170), 2)
    samples[:, :40, :50] = 900
    if name in ("channels", "times"):
        return np.stack([samples, samples // 3])
    if name == "colour":
        return np.stack([samples, samples // 2, samples // 3], -1)
    return samples.astype(np.float32) / 8 if name == "float32" else samples


@pytest.mark.parametrize("name", CASES)
def test_all_targets_and_axes(name: str) -> None:
    samples, options = source_of(name), {k: v for k, v in (OPTIONS | CASES[name]).items() if v is not None}
    store = MemoryStore()
    report = mmip.write_zarr(samples, store, prediction=True, **(options | {"chunks": (16, 96, 96)}))
    assert any(flags(store).values())
    volume = mmip.open_zarr(store)
    error = np.abs(volume[...].astype(np.float64) - samples)
    assert report["loss"]["max_error"] >= error.max() - 1e-6
    assert mmip.verify_zarr(store, progress=False)["ok"]
    rng = np.random.default_rng(1)
    for scale, stages in ((1, None), (1, 2), (2, None), (4, 2), (8, 1)):
        part = mmip.open_zarr(store, scale=scale, stages=stages)
        whole = part[...]
        region = tuple(slice(*sorted(rng.integers(0, n + 1, 2).tolist())) for n in part.shape)
        assert np.array_equal(part[region], whole[region])


def test_a_psnr_is_reached_by_a_finer_part(monkeypatch: pytest.MonkeyPatch) -> None:
    from mmip_gpu.store.job import step_survey

    found = step_survey.surveyed_plan

    def coarse(plan: Any, *rest: Any) -> Any:
        right = found(plan, *rest)
        return right.with_step(right.background_step * 1.03)

    monkeypatch.setattr("mmip_gpu.store.job.job_reader.surveyed_plan", coarse)
    store, options = MemoryStore(), OPTIONS | {"chunks": (16, 32, 32)}
    del options["qstep"]
    report = mmip.write_zarr(VOLUME, store, prediction=True, psnr=44, **options)
    assert report["loss"]["psnr"] >= 44
    assert config_of(store)["description"]["prediction"] is True
    assert "finer" in config_of(store)["description"]
    assert mmip.verify_zarr(store, progress=False)["ok"]


# --- read


def test_regions_of_few_bytes() -> None:
    """Of stages that are large only the head and the sub-streams of a region are read, and 1 and 2 come with k."""
    samples = edges((16, 512, 512), 5) + np.random.default_rng(0).integers(0, 90, (16, 512, 512)).astype(np.uint16)
    store = written(samples, prediction=True, qstep=20, chunks=samples.shape)
    whole, rng = mmip.open_zarr(store)[...], np.random.default_rng(2)
    sizes = {key: len(data) for key, data in chunk_bytes(store).items()}
    for scale, stages in product((1, 2, 4), (2, None)):
        full = mmip.open_zarr(store, scale=scale, stages=stages)[...]
        for _ in range(2):
            counting = CountingStore(store)
            start = [int(rng.integers(0, n - 3)) for n in full.shape]
            region = tuple(slice(s, s + 3) for s in start)
            part = mmip.open_zarr(counting, scale=scale, stages=stages, keep_bytes=0)[region]
            assert np.array_equal(part, full[region])
            assert sum(counting.counts.values()) < 0.5 * sum(sizes[key] for key in counting.counts)
            names = {key.split("/")[0] for key in counting.counts}
            wanted = 2 if scale == 4 or stages == 2 else 3
            assert names == {"chunk", *(f"stage_{k}" for k in range(1, wanted + 1))}
    assert np.array_equal(mmip.open_zarr(store).upgrade()[...], whole)


def test_bytes_needed_and_copies(predicted: MemoryStore, tmp_path: Path) -> None:
    for stages in (1, 2, 3):
        counting = CountingStore(predicted)
        volume = mmip.open_zarr(counting, stages=stages, keep_bytes=0)
        found = volume[...]
        assert volume.bytes_needed == sum(counting.counts.values())
        copy = tmp_path / f"{stages}.zarr"
        mmip.fetch_zarr(predicted, copy, stages=stages)
        assert np.array_equal(mmip.open_zarr(copy)[...], found)
    mmip.upgrade_zarr(tmp_path / "1.zarr", source=predicted)
    assert np.array_equal(mmip.open_zarr(tmp_path / "1.zarr")[...], mmip.open_zarr(predicted)[...])


def test_stage_arrays_are_read_without_records(predicted: MemoryStore) -> None:
    """Column 0 of stage 2 has the predictions; what is read is written back to the same bytes."""
    group = zarr.open_group(predicted, mode="r")
    modes: Any = group["stage_2"]
    assert (modes[..., 0] >= 256).any()
    assert np.array_equal(modes[0, 3:9, 5:11, 2:9], modes[...][0, 3:9, 5:11, 2:9])
    copy = MemoryStore()
    copied = zarr.create_array(
        copy, shape=modes.shape, chunks=modes.chunks, dtype=modes.dtype, serializer=modes.serializer, compressors=None,
        fill_value=modes.fill_value,
    )  # fmt: skip
    copied[...] = modes[...]
    for key, data in chunk_bytes(copy).items():
        assert data == chunk_bytes(predicted)[f"stage_2/{key}"]


def test_views(predicted: MemoryStore, tmp_path: Path) -> None:
    volume = mmip.open_zarr(predicted)
    mmip.export_ome_zarr(predicted, tmp_path / "a", progress=False)
    for number, scale in enumerate((1, 2, 4)):
        level: Any = zarr.open_array(tmp_path / "a" / str(number), mode="r")
        assert np.array_equal(level[...], mmip.open_zarr(predicted, scale=scale)[...])
    pytest.importorskip("dask")
    assert np.array_equal(volume.dask().compute(scheduler="threads"), volume[...])
    pytest.importorskip("xarray")
    assert np.array_equal(volume.xarray().values, volume[...])


# --- grown, checked, repaired


def test_growing_and_repairing(tmp_path: Path) -> None:
    place = tmp_path / "a.zarr"
    mmip.write_zarr(VOLUME[:16], place, prediction=True, **OPTIONS)
    mmip.append_zarr(VOLUME[16:], place, progress=False)
    assert np.array_equal(mmip.open_zarr(place)[...], mmip.open_zarr(written(prediction=True))[...])
    (place / "stage_2/c/0/0/1/0/0").write_bytes(b"damaged")
    assert not mmip.verify_zarr(place, progress=False)["ok"]
    assert mmip.repair_zarr(place, VOLUME, progress=False)["repaired"] == [[0, 0, 1, 0]]
    assert mmip.verify_zarr(place, progress=False)["ok"]


# --- damaged and refused


def with_flags(record: bytes, value: int) -> bytes:
    """The record with other flags in its header, all crcs renewed."""
    size = int.from_bytes(record[6:8], "little")
    header = bytearray(record[:size])
    header[FLAGS] = value
    return with_crc(bytes(header)) + record[size:]


@pytest.mark.parametrize(("at", "value"), [((0, 0, 0, 0), 0), ((0, 1, 1, 1), 2)], ids=["not announced", "announced"])
def test_a_record_that_disagrees_with_stage_2(at: tuple[int, ...], value: int) -> None:
    store = written(prediction=True)
    key = "chunk/c/" + "/".join(map(str, (*at, 0)))
    record = store._store_dict[key].to_bytes()
    assert record[FLAGS] == 2 - value
    store._store_dict[key] = buffer(with_flags(record, value))
    region = mmip.open_zarr(store).grid.region(at)
    with pytest.raises(CorruptData, match=rf"chunk {tuple(at)}".replace("(", r"\(").replace(")", r"\)")):
        mmip.open_zarr(store)[region]
    assert mmip.open_zarr(store, stages=1)[region].size  # which knows no prediction
    assert not mmip.verify_zarr(store, progress=False)["ok"]


def test_a_record_with_predictions_in_a_store_without() -> None:
    store = written(prediction=True, cuts=(12,))
    data = json.loads(store._store_dict["zarr.json"].to_bytes())
    del data["attributes"]["mmip"]["description"]["prediction"]
    store._store_dict["zarr.json"] = buffer(json.dumps(data).encode())
    key = keys_of(store, "chunk")[0]
    store._store_dict[key] = buffer(with_flags(store._store_dict[key].to_bytes(), 2))
    with pytest.raises(CorruptData, match="not one of a chunk of this shape and plan"):
        mmip.open_zarr(store)[0, 0, 0]


@pytest.mark.parametrize(
    "changes",
    [{"prediction": 1}, {"prediction": "yes"}, {"tile_log2": [2, 3, 4]}, {"reversible": [1], "steps": [[256]]}],
    ids=str,
)
def test_attributes_that_cannot_be(changes: dict[str, Any]) -> None:
    store = written(prediction=True)
    data = json.loads(store._store_dict["zarr.json"].to_bytes())
    data["attributes"]["mmip"]["description"] |= changes
    store._store_dict["zarr.json"] = buffer(json.dumps(data).encode())
    with pytest.raises(CorruptData, match="prediction"):
        mmip.open_zarr(store)


@pytest.mark.parametrize("options", [{"effort": 1}, {"cell_depth": 8}, {"prediction": "yes"}], ids=str)
def test_bad_options(options: dict[str, Any]) -> None:
    store = MemoryStore()
    with pytest.raises(InvalidArgument, match="prediction"):
        mmip.write_zarr(VOLUME, store, **(OPTIONS | {"prediction": True} | options))
    assert not store._store_dict


def test_another_choice_is_another_job(predicted: MemoryStore) -> None:
    with pytest.raises(StoreError):
        mmip.write_zarr(VOLUME, predicted, prediction=False, **OPTIONS)
