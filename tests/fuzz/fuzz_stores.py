"""Fuzzes the readers of stores: python tests/fuzz/fuzz_stores.py [--count N] [--seed S] [--first I]

Each round damages a store (values of its attributes, bytes of its files, files that are gone, grown or folders) and
reads, verifies, repairs, copies, completes or exports it. Only the error kinds of mmip_gpu may come out, in time and in
bounded memory; what is read whole after a repair must be the source.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

TESTS = Path(__file__).parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    sys.path.append(str(TESTS.parent))  # behind an installed package

from helpers.single_stores import jpeg_image  # noqa: E402

import mmip_gpu as mmip  # noqa: E402
from fuzz.damaged import command, damaged, damaged_json, rounds  # noqa: E402
from mmip_gpu.sources import open_source  # noqa: E402

SHAPE = (12, 40, 48)
VOLUME = mmip.phantom3d(SHAPE)
QUIET: dict[str, Any] = {"progress": False, "threads": 1}
STORES: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "quality": (VOLUME, {"quality": 10}),
    "bounded": (VOLUME, {"max_error": 40, "stages": 3}),
    "bounded samples": (VOLUME, {"max_error": 40, "effort": 1}),
    "lossless": (VOLUME, {"lossless": True, "stages": 3}),
    "region": (VOLUME, {"quality": 10, "roi": "threshold:9000", "roi_quality": "lossless"}),
    "float": (VOLUME.astype(np.float32) / 8, {"qstep": 30.0, "step": 0.5}),
    "fast": (VOLUME, {"lossless": True}),
    "small": (np.concatenate([jpeg_image((64, 48)), VOLUME[0].astype(np.uint8)]), {"lossless": "small", "chunks": 32}),
    "labels": (VOLUME.astype(np.uint64) // 1000 << np.uint64(40), {"labels": True}),
    "colour": (np.stack([VOLUME[0] >> 8] * 3, -1).astype(np.uint8), {"psnr": 40.0, "axes": "yxc"}),
}
FILES_OF_JSON = ("zarr.json",)


def templates(folder: Path) -> list[Path]:
    """Whole stores, and a copy of one that has its first stage."""
    made = []
    for name, (array, options) in STORES.items():
        chunks = {"chunks": (8, 32, 32)} if array.ndim == 3 and "axes" not in options else {}
        mmip.write_zarr(array, folder / name, **options, **chunks, **QUIET)
        made.append(folder / name)
    mmip.fetch_zarr(made[0], folder / "copy", stages=1, **QUIET)
    return [*made, folder / "copy"]


def damage(store: Path, random: Random) -> None:
    """One or two files of a store: other values or bytes, gone, grown, or a folder."""
    changed: set[Path] = set()
    for _ in range(random.randint(1, 2)):
        files = sorted(path for path in store.rglob("*") if path.is_file() and path not in changed)
        texts = [path for path in files if path.name in FILES_OF_JSON]
        path = random.choice(texts if random.random() < 0.6 else files)
        changed.add(path)
        action = random.random()
        if path in texts and action < 0.7:
            path.write_text(damaged_json(path.read_text(), random))
        elif action < 0.8:
            path.write_bytes(damaged(path.read_bytes(), random))
        elif action < 0.9:
            path.unlink()
        elif action < 0.95:
            os.truncate(path, random.choice((0, 3, 1 << 20, 1 << 36)))
        else:
            path.unlink()
            path.mkdir()


def read(store: Path, whole: Path, random: Random) -> str:
    """Whole, in part, by stages and at a scale: what is read of a damaged store is what the whole one has."""
    options = {"scale": random.choice((1, 1, 2, 8)), "stages": random.choice((None, 1, 2)), "threads": 1}
    found, true = mmip.open_zarr(store, **options), mmip.open_zarr(whole, **options)
    region: Any = tuple(slice(n // 3, n) for n in true.shape) if random.random() < 0.5 else ...
    assert np.array_equal(found[region], true[region])
    return "read"


def repaired(store: Path, source: np.ndarray) -> str:
    """Repair, and what is read then where the store says that it is whole."""
    mmip.repair_zarr(store, source, **QUIET)
    found = mmip.verify_zarr(store, **QUIET)
    assert not found["chunks"], found["chunks"]
    return "repaired"


def one_round(stores: list[Path], folder: Path, random: Random) -> str:
    """What became of one damaged store."""
    template = random.choice(stores)
    source, options = STORES.get(template.name, STORES["quality"])
    work, target = folder / "work", folder / "target"
    for path in (work, target):
        shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(template, work)
    damage(work, random)
    action = random.choice(("read", "read", "verify", "repair", "export", "fetch", "upgrade", "source", "resume"))
    if action == "read":
        return read(work, template, random)
    if action == "verify":
        mmip.verify_zarr(work, **QUIET)
    elif action == "repair":
        return repaired(work, source)
    elif action == "export":
        mmip.export_ome_zarr(work, target, **QUIET)
    elif action == "fetch":
        mmip.fetch_zarr(work, target, stages=random.choice((1, None)), **QUIET)
    elif action == "upgrade":
        mmip.upgrade_zarr(work, **QUIET)
    elif action == "source":
        opened = open_source(work)
        opened.read(tuple(slice(0, min(n, 4)) for n in opened.shape))
    else:
        mmip.write_zarr(source, work, **options, **QUIET)
    return action


def fuzz(seed: int, first: int, count: int) -> Counter[str]:
    """Outcomes and how often each was seen."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        return rounds(partial(one_round, templates(folder), folder), seed, first, count)


if __name__ == "__main__":
    sys.exit(command(__doc__, fuzz))
