"""The test images of the comparison with rivals: those of split.json that are at hand, and two phantoms.

Values: names in; integer arrays (y, x), (z, y, x) or, of colour, (y, x, c) with their PSNR targets (dB on max - min)
out, in host memory.
Guarantees one cut of every image in all studies: one slice of stacks, the middle 32 slices of large volumes, of
projections the sinograms; and a copy of the head CT whose padding is air, since a hard circle of padding costs some
codecs much and others nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import mmip_gpu as mmip
from mmip_gpu.bench.images import checksum
from mmip_gpu.bench.shared_images import middle

TARGETS = {
    "nema_ct1": (45.0, 50.0, 52.0, 55.0, 60.0),
    "nema_mr1": (40.0, 48.0, 56.0),
    "em_isbi_train": (30.0, 36.0, 42.0),
    "micro_bbbc034_aics": (45.0, 52.0, 60.0),
    "nema_rg3": (50.0, 54.0, 55.0, 57.0, 60.0),
    "niivue_chris_t1": (35.0, 42.0, 48.0),
    "niivue_ct_avm": (38.0, 44.0, 50.0),
    "mr_uih_t1_brain": (38.0, 45.0, 52.0),
    "ct_ge_head_4mm": (45.0, 50.0, 52.0, 54.0, 58.0, 60.0),
    "ct_ge_head_4mm, air": (50.0, 54.0, 58.0),
    "xray_tooth_projections": (47.0, 50.0, 53.0),
    "xray_chip_projections": (36.0, 38.0, 40.0),
    "mr_cardiac_cine_u8": (36.0, 40.0),
    "micro_membrane_time": (46.0, 50.0),
    "fundus_drive": (38.0, 42.0, 46.0),
    "micro_hela_rgb16": (44.0, 50.0, 56.0),
    "nema_us1": (34.0, 40.0, 46.0),
    "nema_vl1": (36.0, 42.0, 48.0),
    "nema_vl6": (32.0, 38.0, 44.0),
}
PHANTOM_TARGETS = (60.0, 65.0, 70.0)  # below 55 dB only the edges cost bits (noise of sigma 30)
SINOGRAMS = ("xray_tooth_projections",)  # its rows are few and its angles many
PADDED, AIR = "ct_ge_head_4mm", -1024
_AIR_COPY = f"{PADDED}, air"
COPY = "copy"
"""The group of the copy: part of no mean, unless its image is counted half."""
SLICE_OF_STACK = {"em_isbi_train": 5, "micro_bbbc034_aics": 1, "fundus_drive": 1}


@dataclass(frozen=True)
class Picture:
    """An image with its targets."""

    name: str
    array: np.ndarray
    targets: tuple[float, ...]
    real: bool
    axes: str = ""

    @property
    def group(self) -> str:
        """The column of the tables that it counts in."""
        if not self.real:
            return "phantoms"
        if self.name == _AIR_COPY:
            return COPY
        return "colour" if self.axes.endswith("c") else "2D" if self.array.ndim == 2 else "volumes"

    @property
    def facts(self) -> dict[str, str]:
        """Its part of a result row."""
        return {
            "image": self.name,
            "group": self.group,
            "shape": "x".join(map(str, self.array.shape)),
            "dtype": str(self.array.dtype),
            "data": checksum(self.array),
        }


def pictures(split: Path, folder: Path | None, colour: bool = False) -> list[Picture]:
    """Real images of a folder, those that the list `split` calls test images, first; phantoms last.

    Parameters
    ----------
    colour : bool
        Whether colour images are among them, after the grey ones.
    """
    found, coloured = [], []
    listed = json.loads(split.read_text()) if folder else {"test": [], "test_colour": []}
    for name in [*listed["test"], *(listed["test_colour"] if colour else [])]:
        path = (folder or split) / f"{name}.npy"
        if not path.exists() or name not in TARGETS:
            continue
        array = np.load(path)
        if name in SLICE_OF_STACK:
            array = np.ascontiguousarray(array[SLICE_OF_STACK[name]])
        if name in SINOGRAMS:
            array = np.ascontiguousarray(array.transpose(1, 0, 2))
        if name in listed["test_colour"]:
            coloured.append(Picture(name, array, TARGETS[name], True, "yxc"))
        else:
            found.append(Picture(name, middle(array) if array.ndim == 3 else array, TARGETS[name], True))
        if name == PADDED:
            found.append(Picture(_AIR_COPY, np.maximum(found[-1].array, AIR), TARGETS[_AIR_COPY], True))
    found.sort(key=lambda picture: picture.array.ndim)
    found += coloured
    found.append(Picture("phantom2d", mmip.phantom2d(512), PHANTOM_TARGETS, False))
    found.append(Picture("phantom3d", mmip.phantom3d((32, 256, 256)), PHANTOM_TARGETS, False))
    return found
