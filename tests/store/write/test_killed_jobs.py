"""Jobs that were killed in the middle of a write: nothing half-written is read as good, the bytes come out equal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.phantom_stores import chunk_bytes
from helpers.places import TESTS
from helpers.single_stores import KINDS, options_of

import mmip_gpu as mmip
from mmip_gpu.errors import MmipError
from mmip_gpu.store.group.records import ChunkStore
from mmip_gpu.store.group.report import description_of
from mmip_gpu.store.group.zarr_group import StoreGroup

STAGED = np.asarray(mmip.phantom3d((40, 64, 64))), {"quality": 20, "chunks": (16, 32, 32), "threads": 2}
JOBS: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "staged": STAGED,
    **{kind: (array, options_of(kind)) for kind, (array, _) in KINDS.items()},
}
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{Path(mmip.__file__).parents[1]}{os.pathsep}{TESTS}"}
KILLED = """
    import json, os, signal, sys
    import numpy as np
    import mmip_gpu as mmip
    from zarr.storage import LocalStore
    write, left, how = LocalStore.set, [int(sys.argv[2])], sys.argv[3]
    async def dying(self, key, value):
        if "/c/" in key and left[0] == 0:
            path = self.root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            if how == "partial":
                path = path.with_name(path.name + "." + "0" * 32 + ".partial")
            if how != "before":
                path.write_bytes(value.to_bytes()[: len(value) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= "/c/" in key
        await write(self, key, value)
    LocalStore.set = dying
    mmip.write_zarr(np.load("a.npy"), "a.zarr", **json.loads(sys.argv[1]))
"""


@pytest.fixture(scope="module", params=JOBS)
def job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Path]:
    """An array, options, and a store that was written without a stop."""
    array, options = JOBS[request.param]
    whole = tmp_path_factory.mktemp("whole") / "a.zarr"
    mmip.write_zarr(array, whole, **options)
    return array, options, whole


def whole_chunks(place: Path) -> list[Any]:
    group = StoreGroup(place, read_only=True)
    store = ChunkStore(group, description_of(group, group.attributes() or {}))
    return [at for at in store.description.grid.coordinates() if store.whole_header(at) is not None]


@pytest.mark.parametrize(("writes", "how"), [(0, "before"), (5, "torn"), (6, "partial"), (-1, "torn")])
def test_a_killed_job_goes_on(job, writes, how, tmp_path):
    array, options, whole = job
    np.save(tmp_path / "a.npy", array)
    count = len(chunk_bytes(whole))
    arguments = [json.dumps(options), str(writes % count), how]
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), *arguments], cwd=tmp_path, env=ENVIRONMENT, check=False
    )
    assert run.returncode == -signal.SIGKILL
    where = tmp_path / "a.zarr"
    stopped, expected = mmip.open_zarr(where), mmip.open_zarr(whole)[...]
    assert not stopped.report["complete"]
    assert not mmip.verify_zarr(where, progress=False)["ok"]
    kept, grid = whole_chunks(where), stopped.grid
    assert len(kept) <= writes % count
    for at in grid.coordinates():
        region = grid.region(at)
        if at in kept:
            assert (stopped[region] == expected[region]).all()
        else:
            with pytest.raises(MmipError):
                stopped[region]
    assert mmip.write_zarr(array, where, **options)["complete"]
    assert chunk_bytes(where) == chunk_bytes(whole)
    assert not list(where.rglob("*.partial"))
    assert mmip.verify_zarr(where, progress=False)["ok"]
