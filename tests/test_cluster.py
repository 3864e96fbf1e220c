"""Jobs on a Dask cluster of real processes: equal bytes, bounded work, and what happens when parts of it die."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import tifffile
import zarr
from zarr.storage import LocalStore, MemoryStore, ZipStore

import mmip_gpu as mmip
from mmip_gpu.device import HostExecutor
from mmip_gpu.errors import InvalidArgument, MissingResource, StoreError
from mmip_gpu.sources import open_source
from mmip_gpu.store import repair_zarr, verify_zarr
from mmip_gpu.store.group import grid
from mmip_gpu.store.group.claim import Claim
from mmip_gpu.store.group.records import ChunkStore, Totals
from mmip_gpu.store.group.zarr_group import StoreGroup
from mmip_gpu.store.job import survey
from mmip_gpu.store.job.job import Job
from mmip_gpu.store.job.job_reader import described_job
from mmip_gpu.store.job.task_samples import TaskSamples
from mmip_gpu.store.job.tasks import WriteChunk
from mmip_gpu.store.run import cluster_runner as cluster_module
from mmip_gpu.store.run import cluster_survey, device_runner
from mmip_gpu.store.run.pickling import pickled, unpickled
from mmip_gpu.volume.phantoms import phantom3d
from numcodecs_plugin import Mmip, MmipV2

distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")

import dask_jobs  # noqa: E402
from cluster_sources import FullStore, OnDevice, Volume, hide_package, noted_block, phantom_block, show_package  # noqa: E402  # workers import it by this name, too

numcodecs.register_codec(MmipV2)  # as its entry point does where the package is installed
zarr.registry.register_codec("mmip", Mmip)

ROOT = Path(mmip.__file__).parents[1]
SHAPE = (40, 64, 64)
NAME = "phantom3d:40x64x64"
SMALL: dict[str, Any] = {"quality": 20, "chunks": (16, 32, 32), "progress": False}
CHUNKS = 12
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"}


class Cluster:
    """A scheduler and workers, each a process of its own on loopback."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        self.file.unlink(missing_ok=True)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
        wait_for(self.file.exists)
        self.workers: list[subprocess.Popen[bytes]] = []

    def add_worker(self) -> None:
        self.workers.append(self._start("worker", "--no-nanny", "--nthreads", "1", "--death-timeout", "20"))

    def _start(self, kind: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--no-dashboard"]
        command += ["--scheduler-file", str(self.file), *options]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=quiet, stderr=quiet)
        self.processes.append(process)
        return process

    def client(self) -> Any:
        return distributed.Client(scheduler_file=str(self.file), set_as_default=False)

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    found = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        for _ in range(2):
            found.add_worker()
        yield found
    finally:
        found.close()


@pytest.fixture
def client(cluster) -> Iterator[Any]:
    with cluster.client() as found:
        found.wait_for_workers(2, timeout=30)
        yield found


@pytest.fixture(scope="module")
def expected() -> dict[str, bytes]:
    found = MemoryStore()
    mmip.write_zarr(NAME, found, **SMALL)
    return {k: v.to_bytes() for k, v in found._store_dict.items() if "/c/" in k}


def chunk_bytes(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file() and "/c/" in p.as_posix())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def records(folder: Path) -> int:
    return sum(key.startswith("chunk/") for key in chunk_bytes(folder))


# --- the codecs in Dask's own arrays


@pytest.mark.parametrize(
    "options",
    [
        {"serializer": Mmip(max_error=3, effort=1), "compressors": None},
        {"compressors": MmipV2(max_error=3, effort=1), "filters": None, "zarr_format": 2},
    ],
    ids=["v3", "v2"],
)
@pytest.mark.filterwarnings("ignore:The input Dask array will be rechunked")
def test_dask_writes_and_reads_arrays_of_the_codecs(client, tmp_path, options):
    lazy = da.map_blocks(phantom_block, SHAPE, chunks=da.core.normalize_chunks((16, 32, 32), SHAPE), dtype=np.uint16)
    place = tmp_path / "a.zarr"
    target = zarr.create_array(place, shape=SHAPE, chunks=(16, 32, 32), dtype=np.uint16, **options)
    client.compute(lazy.to_zarr(target, compute=False), sync=True)
    inverted = da.from_zarr(place).map_blocks(np.invert)
    found = ~client.compute(inverted, sync=True)
    assert np.abs(found.astype(int) - phantom3d(SHAPE)).max() <= 3
    assert (found == zarr.open_array(place, mode="r")[...]).all()


