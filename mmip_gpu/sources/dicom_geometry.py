"""Order and spacing of DICOM slices: from where each frame lies in the patient to one volume.

Values in: headers as pydicom gives them. Values out: frames in the order of z, and the voxel size in mm.
Implements no section of FORMAT.md; the projection on the slice normal is that of DICOM PS3.3 C.7.6.2.
Guarantees that slices that cannot be ordered, or that are of several volumes, are refused; uneven spacing is
recorded as ``spacing_uniform: false`` and accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.sources.source import finite

Vector = tuple[float, ...]

# Keywords of a plain header, each with the functional group that holds it in an enhanced multi-frame file.
_GROUP_OF: Final = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SpacingBetweenSlices": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
}
HEADER_TAGS: Final = (
    *_GROUP_OF,
    "ImagerPixelSpacing",
    "InstanceNumber",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)
_SAME_POSITION_MM: Final = 1e-3
_SAME_DIRECTION: Final = 1e-3  # per direction cosine; scanners round them to 4 to 6 digits
_UNIFORM_FRACTION: Final = 0.01  # of the median gap: rounding of positions to 0.01 mm passes, a lost slice does not


@dataclass(frozen=True)
class Frame:
    """One slice: where its samples are, where it lies (mm), and how its values scale."""

    path: Path
    index: int
    instance: int | None
    position: Vector | None
    orientation: Vector | None
    spacing: Vector | None
    gap: float | None
    slope: float
    intercept: float


def file_frames(header: Any, path: Path) -> list[Frame]:
    """List the frames of one file in stored order."""
    return [_frame(header, path, index) for index in range(int(header.get("NumberOfFrames") or 1))]


def order_frames(frames: Sequence[Frame], name: str) -> tuple[list[Frame], list[float] | None]:
    """Sort frames along the slice normal, or by InstanceNumber and stored order if positions do not differ.

    The second value is the position of every slice along the normal in mm, None where it is not known.
    """
    distances = _distances(frames, name)
    if distances is not None:
        order = np.argsort(distances, kind="stable")
        gaps = np.diff(np.array(distances)[order])
        distinct = 1 + int(np.count_nonzero(gaps > _SAME_POSITION_MM))
        if distinct == len(frames):
            return [frames[row] for row in order], [distances[row] for row in order]
        if distinct > 1:
            raise InvalidArgument(
                f"{name} holds {len(frames)} slices at only {distinct} positions (time points, echoes or "
                "copies): put the slices of one volume into a folder of their own"
            )
    several_files = len({frame.path for frame in frames}) > 1
    keys = [(frame.instance or 0, frame.index) for frame in frames]
    if several_files and (any(frame.instance is None for frame in frames) or len(set(keys)) < len(keys)):
        raise InvalidArgument(
            f"{name}: the order of its {len(frames)} slices is not known: found neither different "
            "ImagePositionPatient nor different InstanceNumber in every file"
        )
    return sorted(frames, key=lambda frame: (frame.instance or 0, frame.index)), None


def voxel_spacing(frames: Sequence[Frame], distances: Sequence[float] | None) -> dict[str, Any]:
    """Give `spacing` in mm (z, y, x; y, x for one frame), and whether it is the same everywhere."""
    in_plane = {frame.spacing for frame in frames}
    spacing: list[float | None] = list(frames[0].spacing or (None, None))
    uniform = len(in_plane) == 1
    if len(frames) > 1:
        gap = frames[0].gap
        if distances is not None:
            gaps = np.diff(distances)
            gap = float(np.median(gaps))
            uniform = uniform and bool(np.all(np.abs(gaps - gap) <= _UNIFORM_FRACTION * gap))
        spacing = [gap, *spacing]
    return {"spacing": spacing, "spacing_uniform": uniform}


def patient_affine(frames: Sequence[Frame], distances: Sequence[float] | None) -> dict[str, Any]:
    """Give the affine from the index (x, y, z) to mm right, anterior, superior, where every frame has its place.

    DICOM counts to the left and back, hence the signs of the first two rows.
    """
    first, last = frames[0], frames[-1]
    if first.position is None or first.orientation is None or first.spacing is None or last.position is None:
        return {}
    if len(frames) > 1 and distances is None:
        return {}
    along_x, along_y = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    step = np.cross(along_x, along_y) * (first.gap or 1.0)
    if len(frames) > 1:
        step = (np.array(last.position) - np.array(first.position)) / (len(frames) - 1)
    affine = np.eye(4)
    affine[:3] = np.stack([along_x * first.spacing[1], along_y * first.spacing[0], step, first.position], axis=1)
    affine[:2] *= -1
    return {"affine": (affine + 0.0).tolist(), "space": "scanner"}  # + 0.0: no negative zeros in JSON


def _frame(header: Any, path: Path, index: int) -> Frame:
    """Read one frame's place from its header."""
    instance = header.get("InstanceNumber")
    slope = finite(_lookup(header, index, "RescaleSlope"))
    intercept = finite(_lookup(header, index, "RescaleIntercept"))
    in_plane = _lookup(header, index, "PixelSpacing") or header.get("ImagerPixelSpacing")
    return Frame(
        path=path,
        index=index,
        instance=None if instance is None else int(instance),
        position=_vector(_lookup(header, index, "ImagePositionPatient"), 3),
        orientation=_vector(_lookup(header, index, "ImageOrientationPatient"), 6),
        spacing=_vector(in_plane, 2),
        gap=finite(_lookup(header, index, "SpacingBetweenSlices")),
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
    )


def _lookup(header: Any, index: int, keyword: str) -> Any:
    """Find a value in the frame's own functional group, the shared one, or the plain header."""
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = header.get("SharedFunctionalGroupsSequence") or []
    for groups in (*per_frame[index : index + 1], *shared[:1]):
        group = groups.get(_GROUP_OF[keyword])
        if group and keyword in group[0]:
            return group[0].get(keyword)
    return header.get(keyword)


def _vector(values: Any, length: int) -> Vector | None:
    """Return `length` finite numbers, or None."""
    numbers = [finite(value) for value in values or ()]
    known = tuple(number for number in numbers if number is not None)
    return known if len(numbers) == len(known) == length else None


def _distances(frames: Sequence[Frame], name: str) -> list[float] | None:
    """Project every position on the common slice normal; None if a frame does not give its place."""
    placed = [(f.position, f.orientation) for f in frames if f.position is not None and f.orientation is not None]
    if len(frames) == 1 or len(placed) < len(frames):
        return None
    directions = np.array([orientation for _, orientation in placed])
    if np.abs(directions - directions[0]).max() > _SAME_DIRECTION:
        raise InvalidArgument(f"{name} holds slices of different orientation (a localizer?): they are no one volume")
    normal = np.cross(directions[0, :3], directions[0, 3:])
    return [float(np.dot(normal, position)) for position, _ in placed]
