"""A trained network as a segmenter: a plane in, labels or a mask out.

Values: an integer plane (y, x) or (y, x, channel) in; labels (y, x), or a mask of membranes, and the probability of an
object or membrane at every sample out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument, MissingResource
from mmip_gpu.neural.planes import fingerprint, normalized, padded
from mmip_gpu.neural.polygons import stars_to_labels
from mmip_gpu.neural.unet import Network
from mmip_gpu.neural.weights import read_weights

__all__ = ["DEFAULT_OVERLAP", "DEFAULT_PROBABILITY", "Segmenter", "segmenter_for", "segmenters"]

DEFAULT_PROBABILITY = 0.5
DEFAULT_OVERLAP = 0.4


@dataclass(frozen=True, eq=False)
class Segmenter:
    """A network with its thresholds.

    Parameters
    ----------
    network : Network
        Ready to predict.
    facts : dict
        Of the file beside its weights.
    name : str
        For records.
    """

    network: Network
    facts: dict[str, Any]
    name: str

    @staticmethod
    def load(path: Path) -> Segmenter:
        """Read the weights of a path, with or without its ending."""
        network, facts = read_weights(path)
        return Segmenter(network, facts, path.stem)

    def predict(self, plane: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return the probability and the distances on the grid of the network."""
        shape = self.network.shape
        image = padded(normalized(plane, shape.channels), shape.stride)
        with torch.no_grad():
            logits, distances = self.network(torch.from_numpy(image)[None])
        rows, columns = (-(-size // shape.grid) for size in plane.shape[:2])
        probability = torch.sigmoid(logits)[0, 0, :rows, :columns].numpy()
        if distances is None:
            return probability, None
        return probability, np.moveaxis(distances[0, :, :rows, :columns].numpy(), 0, 2)

    def probability(self, plane: NDArray[Any]) -> NDArray[np.float32]:
        """Return the probability of an object or membrane at every sample."""
        found = self.predict(plane)[0]
        grid = self.network.shape.grid
        return found.repeat(grid, 0).repeat(grid, 1)[: plane.shape[0], : plane.shape[1]]

    def labels(self, plane: NDArray[Any]) -> NDArray[np.int32]:
        """Return instance labels, or a mask of membranes."""
        probability, distances = self.predict(plane)
        least = float(self.facts.get("probability", DEFAULT_PROBABILITY))
        if distances is None:
            return (probability >= least).astype(np.int32)
        overlap = float(self.facts.get("overlap", DEFAULT_OVERLAP))
        size = (plane.shape[0], plane.shape[1])
        return stars_to_labels(probability, distances, self.network.shape.grid, size, least, overlap)

    def has_seen(self, plane: NDArray[Any]) -> bool:
        """Whether it was trained on this plane."""
        return fingerprint(plane) in self.facts.get("trained_on", ())


def segmenters(folder: Path) -> list[Segmenter]:
    """Return all networks of a folder, by name.

    Raises
    ------
    MissingResource
        Where it holds none.
    """
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise MissingResource(f"{folder} holds no weights (*.safetensors): mmip_gpu.neural.train makes them")
    return [Segmenter.load(path) for path in paths]


def segmenter_for(found: list[Segmenter], plane: NDArray[Any]) -> Segmenter:
    """Return the first network that was not trained on a plane: the one of the fold that held it out.

    Raises
    ------
    InvalidArgument
        Where all were.
    """
    for segmenter in found:
        if not segmenter.has_seen(plane):
            return segmenter
    names = ", ".join(s.name for s in found)
    raise InvalidArgument(f"this plane was trained on by all of {names}: its score would say nothing")