# --- what is written


def test_the_bytes_are_those_of_one_process(client, expected, tmp_path, capsys):
    report = mmip.write_zarr(NAME, tmp_path / "a.zarr", client=client, **(SMALL | {"progress": True}))
    assert report["complete"]
    assert chunk_bytes(tmp_path / "a.zarr") == expected
    assert sum(worker["chunks"] for worker in report.pop("workers").values()) == CHUNKS
    assert report == mmip.open_zarr(tmp_path / "a.zarr").report
    assert not list((tmp_path / "a.zarr").glob("mmip-claim*"))
    shown = capsys.readouterr().err
    assert "dashboard: http" in shown
    assert "12/12" in shown
    again = mmip.write_zarr(NAME, tmp_path / "a.zarr", client=client, **SMALL)
    assert again["bytes"] == report["bytes"]


def test_sources_that_workers_open(client, expected, tmp_path):
    volume = phantom3d(SHAPE)
    np.save(tmp_path / "a.npy", volume)
    stored = zarr.create_array(tmp_path / "in.zarr", data=volume, chunks=(7, 64, 64))
    sources = {
        "path": tmp_path / "a.npy",
        "mapped": np.load(tmp_path / "a.npy", mmap_mode="r"),
        "zarr": stored,
        "small": volume[:, :, :].copy(),
    }
    for name, source in sources.items():
        mmip.write_zarr(source, tmp_path / f"{name}.out", client=client, **SMALL)
        assert chunk_bytes(tmp_path / f"{name}.out") == expected, name


@pytest.mark.filterwarnings("ignore:the blocks of the Dask array")
@pytest.mark.parametrize("chunks", [(16, 32, 32), (9, 50, 64)], ids=["aligned", "across"])
def test_a_dask_array_is_read_by_its_keys(client, expected, tmp_path, chunks):
    chunks = da.core.normalize_chunks(chunks, SHAPE)
    lazy = da.map_blocks(phantom_block, SHAPE, chunks=chunks, dtype=np.uint16)
    mmip.write_zarr(lazy, tmp_path / "a.zarr", client=client, **SMALL)
    assert chunk_bytes(tmp_path / "a.zarr") == expected


def test_a_block_that_holds_chunks_is_computed_once(client, expected, tmp_path):
    def computed(name: str, blocks: Any, store: str) -> list[str]:
        (tmp_path / name).mkdir()
        chunks = da.core.normalize_chunks(blocks, SHAPE)
        given = (SHAPE, str(tmp_path / name), os.getpid())
        lazy = da.map_blocks(noted_block, *given, chunks=chunks, dtype=np.uint16, meta=np.empty((0, 0, 0), np.uint16))
        mmip.write_zarr(lazy, tmp_path / store, client=client, **SMALL)
        assert chunk_bytes(tmp_path / store) == expected
        return [p.name.rpartition(" ")[0] for p in (tmp_path / name).iterdir()]

    once = computed("whole", (16, 64, 64), "a.zarr")
    assert len(once) == len(set(once)) == 3
    (tmp_path / "a.zarr/chunk/c/0/1/0/0/0").unlink()
    assert computed("resumed", (16, 64, 64), "a.zarr") == ["(1, 0, 0)"]
    with pytest.warns(RuntimeWarning, match=r"\(20, 40, 64\), do not hold .* \(16, 32, 32\): .* [3-9]\.\d times"):
        often = computed("across", (20, 40, 64), "b.zarr")
    assert len(often) > len(set(often)) == 4


def test_regions_of_interest(client, tmp_path):
    volume = phantom3d(SHAPE)
    np.save(tmp_path / "mask.npy", volume > 9000)
    mask = np.load(tmp_path / "mask.npy", mmap_mode="r")
    channels = np.stack([volume[0, ..., None], volume[1, ..., None]], axis=-2)[..., 0]
    lazy = da.from_array(channels, chunks=(32, 32, 1))
    cases = [(NAME, mask, {}), (lazy, "threshold:9000", {"axes": "yxc", "colour": False, "chunks": (32, 32)})]
    for source, roi, options in cases:
        stores = [tmp_path / f"{roi is mask}{kind}" for kind in "ab"]
        for store, where in zip(stores, (None, client), strict=True):
            mmip.write_zarr(source, store, roi=roi, client=where, **(SMALL | options))
        assert chunk_bytes(stores[0]) == chunk_bytes(stores[1])


