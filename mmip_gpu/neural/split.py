"""The committed split: which labelled planes exist for a subject, and which of them each fold holds out.

Values: names and indices of split.json, and a folder of .npy files with manifest names, in; planes with labels out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument, MissingResource

__all__ = ["Plane", "Subject", "load_plane", "subjects"]


@dataclass(frozen=True)
class Plane:
    """One labelled plane of the data folder, with its samples and labels."""

    name: str
    index: int
    samples: NDArray[Any]
    labels: NDArray[Any]


@dataclass(frozen=True)
class Subject:
    """A kind of image with its labels, and the planes that each fold holds out.

    Parameters
    ----------
    name : str
        Such as "fluorescence".
    kind : str
        Of the network.
    folds : tuple
        For each fold, names and indices of the planes that it does not train on.
    labels : str
        Ending of the name of the file of the labels.
    """

    name: str
    kind: str
    channels: int
    labels: str
    folds: tuple[tuple[tuple[str, int], ...], ...]

    def held_out(self, fold: int) -> tuple[tuple[str, int], ...]:
        """Names and indices of the planes that a fold does not train on."""
        if not 0 <= fold < len(self.folds):
            raise InvalidArgument(f"fold of {self.name}: expected 0 to {len(self.folds) - 1}, found {fold}")
        return self.folds[fold]

    def trained_on(self, fold: int) -> tuple[tuple[str, int], ...]:
        """Names and indices of the planes of all other folds."""
        held_out = self.held_out(fold)
        return tuple(plane for planes in self.folds for plane in planes if plane not in held_out)


def subjects() -> dict[str, Subject]:
    """Return the subjects of the committed split, by name.

    Examples
    --------
    >>> sorted(subjects())
    ['fluorescence', 'histology', 'membranes']
    """
    stored = json.loads(Path(__file__).with_name("split.json").read_text())["subjects"]
    return {
        name: Subject(
            name,
            facts["kind"],
            facts["channels"],
            facts["labels"],
            tuple(
                tuple((plane, index) for plane, indices in fold.items() for index in indices) for fold in facts["folds"]
            ),
        )
        for name, facts in stored.items()
    }


def load_plane(folder: Path, subject: Subject, name: str, index: int) -> Plane:
    """Read a plane and its labels; membranes are labelled 1.

    Raises
    ------
    MissingResource
        Where the folder does not hold it.
    """
    paths = [folder / f"{name}{ending}.npy" for ending in ("", subject.labels)]
    for path in paths:
        if not path.is_file():
            raise MissingResource(f"{path} is not there: --data names the folder of the labelled images")
    samples, labels = (np.load(path, mmap_mode="r")[index] for path in paths)
    labels = np.asarray(labels == 0 if subject.kind == "membranes" else labels)
    return Plane(name, index, np.ascontiguousarray(samples), labels.astype(np.int32))
