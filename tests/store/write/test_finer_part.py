"""A PSNR that a first pass misses: a part of the chunks is coded finer, and the store stays one that all tools take."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.stores import textured
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.errors import CorruptData, StoreError
from mmip_gpu.store.group.finer import PARTS, FinerPart, part_of
from mmip_gpu.store.group.staged_form import StagedForm
from mmip_gpu.store.job import step_survey

VOLUME = textured((32, 160, 200))
PSNR = 48.0
OPTIONS: dict[str, Any] = {"psnr": PSNR, "effort": 1, "chunks": (16, 32, 32), "progress": False}


@pytest.fixture(autouse=True)
def misled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that are a little too coarse."""
    found = step_survey.surveyed_plan

    def coarse(plan: Any, *rest: Any) -> Any:
        right = found(plan, *rest)
        return right.with_step(right.background_step * 1.03)

    monkeypatch.setattr("mmip_gpu.store.job.job_reader.surveyed_plan", coarse)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    mmip.write_zarr(VOLUME, tmp_path / "a.zarr", **OPTIONS)
    return tmp_path / "a.zarr"


def chunk_files(path: Path) -> dict[str, bytes]:
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file() and "c" in f.parts}


def description(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = zarr.open_group(path, mode="r").attrs["mmip"]["description"]  # type: ignore[index,call-overload,assignment]
    return found


def test_a_part_is_coded_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    coded, encode = 0, StagedForm.encode

    def counted(*arguments: Any) -> Any:
        nonlocal coded
        coded += 1
        return encode(*arguments)

    monkeypatch.setattr(StagedForm, "encode", counted)
    report = mmip.write_zarr(VOLUME, tmp_path / "a.zarr", **OPTIONS)
    assert PSNR <= report["loss"]["psnr"] < PSNR + 0.3
    assert report["loss"]["reached"] == report["loss"]["psnr"]
    assert report["plan"]["attempt"] == 1
    assert report["chunk_count"] < coded < 1.5 * report["chunk_count"]
    volume = mmip.open_zarr(tmp_path / "a.zarr")
    error = volume[...].astype(np.float64) - VOLUME
    peak = float(VOLUME.max()) - float(VOLUME.min())
    assert 10 * np.log10(peak**2 / (error**2).mean()) == pytest.approx(report["loss"]["psnr"])
    finer = description(tmp_path / "a.zarr")["finer"]
    for at, record in volume.records():
        expected = finer["steps"] if part_of(at) < finer["parts"] else description(tmp_path / "a.zarr")["steps"]
        assert record["config"]["steps"] == [[s / 256 for s in row] for row in expected]
    assert mmip.verify_zarr(tmp_path / "a.zarr", progress=False)["ok"]


@pytest.mark.parametrize("options", [{"threads": 1}, {"threads": 3}, {"device": "cpu", "durable": False}], ids=str)
def test_bytes_do_not_depend_on_threads(store: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    mmip.write_zarr(VOLUME, tmp_path / "b.zarr", **OPTIONS, **options)
    assert chunk_files(tmp_path / "b.zarr") == chunk_files(store)


def test_what_is_missing_is_written_as_it_was(store: Path) -> None:
    before = chunk_files(store)
    finer = FinerPart((), description(store)["finer"]["parts"])
    grid = mmip.open_zarr(store).grid
    inside = next(at for at in grid.coordinates() if finer.holds(at))
    outside = next(at for at in grid.coordinates() if not finer.holds(at))
    for at in (inside, outside):
        (store / "chunk/c" / "/".join(map(str, at)) / "0").unlink()
    repaired = mmip.repair_zarr(store, VOLUME, progress=False)["repaired"]
    assert sorted(repaired) == sorted([list(inside), list(outside)])
    assert chunk_files(store) == before
    for at in (inside, outside):
        (store / "chunk/c" / "/".join(map(str, at)) / "0").unlink()
    mmip.write_zarr(VOLUME, store, **OPTIONS)
    assert chunk_files(store) == before


def test_a_job_that_was_killed_goes_on(store: Path, tmp_path: Path) -> None:
    """The attributes of a second pass, and chunks of both."""
    before, report = chunk_files(store), mmip.open_zarr(store).report
    group = zarr.open_group(store)
    found: Any = dict(group.attrs["mmip"])  # type: ignore[arg-type]
    group.attrs["mmip"] = {key: value for key, value in found.items() if key != "report"} | {"state": "writing"}
    assert not mmip.open_zarr(store).report["complete"]
    again = mmip.write_zarr(VOLUME, store, **OPTIONS)
    assert again["complete"]
    assert again["loss"] == report["loss"]
    assert chunk_files(store) == before


def test_what_is_appended_belongs_to_the_part_too(store: Path) -> None:
    report = mmip.append_zarr(VOLUME[:16], store, progress=False)
    assert report["loss"]["psnr"] >= PSNR
    assert mmip.verify_zarr(store, progress=False)["ok"]
    finer = description(store)["finer"]
    steps = {part_of(at) < finer["parts"]: r["config"]["steps"] for at, r in mmip.open_zarr(store).records()}
    assert steps[True] != steps[False]
    assert mmip.open_zarr(store).shape == (48, 160, 200)


def test_stages_scales_and_copies_of_such_a_store(store: Path, tmp_path: Path) -> None:
    volume = mmip.open_zarr(store)
    whole = volume[...]
    assert np.array_equal(volume[5:20, 30:70, 100:], whole[5:20, 30:70, 100:])
    assert volume.at(stages=1, scale=8)[...].shape[1:] == (20, 25)
    copy = tmp_path / "copy.zarr"
    mmip.fetch_zarr(store, copy, stages=volume.stages, progress=False)
    assert np.array_equal(mmip.open_zarr(copy)[...], whole)
    columns = np.asarray(zarr.open_array(store / "stage_1", mode="r")[...])  # type: ignore[index]
    assert (columns[..., 1] != -1).any()


DAMAGED: list[Any] = [
    {},
    7,
    {"parts": 3},
    *({"steps": [[300]], "parts": parts} for parts in (0, PARTS + 1, "3")),
    *({"steps": steps, "parts": 3} for steps in ([[1]], [[300, 300]], [[300], [300]], [["x"]], 4)),
]


@pytest.mark.parametrize("finer", DAMAGED, ids=str)
def test_damaged_parts_are_refused(store: Path, finer: Any) -> None:
    path = store / "zarr.json"
    document = json.loads(path.read_text())
    document["attributes"]["mmip"]["description"]["finer"] = finer
    path.write_text(json.dumps(document))
    with pytest.raises((CorruptData, StoreError)):
        mmip.open_zarr(store)


def test_chunks_of_another_part_are_damage(store: Path, tmp_path: Path) -> None:
    shutil.copytree(store, tmp_path / "b.zarr")
    path = tmp_path / "b.zarr/zarr.json"
    document = json.loads(path.read_text())
    document["attributes"]["mmip"]["description"]["finer"]["parts"] = PARTS
    path.write_text(json.dumps(document))
    with pytest.raises(CorruptData, match="not one of a chunk of this shape and plan"):
        mmip.open_zarr(tmp_path / "b.zarr")[...]


def test_classes_share_their_steps(tmp_path: Path) -> None:
    """Indices of stage 1 are predicted across classes by the ratio of their steps: all is written again."""
    report = mmip.write_zarr(VOLUME, MemoryStore(), roi="threshold:800", **OPTIONS)
    assert report["loss"]["psnr"] >= PSNR
    assert report["plan"]["attempt"] >= 1
    assert len(report["plan"]["steps"]) == 2