@pytest.mark.filterwarnings("ignore:the blocks of the Dask array")
@pytest.mark.parametrize("asked", [{"psnr": 50, "verify": False}, {"quality": 20, "roi": "otsu"}], ids=str)
def test_whole_arrays_are_looked_through_by_the_workers(client, tmp_path, monkeypatch, asked):
    monkeypatch.setitem(grid._DEFAULT_LENGTHS, 3, {"z": 16, "y": 32, "x": 64})
    options = {"chunks": (16, 32, 32), "progress": False} | asked
    mmip.write_zarr(NAME, tmp_path / "alone", **options)
    lazy = da.map_blocks(phantom_block, SHAPE, chunks=da.core.normalize_chunks((16, 50, 64), SHAPE), dtype=np.uint16)
    for name, source in {"by pieces": NAME, "by blocks": lazy}.items():
        monkeypatch.setattr(cluster_survey, "surveyed_here", None)
        mmip.write_zarr(source, tmp_path / name, client=client, **options)
        assert chunk_bytes(tmp_path / name) == chunk_bytes(tmp_path / "alone"), name
    bad = Volume(SHAPE, str(tmp_path), "raise", (16, 32, 0), os.getpid())
    with pytest.raises(StoreError, match=r"looked through on the worker tcp:.*: .*a bad sector"):
        mmip.write_zarr(bad, tmp_path / "bad", client=client, **options)


