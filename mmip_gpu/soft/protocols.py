"""Protocols: how the sets of the original are divided into images to train with and images to test with.

Values: the folder of a set that the user has, in; folders ``train`` and ``test`` with copies of its files, out. The
first images are taken in natural order of their names, since folders have none.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.soft.images import natural_order

__all__ = ["PROTOCOLS", "Protocol", "prepare"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npy")


@dataclass(frozen=True)
class Protocol:
    """How many images of which folders; one folder for both: the test images come after those to train with."""

    train: int
    test: int
    folders: tuple[str, ...] = ("",)
    text: str = ""


_BCCD = "dataset2-master/dataset2-master/images"
PROTOCOLS = {
    "bccd": Protocol(
        500, 200, (f"{_BCCD}/TRAIN/EOSINOPHIL", f"{_BCCD}/TEST/EOSINOPHIL"), "BCCD, the copy on Kaggle, eosinophils"
    ),
    "malaria": Protocol(200, 100, text="BBBC041, the first 200 and the next 100 images"),
    "melanoma": Protocol(500, 200, ("train", "test"), "Melanoma, 512 x 512 JPEG"),
    "drive": Protocol(20, 20, ("training/images", "test/images"), "DRIVE, its own division"),
    "fire": Protocol(100, 100, text="FIRE, the authors' later choice"),
}


def prepare(protocol: str, source: str | Path, target: str | Path) -> tuple[int, int]:
    """Copy the images of a set into ``target/train`` and ``target/test``; returns how many of each.

    Parameters
    ----------
    protocol : str
        One of `PROTOCOLS`, or two numbers such as ``"200/60"``: so many images to train with, and to test with, out of
        the folders ``train`` and ``test`` of the source, or one after another out of the source itself.
    source, target : str or Path
        Folder of the set, and a folder that is new or empty.

    Raises
    ------
    InvalidArgument, StoreError
    """
    root, to = Path(source), Path(target)
    chosen = _protocol(protocol, root)
    folders = [_images(root / folder) for folder in chosen.folders]
    train, test = folders[0][: chosen.train], folders[-1]
    if len(folders) == 1:
        test = test[chosen.train :]
    test = test[: chosen.test]
    for found, wanted, name in ((train, chosen.train, "train"), (test, chosen.test, "test")):
        if len(found) < wanted:
            raise InvalidArgument(f"{root}: protocol {protocol!r} takes {wanted} images to {name}, found {len(found)}")
    if to.exists() and any(to.iterdir()):
        raise StoreError(f"{to}: expected a folder that is new or empty")
    _copy(train, to / "train")
    _copy(test, to / "test")
    return len(train), len(test)


def _protocol(name: str, root: Path) -> Protocol:
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    numbers = re.fullmatch(r"([1-9]\d{0,6})/([1-9]\d{0,6})", name)
    if numbers is None:
        known = ", ".join(PROTOCOLS)
        raise InvalidArgument(f"protocol {name!r}: expected one of {known}, or numbers such as '200/60'")
    is_divided = (root / "train").is_dir() and (root / "test").is_dir()
    return Protocol(int(numbers[1]), int(numbers[2]), ("train", "test") if is_divided else ("",))


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise StoreError(f"{folder}: expected a folder of images")
    files = (path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    return sorted(files, key=natural_order)


def _copy(files: Sequence[Path], folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
        for path in files:
            shutil.copyfile(path, folder / path.name)
    except OSError as e:
        raise StoreError(f"{folder}: {e.strerror or e}") from None
