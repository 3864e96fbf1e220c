"""Jobs on a Dask cluster of real processes: equal bytes and bounded work."""

from __future__ import annotations

import os
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from helpers.cluster_sources import OnDevice, noted_block, phantom_block
from helpers.clusters import CHUNKS, NAME, SHAPE, SMALL
from helpers.edges import edges
from helpers.phantom_stores import chunk_bytes

import mmip_gpu as mmip
from mmip_gpu import repair_zarr, verify_zarr
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.errors import StoreError
from mmip_gpu.store.group.claim import Claim
from mmip_gpu.store.group.records import ChunkStore, Totals
from mmip_gpu.store.group.zarr_group import StoreGroup
from mmip_gpu.store.job import survey
from mmip_gpu.store.job.job import Job
from mmip_gpu.store.job.job_reader import described_job
from mmip_gpu.store.job.task_samples import TaskSamples
from mmip_gpu.store.job.tasks import WriteChunk
from mmip_gpu.store.run import cluster_runner as cluster_module
from mmip_gpu.store.run import device_runner
from mmip_gpu.volume.phantoms import phantom3d
from numcodecs_plugin import Mmip, MmipV2

distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")

import dask_jobs  # noqa: E402

numcodecs.register_codec(MmipV2)  # as its entry point does where the package is installed
zarr.registry.register_codec("mmip", Mmip)

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


def test_predicted_chunks_are_those_of_one_process(client, tmp_path):
    options = SMALL | {"effort": 2, "prediction": True, "chunks": (8, 96, 96)}
    np.save(tmp_path / "a.npy", edges((16, 150, 150), 1))
    mmip.write_zarr(tmp_path / "a.npy", tmp_path / "here", **options)
    mmip.write_zarr(tmp_path / "a.npy", tmp_path / "there", client=client, **options)
    assert chunk_bytes(tmp_path / "there") == chunk_bytes(tmp_path / "here")
    assert mmip.verify_zarr(tmp_path / "there", client=client, progress=False)["ok"]
    assert mmip.open_zarr(tmp_path / "there").record((0, 0, 0, 0))["config"]["prediction"]


def test_the_bytes_are_those_of_one_process(client, expected, tmp_path, capsys):
    report = mmip.write_zarr(NAME, tmp_path / "a.zarr", client=client, **(SMALL | {"progress": True}))
    assert report["complete"]
    assert chunk_bytes(tmp_path / "a.zarr") == expected
    assert sum(worker["chunks"] for worker in report.pop("workers").values()) == CHUNKS
    assert report.pop("seconds") > 0
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


def test_blocks_of_a_device_are_brought_to_the_host(expected, tmp_path):
    volume = phantom3d(SHAPE)
    job = Job.of(volume, mmip.EncodeSettings.of(quality=20), chunks=(16, 32, 32))
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


def test_the_model_is_the_longer_of_coding_and_handing_out():
    rate = {"study": "scaling", "workers": 1, "mb_s_worker": 50.0}
    for cost_ms, seconds in ((1.0, 2000.0), (10.0, 1e13 / 2**23 / 4 * 0.01)):
        task = {"study": "tasks", "chunks_a_task": 1, "serial_ms_chunk": cost_ms}
        assert dask_jobs.model([rate, task])["seconds"] == pytest.approx(seconds)