@pytest.mark.filterwarnings("ignore:the blocks of the Dask array")
def test_masks_are_looked_through_by_the_workers(client, tmp_path, monkeypatch):
    monkeypatch.setitem(grid._DEFAULT_LENGTHS, 3, {"z": 16, "y": 32, "x": 64})
    mask = (phantom3d(SHAPE) > 9000).astype(np.uint8)
    np.save(tmp_path / "a.npy", mask)
    tifffile.imwrite(tmp_path / "a.tif", mask)
    lazy = da.map_blocks(phantom_block, SHAPE, chunks=da.core.normalize_chunks((9, 50, 64), SHAPE), dtype=np.uint16)
    masks = {
        "small": mask,
        "mapped": np.load(tmp_path / "a.npy", mmap_mode="r"),
        "zarr": zarr.create_array(tmp_path / "in.zarr", data=mask > 0, chunks=(7, 64, 64)),
        "file": tmp_path / "a.tif",
        "dask": lazy > 9000,
    }
    for name, where in {"alone": None, **dict.fromkeys(masks, client)}.items():
        options = SMALL | {"roi": masks.get(name, mask), "roi_quality": 60}
        mmip.write_zarr(NAME, tmp_path / name, client=where, **options)
        assert chunk_bytes(tmp_path / name) == chunk_bytes(tmp_path / "alone"), name
        jobs = [zarr.open_group(tmp_path / store).attrs["mmip"]["job"] for store in (name, "alone")]
        assert jobs[0] == jobs[1]
        monkeypatch.setattr(cluster_survey, "surveyed_here", None)
    sizes = []
    results = cluster_module.ClusterRunner.results

    def counted(*args: Any) -> Iterator[Any]:
        for result in results(*args):
            sizes.append(len(pickle.dumps(result)))
            yield result

    monkeypatch.setattr(cluster_module.ClusterRunner, "results", counted)
    mmip.write_zarr(lazy, tmp_path / "both", client=client, **(SMALL | {"roi": lazy > 9000, "roi_quality": 60}))
    assert chunk_bytes(tmp_path / "both") == chunk_bytes(tmp_path / "alone")
    assert len(sizes) == 10 + CHUNKS
    assert max(sizes) < 2000
    (tmp_path / "both/chunk/c/0/2/0/0/0").unlink()
    assert repair_zarr(tmp_path / "both", lazy, roi=lazy > 9000, client=client)["repaired"] == [[0, 2, 0, 0]]
    with pytest.raises(InvalidArgument, match=r"expected classes 0\.\.7, found 0\.\.[1-9]"):
        mmip.write_zarr(NAME, tmp_path / "bad", client=client, **(SMALL | {"roi": lazy // 100}))


def test_blocks_of_a_device_are_brought_to_the_host(expected, tmp_path):
    volume = phantom3d(SHAPE)
    job = Job.of(volume, {"quality": 20}, roi=None, axes=None, colour=None, chunks=(16, 32, 32), data_range=None)
    _, description = described_job(job, 1, survey.surveyed_here)
    at = (0, 1, 0, 1)
    region = description.grid.region(at)
    task = WriteChunk(ChunkStore(StoreGroup(tmp_path / "a", read_only=False), description), job, Claim(None, None))
    given = TaskSamples(tuple(s.start for s in region), OnDevice(volume[region]))  # type: ignore[arg-type]
    found = task.with_samples(samples=given).encoded(at)
    assert found.payloads == task.encoded(at).payloads


def test_few_tasks_are_under_way_and_each_is_small(client, tmp_path, monkeypatch):
    most, under_way, sizes, groups = 0, 0, [], []
    submit, add = cluster_module._ChunkTasks.__call__, Totals.add

    def submitted(self: Any, group: Any) -> Any:
        nonlocal most, under_way
        under_way += 1
        most = max(most, under_way)
        groups.append(len(group))
        sizes.append(len(self._data))
        return submit(self, group)

    def added(*args: Any) -> None:
        nonlocal under_way
        under_way -= 1
        add(*args)

    monkeypatch.setattr(cluster_module._ChunkTasks, "__call__", submitted)
    monkeypatch.setattr(Totals, "add", added)
    monkeypatch.setattr(cluster_module, "_SAMPLES_OF_A_TASK", 2**14)
    mmip.write_zarr("phantom3d:80x96x96", tmp_path / "a.zarr", client=client, **SMALL)
    assert groups == [1] * 45
    assert most == 2 * cluster_module._TASKS_PER_THREAD
    assert max(sizes) < 10_000
    groups.clear()
    monkeypatch.setattr(cluster_module, "_SAMPLES_OF_A_TASK", 2**15)
    monkeypatch.setattr(cluster_module, "_TASKS_OF_A_JOB", 1)
    mmip.write_zarr(NAME, tmp_path / "b.zarr", client=client, **SMALL)
    assert groups == [2] * (CHUNKS // 2)


@pytest.mark.parametrize("kind", ["path", "dask"])
def test_stores_are_checked_and_repaired_there(client, expected, tmp_path, kind):
    lazy = da.map_blocks(phantom_block, SHAPE, chunks=((20, 20), (64,), (64,)), dtype=np.uint16)
    mmip.write_zarr(NAME, tmp_path / "a.zarr", client=client, **SMALL)
    (tmp_path / "a.zarr/stage_2/c/0/1/1/0/0").write_bytes(b"damaged")
    (tmp_path / "a.zarr/chunk/c/0/2/0/0/0").unlink()
    found = verify_zarr(tmp_path / "a.zarr", client=client)
    assert [(c["chunk"], c["state"]) for c in found["chunks"]] == [([0, 1, 1, 0], "damaged"), ([0, 2, 0, 0], "missing")]
    fixed = repair_zarr(tmp_path / "a.zarr", NAME if kind == "path" else lazy, client=client)
    assert fixed["ok"]
    assert fixed["repaired"] == [[0, 1, 1, 0], [0, 2, 0, 0]]
    assert chunk_bytes(tmp_path / "a.zarr") == expected


def test_workers_code_on_their_device(expected, tmp_path, monkeypatch):
    coded = []

    class Counting(HostExecutor):
        def launch(self, kernel: str, **values: int) -> None:
            coded.append(kernel)
            super().launch(kernel, **values)

    monkeypatch.setattr(device_runner, "CudaExecutor", Counting)
    lazy = da.map_blocks(phantom_block, SHAPE, chunks=((16, 16, 8), (64,), (64,)), dtype=np.uint16)
    options = SMALL | {"effort": 1, "cell_depth": 8, "padding": None}
    mmip.write_zarr(NAME, tmp_path / "cpu", **options)
    with distributed.Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0") as here:
        for name, source in (("path", NAME), ("dask", lazy)):
            coded.clear()
            mmip.write_zarr(source, tmp_path / name, client=here, device="gpu", **options)
            assert sum(kernel.startswith("analyze") for kernel in coded) >= 3  # batches: one for each block
            assert chunk_bytes(tmp_path / name) == chunk_bytes(tmp_path / "cpu")


def test_workers_without_a_device(client, tmp_path):
    with pytest.raises(StoreError, match=r"chunk \(0, 0, 0, 0\): BackendUnavailable"):
        mmip.write_zarr(NAME, tmp_path / "a.zarr", client=client, device="gpu", **SMALL)


# --- what is refused


def test_what_workers_cannot_reach(client, tmp_path):
    large = np.zeros((16, 256, 256), np.uint16)
    with ZipStore(tmp_path / "a.zip", mode="w") as pickled:
        zarr.create_array(pickled, data=phantom3d(SHAPE))
    pickled = ZipStore(tmp_path / "a.zip")
    for source, place, options in (
        (large, tmp_path / "a", {}),
        (NAME, MemoryStore(), {}),
        (zarr.open_array(pickled, mode="r"), tmp_path / "d", {}),
        ("phantom3d:17x256x256", tmp_path / "b", {"roi": np.ones((17, 256, 256), np.uint8)}),
        (Unpicklable(), tmp_path / "c", {}),
    ):
        with pytest.raises(InvalidArgument, match=r"array of|shared|sent"):
            mmip.write_zarr(source, place, client=client, **(SMALL | options))
    assert not list(tmp_path.rglob("zarr.json"))


class Unpicklable:
    shape, dtype = (16, 32, 32), np.dtype(np.uint8)

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __getitem__(self, key: Any) -> np.ndarray:
        return np.zeros(self.shape, np.uint8)[key]


def test_clients_that_are_none(tmp_path, monkeypatch):
    for bad in (0, -1, True, 1.5, [1]):
        with pytest.raises(InvalidArgument, match="client"):
            mmip.write_zarr(NAME, tmp_path / "a", client=bad, **SMALL)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingResource, match="dask"):
        mmip.write_zarr(NAME, tmp_path / "a", client=2, **SMALL)


def test_workers_of_another_version_or_without_the_package_are_named(client, tmp_path, monkeypatch):
    first, second = client.scheduler_info()["workers"]

    with monkeypatch.context() as other:
        other.setattr("mmip_gpu.store.run.workers.__version__", "99.0")
        other.setattr("mmip_gpu.store.run.pickling.__version__", "99.0")
        with pytest.raises(StoreError, match=rf"needs mmip_gpu 99\.0.*worker {first}: .*; worker {second}: "):
            mmip.write_zarr(NAME, tmp_path / "a.zarr", client=client, **SMALL)
        data = pickled(NAME)
    with pytest.raises(StoreError, match=rf"process {os.getpid()}, has mmip_gpu .*, the job 99\.0"):
        unpickled(data)
    client.run(hide_package, workers=[second])
    try:
        with pytest.raises(StoreError, match=rf"found worker {second}: ModuleNotFoundError"):
            mmip.write_zarr(NAME, tmp_path / "a.zarr", client=client, **SMALL)
    finally:
        client.run(show_package, workers=[second])
    assert not (tmp_path / "a.zarr").exists()


def test_a_worker_that_finds_other_data_says_so(client, tmp_path):
    np.save(tmp_path / "a.npy", phantom3d(SHAPE))
    source = open_source(tmp_path / "a.npy")
    os.utime(tmp_path / "a.npy", (1, 1))
    with pytest.raises(StoreError, match="other data than the job"):
        mmip.write_zarr(source, tmp_path / "a.zarr", client=client, **SMALL)


# --- faults


def met(event: str, folder: Path, at: tuple[int, int, int] = (16, 32, 0)) -> Volume:
    return Volume(SHAPE, str(folder), event, at, os.getpid())


def test_a_worker_that_is_killed(cluster, client, expected, tmp_path):
    report = mmip.write_zarr(met("kill", tmp_path), tmp_path / "a.zarr", client=client, **SMALL)
    assert (tmp_path / "met").exists()
    assert report["complete"]
    assert chunk_bytes(tmp_path / "a.zarr") == expected
    cluster.add_worker()


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
        from cluster_sources import Volume
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


def wait_for(condition: Any) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_model_is_the_longer_of_coding_and_handing_out():
    rate = {"study": "scaling", "workers": 1, "mb_s_worker": 50.0}
    for cost_ms, seconds in ((1.0, 2000.0), (10.0, 1e13 / 2**23 / 4 * 0.01)):
        task = {"study": "tasks", "chunks_a_task": 1, "serial_ms_chunk": cost_ms}
        assert dask_jobs.model([rate, task])["seconds"] == pytest.approx(seconds)


def test_a_dask_array_of_unknown_shape():
    lazy = da.arange(10, chunks=5, dtype=np.uint8)
    with pytest.raises(InvalidArgument, match=r"compute_chunk_sizes\(\)"):
        open_source(lazy[lazy > 3])
