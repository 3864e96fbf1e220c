"""Jobs on a Dask cluster: parts of it die, and the job ends whole or says what is missing."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
from typing import Any

import pytest
from helpers.cluster_sources import FullStore, Volume
from helpers.clusters import CHUNKS, ENVIRONMENT, NAME, SHAPE, SMALL, Cluster, met, records, wait_for
from helpers.phantom_stores import chunk_bytes
from zarr.storage import LocalStore

import mmip_gpu as mmip
from mmip_gpu import verify_zarr
from mmip_gpu.errors import StoreError

distributed = pytest.importorskip("distributed")


def test_a_worker_that_is_killed(cluster, client, expected, tmp_path):
    report = mmip.write_zarr(met("kill", tmp_path), tmp_path / "a.zarr", client=client, **SMALL)
    assert (tmp_path / "met").exists()
    assert report["complete"]
    assert chunk_bytes(tmp_path / "a.zarr") == expected
    cluster.add_worker()


def test_a_result_that_died_with_its_worker_is_waited_for_again(client, expected, tmp_path, monkeypatch):
    lost = []

    class LosesOne(distributed.as_completed):
        def next_batch(self, block: bool = True) -> Any:
            batch = super().next_batch(block)
            if not lost:
                lost.append(batch[0][0])
                lost[0]._state.lose()  # as the client does when the scheduler says so
            return batch

        def add(self, future: Any) -> None:
            super().add(future)
            if future in lost:
                self.loop.add_callback(future._state.finish)  # it ran again

    monkeypatch.setattr(distributed, "as_completed", LosesOne)
    assert mmip.write_zarr(NAME, tmp_path / "a.zarr", client=client, **SMALL)["complete"]
    assert len(lost) == 1
    assert chunk_bytes(tmp_path / "a.zarr") == expected


def test_a_chunk_that_fails_is_named_and_the_others_are_done(client, expected, tmp_path):
    store = tmp_path / "a.zarr"
    with pytest.raises(StoreError, match=r"1 chunks failed.*chunk \(0, 1, 1, 0\): .*a bad sector"):
        mmip.write_zarr(met("raise", tmp_path), store, client=client, **SMALL)
    assert records(store) == CHUNKS - 1
    volume = mmip.open_zarr(store)
    assert not volume.report["complete"]
    with pytest.raises(StoreError, match=r"chunk \(0, 1, 1, 0\) is missing"):
        volume[16, 32, 0]
    before = {p: p.stat().st_mtime_ns for p in store.rglob("c/**/*")}
    (tmp_path / "mended").touch()
    assert mmip.write_zarr(met("raise", tmp_path), store, client=client, **SMALL)["complete"]
    assert chunk_bytes(store) == expected
    assert all(p.stat().st_mtime_ns == at for p, at in before.items() if p.is_file())


@pytest.mark.parametrize(
    ("asked", "at"), [({}, (16, 32, 0)), ({"psnr": 50, "quality": None}, (0, 0, 0))], ids=["coding", "looking"]
)
def test_an_interrupted_client(cluster, client, tmp_path, asked, at):
    options = SMALL | asked
    code = f"""
        import distributed, os, sys
        import mmip_gpu as mmip
        from helpers.cluster_sources import Volume
        source = Volume({SHAPE}, sys.argv[1], "wait", {at}, os.getpid())
        with distributed.Client(scheduler_file=sys.argv[2]) as client:
            mmip.write_zarr(source, sys.argv[1] + "/a.zarr", client=client, **{options})
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path), str(cluster.file)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE)
    wait_for((tmp_path / "met").exists)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    assert b"KeyboardInterrupt" in errors
    store = tmp_path / "a.zarr"
    assert not list(store.glob("mmip-claim*"))
    assert records(store) < CHUNKS
    if asked:
        assert not list(store.iterdir())
        return
    assert not mmip.open_zarr(store).report["complete"]
    assert mmip.write_zarr(met("wait", tmp_path), store, client=client, **options)["complete"]
    assert verify_zarr(store)["ok"]


def test_jobs_at_once_on_workers_that_go_and_come(expected, tmp_path):
    reports = {}

    def job(name: str) -> None:
        reports[name] = mmip.write_zarr(Volume(SHAPE, pause=0.05), tmp_path / name, client=client, **SMALL)

    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        jobs = [threading.Thread(target=job, args=(name,)) for name in ("a", "b")]
        for thread in jobs:
            thread.start()
        wait_for(lambda: records(tmp_path / "a") and records(tmp_path / "b"))
        cluster.scale(0)
        wait_for(lambda: not client.nthreads())
        assert any(thread.is_alive() for thread in jobs)
        cluster.scale(1)
        for thread in jobs:
            thread.join()
    for name in ("a", "b"):
        assert reports[name]["complete"]
        assert chunk_bytes(tmp_path / name) == expected


def test_a_scheduler_that_is_lost(expected, tmp_path):
    first = Cluster(tmp_path)
    store = tmp_path / "a.zarr"
    try:
        first.add_worker()
        lost = threading.Thread(target=lambda: (wait_for((tmp_path / "met").exists), first.scheduler.kill()))
        lost.start()
        with distributed.Client(scheduler_file=str(first.file), set_as_default=False, timeout=1) as client:
            client.wait_for_workers(1, timeout=30)
            with pytest.raises(StoreError, match="cluster was lost"):
                mmip.write_zarr(met("wait", tmp_path, (16, 0, 32)), store, client=client, **SMALL)
        lost.join()
    finally:
        first.close()
    kept = records(store)
    assert 0 < kept < CHUNKS
    second = Cluster(tmp_path)
    try:
        second.add_worker()
        with second.client() as client:
            before = {p: p.stat().st_mtime_ns for p in store.rglob("chunk/c/**/*")}
            report = mmip.write_zarr(met("wait", tmp_path, (16, 0, 32)), store, client=client, **SMALL)
    finally:
        second.close()
    assert report["complete"]
    assert chunk_bytes(store) == expected
    assert sum(p.stat().st_mtime_ns == at for p, at in before.items() if p.is_file()) == kept


def test_a_full_store(client, expected, tmp_path):
    full = FullStore(LocalStore(tmp_path / "a.zarr"))
    with pytest.raises(StoreError, match=r"4 chunks failed.*chunk \(0, 1, 0, 0\): .*No space left"):
        mmip.write_zarr(NAME, full, client=client, **SMALL)
    assert records(tmp_path / "a.zarr") == CHUNKS - 4
    assert mmip.write_zarr(NAME, tmp_path / "a.zarr", client=client, **SMALL)["complete"]
    assert chunk_bytes(tmp_path / "a.zarr") == expected
