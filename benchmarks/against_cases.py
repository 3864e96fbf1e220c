"""Whole calls of the public face that against.py compares between two builds, and the images that they code.

Values: a size in MB in, images by name and a list of Case out. An image of a case that is not at hand drops the case.
Sizes are such that a round of 4 MB, in which each case is run three times, takes one or two minutes of a core.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from studies import data_folder

import mmip_gpu as mmip

Options = dict[str, Any]

VOLUME, PLANE = "phantom3d", "phantom2d"
PLANE_8_BIT, COLOUR, FLOATS = "phantom2d_8_bit", "phantom2d_colour", "phantom3d_float32"
MR, CT = "mr_uih_t1_brain", "ct_ge_head_4mm"

EFFORTS = (1, 2, 3)
LOSSLESS: Options = {"lossless": True, "stages": 3}
REGIONS = "threshold:9000"  # the bone of the phantoms


@dataclass(frozen=True)
class Case:
    """One call: its kind in against_worker.py, the image, options of encoding, options of what is done after it."""

    kind: str
    image: str = ""
    options: Options = field(default_factory=dict)
    how: Options = field(default_factory=dict)
    least_calls: int = 1

    @property
    def name(self) -> str:
        """The kind and all options in words; the image is named apart."""
        if self.kind == "python":
            return "python " + " ".join(self.how["arguments"])
        after = f" -> {_text(self.how)}" if self.how else ""
        return f"{self.kind} {_text(self.options)}{after}"


def _text(options: Options) -> str:
    return ", ".join(key if value is True else f"{key} {value}" for key, value in options.items())


def images(megabytes: float) -> dict[str, np.ndarray]:
    """Phantoms of about this size and, where they are at hand, the middle slices of a real MR and CT."""
    side = 256 if megabytes >= 1 else 64
    depth = max(round(megabytes * 1e6 / (2 * side * side) / 8) * 8, 8)
    volume = mmip.phantom3d((depth, side, side))
    plane = mmip.phantom2d(max(math.isqrt(round(megabytes * 1e6 / 2)) // 8 * 8, 64))
    grey = (plane >> 6).astype(np.uint8)
    found: dict[str, np.ndarray] = {
        VOLUME: volume,
        PLANE: plane,
        PLANE_8_BIT: grey,
        COLOUR: np.stack([grey, grey // 2, 255 - grey], -1),
        FLOATS: (volume / 8).astype(np.float32),
    }
    folder = data_folder()
    for name in (MR, CT):
        if folder and (folder / f"{name}.npy").exists():
            whole = np.load(folder / f"{name}.npy")
            slices = min(max(round(megabytes * 1e6 / whole[0].nbytes), 1), len(whole))
            first = (len(whole) - slices) // 2
            found[name] = np.ascontiguousarray(whole[first : first + slices])
    return found


def _encode_cases() -> list[Case]:
    cells: list[Options] = [{"qstep": 200.0, "cell_depth": depth} for depth in (1, 8)]
    targets: list[Options] = [{"quality": 10}, {"psnr": 55.0}, {"max_error": 100.0, "stages": 3}, LOSSLESS]
    made = [(VOLUME, options | {"effort": effort}) for options in (*cells, *targets) for effort in EFFORTS]
    made += [(PLANE, {"quality": 10, "effort": effort}) for effort in EFFORTS]
    made += [
        (VOLUME, {"ratio": 12.0}),
        (VOLUME, {"quality": 10, "roi": REGIONS, "roi_quality": "lossless"}),
        (PLANE, {"psnr": 50.0}),
        (PLANE, LOSSLESS),
        (PLANE, {"quality": 10, "roi": REGIONS}),
        (PLANE_8_BIT, {"psnr": 45.0}),
        (PLANE_8_BIT, LOSSLESS),
        (COLOUR, {"psnr": 45.0, "axes": "yxc"}),
        (FLOATS, {"psnr": 55.0, "step": 0.5}),
        (FLOATS, {"max_error": 10.0, "stages": 3, "step": 0.5}),
    ]
    for image, db in ((MR, 42.0), (CT, 52.0)):
        made += [(image, {"psnr": db}), (image, {"qstep": 30.0, "effort": 1}), (image, LOSSLESS)]
    return [Case("encode", image, options) for image, options in made]


def _decode_cases() -> list[Case]:
    flat, deep = ({"qstep": 200.0, "cell_depth": depth} for depth in (1, 8))
    partial: list[Options] = [{"stages": 1}, {"scale": 4}, {"region": "middle"}]
    made = [Case("decode", VOLUME, options, how) for options in (flat, deep) for how in ({}, *partial)]
    made += [Case("decode", MR, {"qstep": 30.0}, how) for how in ({}, *partial)]
    whole: list[tuple[str, Options]] = [
        (VOLUME, LOSSLESS),
        (VOLUME, {"max_error": 100.0, "stages": 3}),
        (PLANE, {"quality": 10}),
        (PLANE, {"quality": 10, "roi": REGIONS}),
        (PLANE_8_BIT, {"psnr": 45.0}),
        (COLOUR, {"psnr": 45.0, "axes": "yxc"}),
        (FLOATS, {"psnr": 55.0, "step": 0.5}),
        (CT, {"qstep": 30.0}),
        (CT, LOSSLESS),
    ]
    return [*made, *(Case("decode", image, options) for image, options in whole)]


def _store_cases() -> list[Case]:
    planned, searched = {"qstep": 200.0, "effort": 1}, {"quality": 10}
    made = [Case(kind, VOLUME, o) for kind in ("encode_batch", "write_codec") for o in (planned, searched)]
    made += [Case("write_zarr", VOLUME, options) for options in (planned, searched, {"psnr": 55.0})]
    made += [Case(kind, VOLUME, planned) for kind in ("decode_batch", "read_codec", "open_zarr", "inspect")]
    made += [Case(kind, VOLUME, planned, {"region": "middle"}) for kind in ("read_codec", "open_zarr")]
    made += [Case("write_zarr", VOLUME, planned, {"is_flushed": True})]  # which builds before `durable=` cannot
    return [*made, Case("open_zarr", VOLUME, planned, {"stages": 1})]


def _start_cases() -> list[Case]:
    """Fresh interpreters; the first without mmip_gpu: where it differs, the environments cannot be compared."""
    statements = ("import numpy, zarr", "import mmip_gpu", "from mmip_gpu import open_zarr")
    calls = [*(["-c", statement] for statement in statements), ["-m", "mmip_gpu", "--help"]]
    return [Case("python", how={"arguments": arguments}, least_calls=2) for arguments in calls]


def all_cases() -> list[Case]:
    """Every case, with those of images that are not at hand."""
    return [*_encode_cases(), *_decode_cases(), *_store_cases(), *_start_cases()]
