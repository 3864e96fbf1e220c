"""The data sets of the benchmark by name: phantoms, the developers' images, and users' own copies of public sets.

Values: texts such as "phantoms", "shared:nema_*", "EMPIAR-12592=FOLDER" or a path in; images out. Nothing is ever
downloaded: `where` says in plain text where a set comes from. Sizes and cuts are those of the loaders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from mmip_gpu.bench.images import BenchImage, UnusableImage, file_safe
from mmip_gpu.bench.machine import data_folder
from mmip_gpu.bench.shared_images import shared_images
from mmip_gpu.bench.synthetic import phantoms
from mmip_gpu.bench.user_images import SUMS, user_images
from mmip_gpu.errors import InvalidArgument, MissingResource
from mmip_gpu.signatures import nearest

__all__ = ["DATASETS", "DataSet", "ImageSet", "select_images"]

Found = BenchImage | UnusableImage
_QUICK, _FULL = (192, 8), (512, 32)  # rows, and slices of the volume


@dataclass(frozen=True)
class DataSet:
    """A set of images.

    Parameters
    ----------
    name : str
        What it is called on the command line.
    licence : str
        As its makers state it.
    where : str
        Where it comes from, and how one gets it.
    checksums : str
        What its files or samples are compared with.
    own_copy : bool
        Whether the user gives the folder: NAME=FOLDER.
    group : str
        What it shows, for tables.
    bits : int, optional
        Bits stored, where the files cannot say.
    """

    name: str
    licence: str
    where: str
    checksums: str = f"SHA-256 of files in {SUMS}, where the folder has that file"
    own_copy: bool = True
    group: str = ""
    bits: int | None = None

    def of(self, folder: Path) -> Iterator[Found]:
        """Yield the images of a user's copy."""
        known = {"dataset": self.name, "licence": self.licence, "group": self.group}
        yield from user_images(folder, **known, **({} if self.bits is None else {"bits": self.bits}))


def _standard(name: str, kind: str, bits: int, file: str) -> DataSet:
    where = f"imagecompression.info, 'new test images', {file}: unpack it into a folder of PGM, PPM or PNG files"
    return DataSet(name, "free for research, as its page states", where, group=kind, bits=bits)


DATASETS = {
    found.name: found
    for found in (
        DataSet("phantoms", "BSD-3-Clause", "made by seed", "samples, by the tests of the package", False),
        DataSet("quick", "BSD-3-Clause", "made by seed: the phantoms, smaller", "samples, by the tests", False),
        DataSet(
            "shared", "one for each image", "the developers' folder ($MMIP_DATA)", "SHA-256 of its manifest", False
        ),
        _standard("imagecompression-gray8", "grey photographs", 8, "gray8bit.zip"),
        _standard("imagecompression-gray16", "grey photographs", 16, "gray16bit.zip"),
        _standard("imagecompression-rgb8", "photographs", 8, "rgb8bit.zip"),
        _standard("imagecompression-rgb16", "photographs", 16, "rgb16bit.zip"),
        DataSet("EMPIAR-12592", "CC0 (EMPIAR)", "EMPIAR, entry 12592 (SEM): its image files in a folder", group="EM"),
        DataSet(
            "TG-GATEs", "CC BY-SA 2.1 JP", "Open TG-GATEs (H&E slides): slides, or tiles of them", group="histology"
        ),
        DataSet("bioimage-mr", "as the entry states", "BioImage Archive: an MR set", group="MR"),
        DataSet(
            "bioimage-brightfield", "as the entry states", "BioImage Archive: RGB bright field", group="bright field"
        ),
    )
}


class ImageSet:
    """Images that can be gone through again and again, each time read anew; no name comes twice."""

    def __init__(self, loaders: Sequence[Callable[[], Iterator[Found]]]) -> None:
        self._loaders = loaders

    def __iter__(self) -> Iterator[Found]:
        seen: set[str] = set()
        for load in self._loaders:
            for image in load():
                name, count = image.name, 2
                while name in seen:
                    name, count = f"{image.name}-{count}", count + 1
                seen.add(name)
                yield image if name == image.name else replace(image, name=name)


def select_images(texts: Sequence[str], beside: Path | None = None) -> ImageSet:
    """Return the images that texts name.

    Parameters
    ----------
    texts : sequence of str
        Names of data sets, "NAME:PATTERN" for some images of one that is at hand, "NAME=FOLDER" for a user's copy of
        a public set, or paths of folders and files.
    beside : pathlib.Path, optional
        Where shared/data is looked for; by default in the working directory and the folder above.

    Raises
    ------
    InvalidArgument
        For a name that is neither a set nor a path.
    MissingResource
        Where the developers' images are not at hand.

    Examples
    --------
    >>> [image.name for image in select_images(["quick:*rgb*"])]
    ['phantom_rgb16_192']
    """
    return ImageSet([_loader(text, beside) for text in texts])


def _loader(text: str, beside: Path | None) -> Callable[[], Iterator[Found]]:
    name, equals, folder = text.partition("=")
    if equals and name in DATASETS and DATASETS[name].own_copy:
        return partial(DATASETS[name].of, _existing(folder))
    name, _, pattern = text.partition(":")
    if name in ("phantoms", "quick"):
        return partial(_some, text, partial(_phantoms, name, pattern or "*"))
    if name == "shared":
        return partial(_some, text, partial(shared_images, _shared_folder(beside), pattern or "*"))
    if name in DATASETS:
        raise InvalidArgument(f"{text}: expected {name}=FOLDER, your copy: {DATASETS[name].where}")
    if not Path(text).exists():
        like = nearest(text, list(DATASETS))
        advice = f"did you mean {like}?" if like else f"expected a folder, a file, or one of {', '.join(DATASETS)}"
        raise InvalidArgument(f"no data set and no file {text!r}: {advice}")
    return partial(user_images, Path(text))


def _some(text: str, load: Callable[[], Iterator[Found]]) -> Iterator[Found]:
    """Yield what there is; of a pattern that fits nothing, that it does."""
    images = load()
    first = next(images, None)
    yield first or UnusableImage(file_safe(text), text.partition(":")[0], f"{text}: no image fits")
    yield from images


def _existing(folder: str) -> Path:
    if not Path(folder).exists():
        raise InvalidArgument(f"{folder} does not exist: expected the folder of your copy")
    return Path(folder)


def _phantoms(name: str, pattern: str) -> Iterator[BenchImage]:
    size, depth = _QUICK if name == "quick" else _FULL
    for image in phantoms(size, depth):
        if fnmatch(image.name, pattern):
            yield replace(image, name=image.name if name == "phantoms" else f"{image.name}_{size}")


def _shared_folder(beside: Path | None) -> Path:
    for place in (Path.cwd(), Path.cwd().parent) if beside is None else (beside,):
        found = data_folder(place)
        if found is not None:
            return found
    raise MissingResource("the developers' images are not at hand: set MMIP_DATA to the folder of manifest.json")
