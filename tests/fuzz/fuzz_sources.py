"""Fuzzes the readers of files: python tests/fuzz/fuzz_sources.py [--count N] [--seed S] [--first I]

Each round damages a file that comes with pydicom or nibabel, or one that tifffile, Pillow or NumPy writes, and opens
and reads it as a source. Only the error kinds of mmip_gpu may come out, in time and in bounded memory.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from random import Random

import nibabel
import numpy as np
import pydicom
import tifffile
from PIL import Image

TESTS = Path(__file__).parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    sys.path.append(str(TESTS.parent))  # behind an installed package

from fuzz.damaged import command, damaged, damaged_near, rounds  # noqa: E402
from mmip_gpu.sources import open_source  # noqa: E402

LARGEST = 300_000
MOST_SAMPLES = 1 << 22
HEADER = 1500
SUFFIXES = (".dcm", ".nii", ".nii.gz", ".hdr", ".img", ".tif", ".png", ".jpg", ".npy")


def written(folder: Path) -> None:
    """Files of the formats that no package brings."""
    volume = (np.arange(4 * 40 * 48).reshape(4, 40, 48) % 4001).astype(np.uint16)
    small = (volume // 16).astype(np.uint8)
    colour = np.stack([small[0]] * 3, -1)
    tifffile.imwrite(folder / "grey.tif", volume, photometric="minisblack")
    tifffile.imwrite(folder / "tiles.tif", volume, tile=(16, 16), compression="zlib", photometric="minisblack")
    tifffile.imwrite(folder / "ome.ome.tif", volume, metadata={"axes": "ZYX", "PhysicalSizeX": 0.5})
    tifffile.imwrite(folder / "imagej.tif", volume, imagej=True, metadata={"axes": "ZYX", "spacing": 2.0})
    tifffile.imwrite(folder / "big.tif", volume, bigtiff=True, photometric="minisblack")
    tifffile.imwrite(folder / "white.tif", small[0], photometric="miniswhite")
    tifffile.imwrite(folder / "colour.tif", colour, photometric="rgb", rowsperstrip=8)
    for suffix in ("png", "jpg"):
        Image.fromarray(colour).save(folder / f"colour.{suffix}")
        Image.fromarray(small[0]).save(folder / f"grey.{suffix}")
    np.save(folder / "grey.npy", volume)


def corpus(folder: Path) -> list[Path]:
    """Small files of all formats."""
    written(folder)
    folders = (
        Path(pydicom.__file__).parent / "data" / "test_files",
        Path(nibabel.__file__).parent / "tests" / "data",
        folder,
    )
    files = (path for place in folders for path in sorted(place.rglob("*")) if path.name.lower().endswith(SUFFIXES))
    return [path for path in files if path.is_file() and 0 < path.stat().st_size < LARGEST]


def damaged_file(path: Path, random: Random) -> bytes:
    """The file's bytes, damaged near its start as often as anywhere."""
    data = path.read_bytes()
    return damaged_near(data, random, 0, HEADER) if random.random() < 0.6 else damaged(data, random)


def one_round(files: list[Path], folder: Path, random: Random) -> str:
    """What became of one damaged file."""
    chosen = random.choice(files)
    path = folder / f"damaged{''.join(chosen.suffixes[-2:]) if chosen.name.endswith('.gz') else chosen.suffix}"
    path.write_bytes(damaged_file(chosen, random))
    source = open_source(path)
    region = tuple(slice(0, n) for n in source.shape)
    if np.prod(source.shape, dtype=float) > MOST_SAMPLES:
        region = tuple(slice(0, 1) for _ in source.shape)
    found = source.read(region)
    assert found.shape == tuple(part.stop for part in region)
    assert found.dtype == source.dtype
    return f"read {''.join(chosen.suffixes[-1:])}"


def fuzz(seed: int, first: int, count: int) -> Counter[str]:
    """Outcomes and how often each was seen."""
    with tempfile.TemporaryDirectory() as place:
        seeds, work = Path(place) / "seeds", Path(place) / "work"
        seeds.mkdir()
        work.mkdir()
        files = corpus(seeds)
        return rounds(partial(one_round, files, work), seed, first, count)


if __name__ == "__main__":
    sys.exit(command(__doc__, fuzz))
