"""Jobs that begin at the same time: exactly one holds the store, on every kind of store, however slow it answers."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from helpers.claim_jobs import JOBS, ROUNDS, SECONDS, Slow, left_behind, outcome, process_contends
from zarr.storage import FsspecStore, MemoryStore

from mmip_gpu.errors import StoreError
from mmip_gpu.store.group import claim as claims
from mmip_gpu.store.group.zarr_group import StoreGroup


def one_of(found: list[str]) -> bool:
    return sorted(found) == ["held"] + ["refused"] * (len(found) - 1)


def threads_contend(where: Callable[[], Any], rounds: int) -> None:
    for number in range(rounds):
        store = where()
        place = StoreGroup(store, read_only=False)
        if number % 2:
            left_behind(place)
        barrier, found = threading.Barrier(JOBS, timeout=SECONDS), []

        def job(store: Any = store, barrier: Any = barrier, found: list[str] = found) -> None:
            own = StoreGroup(store, read_only=False)
            barrier.wait()
            found.append(outcome(own, barrier.wait))

        jobs = [threading.Thread(target=job) for _ in range(JOBS)]
        for thread in jobs:
            thread.start()
        for thread in jobs:
            thread.join()
        assert one_of(found), (number, found)
        assert not [name for name in place.names() if name.startswith(claims.CLAIM)]


def test_threads_on_a_store_in_memory():
    store = MemoryStore()
    threads_contend(lambda: store, ROUNDS)


def test_threads_on_a_store_that_is_slow():
    threads_contend(lambda: Slow(MemoryStore()), 10)


def test_threads_on_an_object_store(bucket):
    url, _ = bucket
    threads_contend(lambda: f"{url}/a.zarr", 4)


def test_keys_of_others_are_listed_although_a_client_keeps_listings(bucket):
    url, options = bucket
    clients = [options | {"default_fill_cache": own} for own in (False, True)]  # other options, another client
    places = [StoreGroup(FsspecStore.from_url(f"{url}/a", storage_options=own), read_only=False) for own in clients]
    for number in range(3):
        places[number % 2].write_key(f"{number}.json", b"1")
        assert all(len(place.names()) == number + 1 for place in places)


def test_processes_on_a_folder(tmp_path):
    spawning = multiprocessing.get_context("spawn")
    barrier, outcomes = spawning.Barrier(JOBS), spawning.Queue()
    given = (tmp_path / "a.zarr", barrier, outcomes)
    jobs = [spawning.Process(target=process_contends, args=given) for _ in range(JOBS)]
    for job in jobs:
        job.start()
    found: dict[int, list[str]] = {}
    for _ in range(JOBS * ROUNDS):
        number, result = outcomes.get(timeout=SECONDS)
        found.setdefault(number, []).append(result)
    for job in jobs:
        job.join(SECONDS)
    assert all(map(one_of, found.values())), found
    assert not list((tmp_path / "a.zarr").iterdir())


def test_a_sign_of_life_that_comes_late_does_not_bring_a_claim_back(tmp_path, monkeypatch):
    place = StoreGroup(tmp_path, read_only=False)
    with claims.claimed(place) as slept:
        monkeypatch.setattr(claims, "_is_stale", lambda facts: True)
        with claims.claimed(place) as taken:
            assert slept.key is not None
            place.write_key(slept.key + claims._SIGN, b"0")
            with pytest.raises(StoreError, match="claim of this job ended"):
                slept.check()
            monkeypatch.undo()
            with pytest.raises(StoreError, match="another job writes here"), claims.claimed(place):
                pass
            taken.check()
    assert not list(tmp_path.iterdir())


def test_jobs_of_a_clock_that_is_ahead(tmp_path, monkeypatch):
    place = StoreGroup(tmp_path, read_only=False)
    now = time.time_ns()
    monkeypatch.setattr(claims.time, "time_ns", lambda: now + 10**11)
    with claims.claimed(place):
        monkeypatch.undo()
        started = time.monotonic()
        with pytest.raises(StoreError, match="another job writes here"), claims.claimed(place):
            pass
        assert time.monotonic() - started < 5  # it sees that the other holds the store, not that it might withdraw
