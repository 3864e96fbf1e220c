"""Bytes and speed of segmentations: ours against crackle, compresso and Blosc with zstd, every result compared.

    python benchmarks/labels.py

The masks are those of the folder of real images, as they are; the connectome is made by seed: 512^3 samples, 4,000
Voronoi cells of anisotropy 4, coordinates warped by smooth noise of 8 voxels, a background shell of 2 between them,
uint64 names with gaps; whole, and in chunks of 128^3. crackle and compresso get their default settings and arrays whose
x is their first axis, which is what they code best. Rates are of one thread in processor time, medians of up to five
runs. Writes results/labels.csv.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from typing import Any

import compresso
import crackle
import numcodecs
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree
from studies import data_folder, run_facts, write_rows

import mmip_gpu as mmip
from mmip_gpu.bench.timing import clocked, median_seconds

CELLS, SIDE, CHUNK = 4000, 512, 128
_ANISOTROPY, _WARP, _WAVE = 4.0, 8.0, 32  # the noise is smooth: one value every 32 voxels, linear between them
_BUDGET = 10.0  # seconds of the runs of one rate; the first touch of memory takes longer than coding

Labels = NDArray[Any]


@dataclass(frozen=True)
class Rival:
    """A codec of labels: an array (.., y, x) with its axes to bytes, and bytes to the array."""

    name: str
    version: str
    encode: Callable[[Labels, str], bytes]
    decode: Callable[[bytes, Labels], Labels]


def _x_first(array: Labels) -> Labels:
    return array.reshape(-1, *array.shape[-2:]).T


def _blosc() -> Rival:
    codec = numcodecs.Blosc("zstd", 5, numcodecs.Blosc.SHUFFLE)
    return Rival(
        "Blosc, zstd 5",
        numcodecs.__version__,
        lambda array, _: bytes(codec.encode(array)),
        lambda data, like: np.frombuffer(codec.decode(data), like.dtype).reshape(like.shape),
    )


def rivals() -> list[Rival]:
    """Ours first."""
    return [
        Rival(
            "mmip",
            mmip.__version__,
            lambda array, axes: mmip.encode(array, labels=True, axes=axes, threads=1),
            lambda data, _: mmip.decode(data, threads=1),
        ),
        Rival(
            "crackle",
            version("crackle-codec"),
            lambda array, _: crackle.compress(_x_first(array), parallel=1),
            lambda data, like: crackle.decompress(data, parallel=1).T.reshape(like.shape),
        ),
        Rival(
            "compresso",
            version("compresso"),
            lambda array, _: compresso.compress(_x_first(array)),
            lambda data, like: compresso.decompress(data).T.reshape(like.shape),
        ),
        _blosc(),
    ]


def connectome(side: int = SIDE, cells: int = CELLS, seed: int = 0) -> Labels:
    """Voronoi cells that were warped, with what lies between them 0."""
    rng = np.random.default_rng(seed)
    tree = cKDTree(rng.uniform(0, side, (cells, 3)) * (_ANISOTROPY, 1, 1))
    names = np.concatenate([[0], np.cumsum(rng.integers(1, 2**40, cells))]).astype(np.uint64)
    warps = [_WARP * rng.standard_normal((side // _WAVE + 1,) * 3) for _ in range(3)]
    y, x = np.indices((side, side), np.float64)
    found = np.empty((side,) * 3, np.uint64)
    for z in range(side):
        place = np.array([np.full_like(y, z), y, x]) / _WAVE
        moved = [map_coordinates(warp, place, order=1, mode="nearest") for warp in warps]
        points = np.stack([_ANISOTROPY * z + moved[0], y + moved[1], x + moved[2]], -1).reshape(-1, 3)
        distance, nearest = tree.query(points, k=2, workers=-1)
        inside = distance[:, 1] - distance[:, 0] >= 2
        found[z] = names[np.where(inside, 1 + nearest[:, 0], 0)].reshape(side, side)
    return found


def masks() -> Iterator[tuple[str, Labels, str]]:
    """(name, array, axes) of the masks of the folder of real images."""
    folder = data_folder()
    if folder is None:
        return
    for entry in json.loads((folder / "manifest.json").read_text())["images"]:
        if entry["role"] == "mask":
            yield entry["name"], np.load(folder / entry["file"]), entry["axes"].lower()


def chunks_of(array: Labels, side: int) -> list[Labels]:
    """Chunks of a volume, each in memory of its own."""
    starts = product(*(range(0, n, side) for n in array.shape))
    return [np.ascontiguousarray(array[tuple(slice(a, a + side) for a in start)]) for start in starts]


def measured_row(rival: Rival, name: str, parts: list[Labels], axes: str) -> dict[str, Any]:
    """One codec on the parts of one array."""

    def encode() -> list[bytes]:
        return [rival.encode(part, axes) for part in parts]

    def decode() -> list[Labels]:
        return [rival.decode(stream, part) for stream, part in zip(streams, parts, strict=True)]

    streams, first_encode = clocked(encode)
    decoded, first_decode = clocked(decode)
    if not all(np.array_equal(found, part) for found, part in zip(decoded, parts, strict=True)):
        raise RuntimeError(f"{rival.name} is not exact on {name}")
    del decoded
    raw = sum(part.nbytes for part in parts)
    times = [median_seconds(encode, first_encode, _BUDGET), median_seconds(decode, first_decode, _BUDGET)]
    row = {
        "image": name,
        "axes": axes,
        "shape": "x".join(map(str, parts[0].shape)),
        "chunks": len(parts),
        "dtype": parts[0].dtype.name,
        "codec": rival.name,
        "version": rival.version,
        "raw_bytes": raw,
        "bytes": sum(map(len, streams)),
        "encode_mb_s": raw / 1e6 / times[0]["cpu"],
        "decode_mb_s": raw / 1e6 / times[1]["cpu"],
    }
    print(
        f"{name:30} {rival.name:14} {row['bytes']:10} {row['encode_mb_s']:7.0f} {row['decode_mb_s']:7.0f}", flush=True
    )
    return row


def main() -> None:
    """All arrays and codecs; rows."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    os.nice(5)
    facts, rows = run_facts(), []
    for name, array, axes in masks():
        rows += [facts | measured_row(rival, name, [array], axes) for rival in rivals()]
    volume = connectome()
    for name, parts in (("connectome, chunks of 128^3", chunks_of(volume, CHUNK)), ("connectome", [volume])):
        rows += [facts | measured_row(rival, name, parts, "zyx") for rival in rivals()]
    print(f"wrote {write_rows('labels', rows).name}")


if __name__ == "__main__":
    main()
