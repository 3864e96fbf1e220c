"""Images of a training or test set, read one at a time.

Values: arrays, paths or sources in; an image with its name, samples and axes out. The first image says what all of them
have to be. They are read anew in every round, so that memory holds one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mmip_gpu.arguments import is_colour
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.sources import Source, open_source
from mmip_gpu.volume.axes import PlaneLayout

__all__ = ["Image", "ImageSet", "natural_order"]


@dataclass(frozen=True)
class Image:
    """One image of a set."""

    name: str
    samples: NDArray[Any]
    layout: PlaneLayout

    @property
    def planes(self) -> NDArray[Any]:
        """C-ordered (planes, Z, Y, X)."""
        return self.layout.to_planes(self.samples)


class ImageSet:
    """Images of one dtype and one number of channels.

    Parameters
    ----------
    images : iterable, str or Path
        Arrays, paths, sources; or a folder, whose files are taken in natural order.
    axes : str, optional
        Axes of the arrays; a file says its own.
    colour : bool, optional
        Whether channels are red, green and blue. By default three of them are.

    Raises
    ------
    InvalidArgument
        For no image, or for images that differ.
    """

    def __init__(self, images: Iterable[Any] | str | Path, axes: str | None = None, colour: bool | None = None) -> None:
        if isinstance(images, (str, Path)):
            images = _files(Path(images))
        self._items = list(images)
        if not self._items:
            raise InvalidArgument("images: expected at least one")
        self._axes = axes
        first = self._open(0)
        layout = PlaneLayout.of(first.shape, first.axes)
        self.dtype, self.components = first.dtype, layout.channels
        if self.dtype.kind not in "iu" or self.dtype.itemsize > 2:
            raise InvalidArgument(f"images: expected integers of 8 or 16 bits, found {self.dtype}")
        stated = colour if colour is not None else first.colour
        self.is_mixed = is_colour(stated, layout, self.dtype) if layout.channels == 3 or colour else False

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Image]:
        for index in range(len(self)):
            source = self._open(index)
            layout = PlaneLayout.of(source.shape, source.axes)
            if source.dtype != self.dtype or layout.channels != self.components or not layout.samples:
                raise InvalidArgument(
                    f"{source.name}: expected samples of {self.dtype} in {self.components} channels, "
                    f"as in the first image, found {source.dtype} in {layout.channels}, shape {source.shape}"
                )
            yield Image(source.name, source.read(), layout)

    def _open(self, index: int) -> Source:
        item = self._items[index]
        source = open_source(item)
        is_bare = not isinstance(item, (str, Path, Source))
        return source if self._axes is None or not is_bare else replace(source, axes=self._axes)


def natural_order(path: Path) -> list[tuple[int, int, str]]:
    """Key that sorts names by the numbers in them.

    Examples
    --------
    >>> [p.name for p in sorted([Path("10.png"), Path("9.png")], key=natural_order)]
    ['9.png', '10.png']
    """
    digits = "".join(c if c.isdigit() else " " for c in path.name).split()
    letters = "".join(" " if c.isdigit() else c for c in path.name).split()
    return [(0, 0, letters[0] if letters else ""), *((1, int(d), "") for d in digits), (2, 0, path.name)]


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise StoreError(f"{folder}: expected a folder of images")
    found = sorted((path for path in folder.iterdir() if path.is_file()), key=natural_order)
    if not found:
        raise InvalidArgument(f"{folder}: expected images, found no file")
    return found
