"""The developers' real images, where their folder is: cut, with their regions, labels and facts of the manifest.

Values: the folder of `manifest.json` in; `BenchImage`s out, or why a file cannot be used. Guarantees that a file is
what the manifest says (SHA-256), and one cut for all studies: stacks of images one by one, of volumes the middle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.bench.images import BenchImage, UnusableImage
from mmip_gpu.errors import MmipError, StoreError

__all__ = ["MOST_SLICES", "middle", "sha256_of", "shared_images"]

MOST_SLICES = 32
_SLICED = ("em_isbi_train",)  # a volume whose slices are images, as its labels are
_GROUPS = (
    ("H&E", "histology"), ("projections", "projections"), ("CT", "CT"), ("MR", "MR"), ("EM", "EM"),
    ("fluorescence", "fluorescence"), ("brightfield", "bright field"), ("blood smear", "bright field"),
    ("CR", "X-ray"), ("US", "ultrasound"), ("NM", "nuclear medicine"), ("endoscopy", "endoscopy"),
    ("fundus", "fundus"), ("dermoscopy", "dermoscopy"),
)  # fmt: skip
_STAND_INS = {
    "micro_hela_rgb16": "16-bit RGB of imagecompression.info",
    "em_isbi_train": "EMPIAR-12592 (SEM)",
    "he_dsb2018": "Open TG-GATEs (H&E)",
    "mr_uih_t1_brain": "an MR set of the BioImage Archive",
    "nema_vl6": "a bright-field set of the BioImage Archive",
    "bccd_test": "a bright-field set of the BioImage Archive",
}
_TRUTH = {"labels": "nuclei", "membrane": "membranes", "vessels": "vessels", "mask": "lesion"}
_TASKS = ("nuclei", "membranes")


def middle(volume: NDArray[Any], slices: int = MOST_SLICES) -> NDArray[Any]:
    """The middle slices of a volume; all where it has no more."""
    start = max((len(volume) - slices) // 2, 0)
    return np.ascontiguousarray(volume[start : start + slices])


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shared_images(folder: Path, pattern: str = "*") -> Iterator[BenchImage | UnusableImage]:
    """Yield the images of the manifest whose names, or that of their set, fit the pattern; sets only by name."""
    for entry, truths in _entries(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))):
        group = entry.get("set")
        is_whole = fnmatch(entry["name"], pattern) or (group is not None and fnmatch(group, pattern))
        if (pattern == "*" and group) or not (is_whole or any(fnmatch(name, pattern) for name in _names(entry))):
            continue
        try:
            found = list(_images(folder, entry, truths))
        except (MmipError, OSError, ValueError) as error:
            yield UnusableImage(entry["name"], "shared", f"{type(error).__name__}: {error}")
        else:
            yield from (image for image in found if is_whole or fnmatch(image.name, pattern))


def _entries(manifest: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, dict[str, Any]]]]:
    """Every image with its truths by kind; the files of a set are images of their own."""
    entries = list(manifest["images"])
    for files in manifest["sets"]:
        kind = {"axes": "YXC" if len(files["shape"]) == 3 else "YX", "set": files["name"]}
        entries += [files | file | kind | {"name": Path(file["file"]).stem} for file in files["files"]]
    masks = {entry["name"]: entry for entry in entries if entry["role"] == "mask"}
    for entry in entries:
        if entry["role"] == "image":
            yield (
                entry,
                {kind: masks[f"{entry['name']}_{kind}"] for kind in _TRUTH if f"{entry['name']}_{kind}" in masks},
            )


def _names(entry: dict[str, Any]) -> list[str]:
    """Names of the images that an entry is cut into."""
    if entry["axes"][0] in "NC" or entry["name"] in _SLICED:
        return [f"{entry['name']}-{index:02d}" for index in range(entry["shape"][0])]
    return [entry["name"]]


def _images(folder: Path, entry: dict[str, Any], truths: dict[str, dict[str, Any]]) -> Iterator[BenchImage]:
    """Read an entry, and cut it."""
    arrays = {"": _read(folder, entry)}
    for kind, truth in truths.items():
        samples = _read(folder, truth)
        arrays[kind] = samples == 0 if kind == "membrane" else samples  # cells are marked there
    names = _names(entry)
    axes = entry["axes"].replace("angle,", "T").replace(",", "").lower()
    if len(names) > 1 or names[0] != entry["name"]:
        for index, name in enumerate(names):
            yield _image(name, entry, axes[1:], {kind: np.ascontiguousarray(a[index]) for kind, a in arrays.items()})
    else:
        cut = {kind: middle(a) if axes[0] in "zt" else a for kind, a in arrays.items()}
        yield _image(names[0], entry, axes, cut)


def _read(folder: Path, entry: dict[str, Any]) -> NDArray[Any]:
    path = folder / entry["file"]
    found = sha256_of(path)
    if found != entry["sha256"]:
        raise StoreError(f"{entry['file']}: expected the SHA-256 {entry['sha256']}, found {found}")
    if path.suffix == ".npy":
        array: NDArray[Any] = np.load(path)
        return array
    from mmip_gpu.sources import open_source

    return open_source(path).read()


def _image(name: str, entry: dict[str, Any], axes: str, arrays: dict[str, NDArray[Any]]) -> BenchImage:
    regions = {_TRUTH[kind]: truth for kind, truth in arrays.items() if kind}
    task = next((kind for kind in regions if kind in _TASKS), None)
    lossy = entry["prior_lossy"].split()[0]
    modality, window = entry["modality"], entry.get("window")
    return BenchImage(
        name,
        arrays[""],
        axes,
        entry["bits_stored"],
        dataset="shared",
        licence=entry["licence"],
        group=next((group for word, group in _GROUPS if word in modality), modality),
        masks={kind: truth > 0 for kind, truth in regions.items()},
        labels=next(iter(regions.values()), None),
        task=task,
        window=None if window is None else (float(window[0]), float(window[1])),
        jpeg_origin=lossy if lossy in ("no", "yes") else "unknown",
        stand_in=_STAND_INS.get(entry.get("set", entry["name"])),
    )
