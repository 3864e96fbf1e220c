"""Tasks of the benchmark: what segmentation finds after compression, by classical means or by networks.

Values: names in, as a command line has them; tasks out. "nuclei" and "membranes" need no weights; "stars:FOLDER" and
"unet:FOLDER" are the networks whose weights mmip_gpu.neural.train wrote into a folder: for a plane that some were
trained on, the one is taken that was not.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mmip_gpu.bench.tasks.ridges import ridge_membranes
from mmip_gpu.bench.tasks.task import SCORES, Task
from mmip_gpu.bench.tasks.watershed import watershed_nuclei
from mmip_gpu.errors import InvalidArgument, MissingResource

__all__ = ["NETWORKS", "SCORES", "Task", "task_named", "tasks"]

NETWORKS = {"stars": "nuclei", "unet": "membranes"}


def _watershed(plane: NDArray[Any], _original: NDArray[Any]) -> NDArray[Any]:
    return watershed_nuclei(plane)


def _ridges(plane: NDArray[Any], _original: NDArray[Any]) -> NDArray[Any]:
    return ridge_membranes(plane)


tasks: dict[str, Task] = {
    "nuclei": Task("nuclei", "watershed", _watershed, instances=True),
    "membranes": Task("membranes", "ridge filter", _ridges, instances=False),
}


def task_named(name: str) -> Task:
    """Return a task by its name.

    Raises
    ------
    InvalidArgument
        For a name that is none.
    MissingResource
        For a network without torch, or without weights.

    Examples
    --------
    >>> task_named("nuclei").segmenter
    'watershed'
    """
    if name in tasks:
        return tasks[name]
    kind, colon, folder = name.partition(":")
    if not colon or kind not in NETWORKS:
        known = ", ".join([*tasks, *(f"{kind}:FOLDER" for kind in NETWORKS)])
        raise InvalidArgument(f"task: expected one of {known}, found {name!r}")
    return _network_task(kind, Path(folder))


@lru_cache
def _network_task(kind: str, folder: Path) -> Task:
    """Task of the networks of a folder that are of this kind."""
    try:
        from mmip_gpu.neural.segmenter import segmenter_for, segmenters
    except ImportError as error:
        raise MissingResource(
            f"{kind}:{folder} needs the extra neural: pip install 'mmip-gpu[neural]' ({error})"
        ) from None
    wanted = "stars" if kind == "stars" else "membranes"
    found = [s for s in segmenters(folder) if s.network.shape.kind == wanted]
    if not found:
        raise MissingResource(f"{folder} holds no weights of a network of {wanted}")

    def segment(plane: NDArray[Any], original: NDArray[Any]) -> NDArray[Any]:
        channels = plane.shape[2] if plane.ndim == 3 else 1
        fitting = [s for s in found if s.network.shape.channels == channels]
        if not fitting:
            raise InvalidArgument(f"{folder} holds no network for {channels} channels")
        return segmenter_for(fitting, original).labels(plane)

    title = "star-convex network" if kind == "stars" else "membrane U-Net"
    return Task(f"{kind}:{folder.name}", title, segment, instances=wanted == "stars")
