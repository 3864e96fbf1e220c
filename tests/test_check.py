"""Stores are checked and repaired, and claimed by one job at a time."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.cli import main
from mmip_gpu.errors import CorruptData, InvalidArgument, StoreError, UnsupportedVersion
from mmip_gpu.store import repair_zarr, verify_zarr
from mmip_gpu.store.group import claim as claims
from mmip_gpu.store.group.zarr_group import StoreGroup
from mmip_gpu.volume.phantoms import phantom3d

NAME = "phantom3d:40x64x64"
SMALL: dict[str, Any] = {"quality": 20, "chunks": (16, 32, 32), "threads": 2, "progress": False}
BROKEN = {"chunk": [0, 1, 1, 0], "region": [[16, 32], [32, 64], [0, 32]]}
KEY = "c/0/1/1/0/0"


def chunk_bytes(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file() and "/c/" in p.as_posix())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


@pytest.fixture
def store(tmp_path) -> Path:
    mmip.write_zarr(NAME, tmp_path / "a.zarr", **SMALL)
    return tmp_path / "a.zarr"


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 16
    path.write_bytes(data)


# --- checking


def test_a_whole_store(store):
    before = {p: p.stat().st_mtime_ns for p in store.rglob("*")}
    found = verify_zarr(store)
    nothing: dict[str, Any] = {"chunks": [], "arrays": [], "report": []}
    assert found == {"ok": True, "complete": True, "chunk_count": 12} | nothing
    assert {p: p.stat().st_mtime_ns for p in store.rglob("*")} == before


@pytest.mark.parametrize("name", ["chunk", "stage_1", "stage_2", "stage_3"])
def test_every_byte_of_a_chunk_is_checked_and_repaired(store, name):
    expected = chunk_bytes(store)
    path = store / name / KEY
    size = path.stat().st_size
    for at in [0, 9, size // 3, size // 2, size - 1]:
        flip(path, at)
        found = verify_zarr(store)
        assert not found["ok"]
        assert [{k: c[k] for k in BROKEN} for c in found["chunks"]] == [BROKEN]
        assert found["chunks"][0]["state"] == "damaged"
        assert found["chunks"][0]["problem"]
        fixed = repair_zarr(store, NAME)
        assert fixed["ok"]
        assert fixed["repaired"] == [BROKEN["chunk"]]
        assert chunk_bytes(store) == expected


def test_what_is_missing_is_named_and_recoded(store):
    expected = chunk_bytes(store)
    (store / "chunk" / KEY).unlink()
    (store / "stage_2/c/0/0/0/1/0").unlink()
    (store / "stage_3/c/0/2/0/0/0").write_bytes(b"")
    found = verify_zarr(store, threads=1)
    assert [(c["chunk"], c["state"]) for c in found["chunks"]] == [
        ([0, 0, 0, 1], "missing"),
        ([0, 1, 1, 0], "missing"),
        ([0, 2, 0, 0], "damaged"),
    ]
    assert "stage_2 not found" in found["chunks"][0]["problem"]
    assert len(repair_zarr(store, NAME)["repaired"]) == 3
    assert chunk_bytes(store) == expected
    assert repair_zarr(store, NAME)["repaired"] == []


def test_a_missing_array_and_a_changed_report(store):
    expected = mmip.open_zarr(store).report
    (store / "stage_2/zarr.json").unlink()
    found = verify_zarr(store)
    assert not found["ok"]
    assert "stage_2" in found["arrays"][0]
    assert repair_zarr(store, NAME)["ok"]
    group = zarr.open_group(store, mode="r+")
    attributes: dict[str, Any] = dict(group.attrs["mmip"])  # type: ignore[arg-type]
    attributes["report"]["loss"]["psnr"] = 99.0
    attributes["report"]["bytes"] -= 1
    group.update_attributes({"mmip": attributes})
    found = verify_zarr(store)
    assert [line.split(":")[0] for line in found["report"]] == ["bytes", "loss"]
    assert repair_zarr(store, NAME)["ok"]
    assert mmip.open_zarr(store).report == expected


ALL = ("chunk", "stage_1", "stage_2", "stage_3")


@pytest.mark.parametrize("names", [ALL, ALL[:1]], ids=["chunks", "records"])
def test_chunks_that_changed_places_are_coded_again(tmp_path, names):
    """Of flat slices all stages are equal, so that the record of another chunk fits them."""
    slices = np.repeat(np.arange(3, dtype=np.uint16), 16)[:40, None, None]
    np.save(tmp_path / "a.npy", np.broadcast_to(slices if names == ALL[:1] else phantom3d((40, 64, 64)), (40, 64, 64)))
    store = tmp_path / "a.zarr"
    mmip.write_zarr(tmp_path / "a.npy", store, **SMALL)
    expected = chunk_bytes(store)
    for name in names:
        one, other = store / name / "c/0/0/0/0/0", store / name / "c/0/1/0/0/0"
        first, second = one.read_bytes(), other.read_bytes()
        one.write_bytes(second)
        other.write_bytes(first)
    assert [chunk["chunk"] for chunk in verify_zarr(store)["chunks"]] == [[0, 0, 0, 0], [0, 1, 0, 0]]
    assert repair_zarr(store, tmp_path / "a.npy")["repaired"] == [[0, 0, 0, 0], [0, 1, 0, 0]]
    assert chunk_bytes(store) == expected


def test_chunks_of_another_store_are_coded_again(tmp_path):
    options = {"lossless": True, "stages": 3, "cell_depth": 1, "padding": None, "chunks": SMALL["chunks"]}
    for name, volume in (("a", phantom3d((40, 64, 64))), ("b", phantom3d((40, 64, 64))[:, ::-1])):
        np.save(tmp_path / f"{name}.npy", volume)
        mmip.write_zarr(tmp_path / f"{name}.npy", tmp_path / name, **options)
    expected, report = chunk_bytes(tmp_path / "a"), mmip.open_zarr(tmp_path / "a").report
    for name in ALL:
        (tmp_path / "a" / name / KEY).write_bytes((tmp_path / "b" / name / KEY).read_bytes())
    assert verify_zarr(tmp_path / "a")["report"]
    with pytest.raises(StoreError, match="not the one that it was written from"):
        repair_zarr(tmp_path / "a", tmp_path / "b.npy")
    assert repair_zarr(tmp_path / "a", tmp_path / "a.npy")["repaired"] == [BROKEN["chunk"]]
    assert chunk_bytes(tmp_path / "a") == expected
    assert mmip.open_zarr(tmp_path / "a").report == report


@pytest.mark.parametrize(
    ("options", "source"),
    [
        ({"psnr": 60, "effort": 1}, NAME),
        ({"ratio": 8}, NAME),
        ({"max_error": 20}, NAME),
        ({"lossless": True, "stages": 3}, NAME),
        ({"quality": 10, "roi": "otsu", "roi_quality": "lossless"}, NAME),
        ({"quality": 10, "cell_depth": 1}, "phantom"),
    ],
    ids=str,
)
def test_the_plan_is_that_of_the_store(options, source, tmp_path):
    chunks = (16, 32, 32) if source == NAME else (256, 256)
    mmip.write_zarr(source, tmp_path / "a", chunks=chunks, **options)
    expected = chunk_bytes(tmp_path / "a")
    for key in list(expected)[::3]:
        (tmp_path / "a" / key).unlink()
    assert repair_zarr(tmp_path / "a", source)["ok"]
    assert chunk_bytes(tmp_path / "a") == expected


def test_a_mask_is_asked_for(tmp_path):
    mask = phantom3d((40, 64, 64)) > 9000
    mmip.write_zarr(NAME, tmp_path / "a", roi=mask, **SMALL)
    expected = chunk_bytes(tmp_path / "a")
    (tmp_path / "a/stage_1" / KEY).unlink()
    with pytest.raises(InvalidArgument, match="roi="):
        repair_zarr(tmp_path / "a", NAME)
    with pytest.raises(StoreError, match="roi: expected"):
        repair_zarr(tmp_path / "a", NAME, roi=~mask)
    assert repair_zarr(tmp_path / "a", NAME, roi=mask)["ok"]
    assert chunk_bytes(tmp_path / "a") == expected


def test_sources_that_are_others(store, tmp_path):
    (store / "stage_1" / KEY).unlink()
    broken = chunk_bytes(store)
    volume = phantom3d((40, 64, 64))
    other = volume.copy()
    other[16:32, 32:, :32] += 500
    with pytest.raises(StoreError, match="shape: expected"):
        repair_zarr(store, volume[1:])
    with pytest.raises(StoreError, match="dtype: expected uint16"):
        repair_zarr(store, volume.astype(np.int16))
    with pytest.raises(StoreError, match=r"chunk \(0, 0, 0, 0\) comes out"):
        repair_zarr(store, volume + 500)
    with pytest.raises(StoreError, match="its record tells"):  # the others are equal, this one is not
        repair_zarr(store, other)
    assert chunk_bytes(store) == broken
    assert repair_zarr(store, volume)["ok"]  # an array of the same samples looks different, and is proven


def test_stores_that_are_not_to_be_checked(store, tmp_path):
    with pytest.raises(StoreError, match="does not exist"):
        verify_zarr(tmp_path / "none")
    with pytest.raises(StoreError, match="found nothing"):
        verify_zarr(MemoryStore())
    group = zarr.open_group(store, mode="r+")
    attributes: dict[str, Any] = dict(group.attrs["mmip"])  # type: ignore[arg-type]
    group.update_attributes({"mmip": attributes | {"state": "writing", "report": None}})
    found = verify_zarr(store)
    assert (found["ok"], found["complete"], found["chunks"]) == (False, False, [])
    with pytest.raises(StoreError, match="did not end"):
        repair_zarr(store, NAME)
    group.update_attributes({"mmip": attributes | {"format_version": 99}})
    with pytest.raises(UnsupportedVersion):
        verify_zarr(store)
    group.update_attributes({"mmip": attributes | {"description": None}})
    with pytest.raises(CorruptData):
        repair_zarr(store, NAME)


def test_the_commands(store, capsys):
    assert main(["verify", str(store)]) == 0
    assert "12 chunks, all whole" in capsys.readouterr().out
    flip(store / "stage_3" / KEY, 40)
    assert main(["verify", str(store)]) == 1
    shown = capsys.readouterr()
    assert "damaged: chunk (0, 1, 1, 0), samples [16:32, 32:64, 0:32]" in shown.out
    assert "1 of 12 chunks" in shown.err
    assert main(["verify", str(store), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["chunks"][0]["chunk"] == [0, 1, 1, 0]
    assert main(["repair", str(store), "--source", "phantom3d:40x64x65"]) == 2
    assert main(["repair", str(store), "--source", NAME]) == 0
    assert "repaired: chunk (0, 1, 1, 0)" in capsys.readouterr().out
    assert main(["repair", str(store), "--source", NAME, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["repaired"] == []


# --- claims


class Waiting:
    """A source whose chunks wait until they may go on."""

    shape, dtype = (40, 64, 64), np.dtype(np.uint16)

    def __init__(self) -> None:
        self.met, self.go = threading.Event(), threading.Event()

    def __getitem__(self, key: Any) -> np.ndarray:
        if threading.current_thread().name.startswith("mmip"):
            self.met.set()
            self.go.wait(20)
        return mmip.Phantom3D(self.shape)[key]


def test_two_writers_at_once(tmp_path):
    source, failures = Waiting(), []

    def first() -> None:
        try:
            mmip.write_zarr(source, tmp_path / "a.zarr", **SMALL)
        except Exception as error:
            failures.append(error)

    writer = threading.Thread(target=first)
    writer.start()
    assert source.met.wait(20)
    expected = rf"another job writes here \(process {os.getpid()} on {socket.gethostname()}, since 20.* UTC"
    for options in ({}, {"overwrite": True}):
        with pytest.raises(StoreError, match=expected):
            mmip.write_zarr(NAME, tmp_path / "a.zarr", **(SMALL | options))
    source.go.set()
    writer.join()
    assert not failures
    assert verify_zarr(tmp_path / "a.zarr")["ok"]
    assert not list((tmp_path / "a.zarr").glob("mmip-claim*"))


@pytest.mark.parametrize(
    "job", [mmip.fetch_zarr, partial(mmip.export_ome_zarr, overwrite=True)], ids=["copy", "export"]
)
def test_copies_and_exports_claim_their_place(store, tmp_path, job):
    where = tmp_path / "b"
    with claims.claimed(StoreGroup(where, read_only=False)), pytest.raises(StoreError, match="another job writes here"):
        job(store, where)
    job(store, where)
    assert not list(where.glob("mmip-claim*"))


def test_a_job_whose_claim_was_taken_over_writes_no_more(tmp_path):
    source, failures = Waiting(), []

    def first() -> None:
        try:
            mmip.write_zarr(source, tmp_path / "a.zarr", **SMALL)
        except StoreError as error:
            failures.append(str(error))

    writer = threading.Thread(target=first)
    writer.start()
    assert source.met.wait(20)
    (path,) = (tmp_path / "a.zarr").glob("mmip-claim*.json")
    path.unlink()
    of_another = tmp_path / "a.zarr/mmip-claim-2.json"
    of_another.touch()
    source.go.set()
    writer.join()
    assert "claim of this job ended" in failures[0]
    assert not list((tmp_path / "a.zarr").rglob("chunk/c/**/0"))
    assert list((tmp_path / "a.zarr").glob("mmip-claim*")) == [of_another]


def left_by(folder: Path, **facts: Any) -> Path:
    """A folder with the claim of a job elsewhere that gave a sign of life now, but for what `facts` say."""
    found = {"host": "elsewhere", "process": 1, "since": time.time() - 1000, "renewed": time.time()} | facts
    (folder / "a.zarr").mkdir(parents=True)
    (folder / "a.zarr/mmip-claim-1.alive").write_text(json.dumps(found.pop("renewed")))
    (folder / "a.zarr/mmip-claim-1.json").write_text(json.dumps(found))
    return folder / "a.zarr"


def test_a_claim_that_was_left(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    long_ago = {"renewed": time.time() - claims._STALE_SECONDS - 1}
    for number, facts in enumerate([claims._own_facts() | {"process": dead.pid}, long_ago]):
        store = left_by(tmp_path / str(number), **facts)
        assert mmip.write_zarr(NAME, store, **SMALL)["complete"]
        assert not list(store.glob("mmip-claim*"))


@pytest.mark.parametrize("facts", [{}, {"renewed": None}, {"process": "?"}], ids=str)
def test_a_claim_that_holds(tmp_path, facts):
    where = left_by(tmp_path, **facts)
    before = sorted(where.iterdir())
    with pytest.raises(StoreError, match=r"another job writes here.*mmip-claim-1\.json"):
        mmip.write_zarr(NAME, where, **SMALL)
    (where / "mmip-claim-1.json").write_text("{")
    with pytest.raises(StoreError, match="another job writes here"):
        mmip.write_zarr(NAME, where, **SMALL)
    assert sorted(where.iterdir()) == before


def test_a_claim_shows_signs_of_life(store, monkeypatch):
    monkeypatch.setattr(claims, "_RENEW_SECONDS", 0.01)
    place = claims.StoreGroup(store, read_only=False)
    with claims.claimed(place) as claim:
        (facts,), (sign,) = store.glob("mmip-claim*.json"), store.glob("mmip-claim*.alive")
        before, end = facts.read_text(), time.monotonic() + 20
        first = second = sign.read_text()
        while second in ("", first):  # the oldest Zarr empties a file before it writes it
            assert time.monotonic() < end
            second = sign.read_text()
        claim.check()
        assert facts.read_text() == before
    assert not list(store.glob("mmip-claim*"))
