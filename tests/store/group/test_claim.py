"""A store is claimed by one job at a time."""

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
from helpers.phantom_stores import NAME, SMALL

import mmip_gpu as mmip
from mmip_gpu import verify_zarr
from mmip_gpu.errors import StoreError
from mmip_gpu.store.group import claim as claims
from mmip_gpu.store.group.zarr_group import StoreGroup


@pytest.fixture
def store(tmp_path) -> Path:
    mmip.write_zarr(NAME, tmp_path / "a.zarr", **SMALL)
    return tmp_path / "a.zarr"


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


@pytest.mark.parametrize("facts", [b"", b"{", b'{"host": "a", "proc', b"\0" * 200])
@pytest.mark.parametrize("sign", [None, b"", b"17", b"\0" * 20])
def test_a_claim_that_a_loss_of_power_tore_expires(tmp_path, facts, sign):
    for age, holds in ((claims._STALE_SECONDS + 60, False), (10, True)):
        store = tmp_path / str(age)
        store.mkdir()
        name = f"mmip-claim-{int((time.time() - age) * 1e9):020d}-{'0' * 32}"
        (store / f"{name}.json").write_bytes(facts)
        if sign is not None:
            (store / f"{name}.alive").write_bytes(sign)
        if holds and sign != b"17":  # a sign of life of 1970 is an old one
            with pytest.raises(StoreError, match="another job writes here"):
                mmip.write_zarr(NAME, store, **SMALL)
        else:
            assert mmip.write_zarr(NAME, store, **SMALL)["complete"]
            assert not list(store.glob("mmip-claim*"))


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
