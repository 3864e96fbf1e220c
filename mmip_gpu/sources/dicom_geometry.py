"""Places of DICOM slices: from where each frame lies in the patient to volumes, their voxel size and affine.

Values in: headers as pydicom gives them. Values out: frames of every volume in the order of z, and what metadata say
of their place. Implements no section of FORMAT.md; the projection on the slice normal is that of DICOM PS3.3
C.7.6.2. Guarantees that frames whose order is not known are refused, and that slices that lie unevenly have no affine
but each its own place.
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
    "TemporalPositionIndex": "FrameContentSequence",
}
_TIMES: Final = ("TemporalPositionIndex", "TemporalPositionIdentifier", "TriggerTime", "AcquisitionTime", "ContentTime")
HEADER_TAGS: Final = (
    *_GROUP_OF,
    *_TIMES,
    "ImagerPixelSpacing",
    "InstanceNumber",
    "DoseGridScaling",
    "GridFrameOffsetVector",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)
_SAME_POSITION_MM: Final = 1e-3
_SAME_DIRECTION: Final = 1e-3  # per direction cosine; scanners round them to 4 to 6 digits
_UNIFORM_FRACTION: Final = 0.01  # of the median gap: rounding of positions to 0.01 mm passes, a lost slice does not


@dataclass(frozen=True)
class Frame:
    """One slice: where its samples are, where and when it lies (mm), and how its values scale."""

    path: Path
    index: int
    instance: int | None
    position: Vector | None
    orientation: Vector | None
    spacing: Vector | None
    gap: float | None
    slope: float
    intercept: float
    times: tuple[float | None, ...] = ()


def file_frames(header: Any, path: Path) -> list[Frame]:
    """List the frames of one file in stored order."""
    frames = [_frame(header, path, index) for index in range(int(header.get("NumberOfFrames") or 1))]
    offsets = _vector(header.get("GridFrameOffsetVector"), len(frames))
    first = frames[0]
    if len(frames) == 1 or not offsets or first.position is None or first.orientation is None:
        return frames
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    places = [tuple((np.array(first.position) + normal * (offset - offsets[0])).tolist()) for offset in offsets]
    return [Frame(**(vars(frame) | {"position": at})) for frame, at in zip(frames, places, strict=True)]


def ordered_volumes(frames: Sequence[Frame], name: str) -> list[list[Frame]]:
    """Sort frames into volumes: one for every direction, and for every time that all its places were taken.

    Slices are sorted along their normal, or by InstanceNumber and stored order if positions do not differ.
    """
    groups: list[list[Frame]] = []
    for frame in frames:
        group = next((group for group in groups if _is_parallel(group[0], frame)), None)
        if group is None:
            groups.append([frame])
        else:
            group.append(frame)
    return [volume for group in groups for volume in _repeats(group, name)]


def axis_of_volumes(volumes: Sequence[Sequence[Frame]]) -> str:
    """Name the axis along which volumes follow each other: t where their times say so, n otherwise."""
    times = [volume[0].times for volume in volumes]
    for values in zip(*times, strict=True):
        known = [value for value in values if value is not None]
        if len(set(known)) == len(volumes):
            return "t"
    return "n"


def slice_places(frames: Sequence[Frame]) -> dict[str, Any]:
    """Give what metadata say of the place of a volume: `spacing` in mm, and an affine or the place of every slice.

    The affine leads from the index (x, y, z) to mm right, anterior, superior; DICOM counts to the left and back.
    """
    first = frames[0]
    spacing: list[float | None] = list(first.spacing or (None, None))
    sizes = {frame.spacing for frame in frames}
    found: dict[str, Any] = {}
    if len(sizes) > 1:
        spacing = [None, None]
        found["spacing_per_slice"] = [list(frame.spacing or (None, None)) for frame in frames]
    distances = _distances(frames)
    gap = first.gap
    if len(frames) > 1:
        gap = float(np.median(np.diff(distances))) if distances is not None else gap
        spacing = [gap, *spacing]
    placed = (
        first.position is not None and first.orientation is not None and (len(frames) == 1 or distances is not None)
    )
    steps = np.diff(np.array([frame.position for frame in frames]), axis=0) if placed else np.zeros((0, 3))
    limit = _UNIFORM_FRACTION * (gap or 0.0)
    is_even = len(steps) < 2 or bool(np.abs(steps - np.median(steps, axis=0)).max() <= limit)
    found = {"spacing": spacing, "spacing_uniform": len(sizes) == 1 and is_even} | found
    if placed and found["spacing_uniform"] and first.spacing is not None:
        found |= {"affine": _affine(frames), "space": "scanner"}
    elif placed and len(frames) > 1:
        flips = np.array([-1, -1, 1.0])
        found["slice_positions"] = [(flips * frame.position + 0.0).tolist() for frame in frames]
        found["directions"] = (np.tile(flips, 2) * first.orientation + 0.0).tolist()
    return found


def uneven(found: dict[str, Any], frames: Sequence[Frame]) -> list[str]:
    """Say why a volume has no affine though every slice has its place."""
    texts = []
    if "spacing_per_slice" in found:
        sizes = [size for frame in frames for size in frame.spacing or ()]
        texts.append(f"one voxel size: pixel spacing differs by slice, {min(sizes):g} to {max(sizes):g} mm")
    distances = _distances(frames)
    if "slice_positions" in found and distances is not None and not (texts or found["spacing_uniform"]):
        gaps = np.diff(distances)
        texts.append(
            f"affine: slices lie unevenly, {gaps.min():g} to {gaps.max():g} mm apart; DICOM keeps the place of each"
        )
    return texts


def _affine(frames: Sequence[Frame]) -> list[list[float]]:
    first, last = frames[0], frames[-1]
    along_x, along_y = np.array((first.orientation or ())[:3]), np.array((first.orientation or ())[3:])
    step = np.cross(along_x, along_y) * (first.gap or 1.0)
    if len(frames) > 1:
        step = (np.array(last.position) - np.array(first.position)) / (len(frames) - 1)
    sizes = first.spacing or (1.0, 1.0)
    affine = np.eye(4)
    affine[:3] = np.stack([along_x * sizes[1], along_y * sizes[0], step, np.array(first.position)], axis=1)
    affine[:2] *= -1
    rows: list[list[float]] = (affine + 0.0).tolist()  # + 0.0: no negative zeros in JSON
    return rows


def _frame(header: Any, path: Path, index: int) -> Frame:
    """Read one frame's place from its header."""
    instance = header.get("InstanceNumber")
    slope = finite(_lookup(header, index, "RescaleSlope") or header.get("DoseGridScaling"))
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
        times=tuple(finite(_lookup(header, index, keyword)) for keyword in _TIMES),
    )


def _lookup(header: Any, index: int, keyword: str) -> Any:
    """Find a value in the frame's own functional group, the shared one, or the plain header."""
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = header.get("SharedFunctionalGroupsSequence") or []
    for groups in (*per_frame[index : index + 1], *shared[:1]) if keyword in _GROUP_OF else ():
        group = groups.get(_GROUP_OF[keyword])
        if group and keyword in group[0]:
            return group[0].get(keyword)
    return header.get(keyword)


def _vector(values: Any, length: int) -> Vector | None:
    """Return `length` finite numbers, or None."""
    numbers = [finite(value) for value in values or ()]
    known = tuple(number for number in numbers if number is not None)
    return known if len(numbers) == len(known) == length else None


def _is_parallel(frame: Frame, other: Frame) -> bool:
    if frame.orientation is None or other.orientation is None:
        return frame.orientation is other.orientation
    return bool(np.abs(np.subtract(frame.orientation, other.orientation)).max() <= _SAME_DIRECTION)


def _repeats(frames: list[Frame], name: str) -> list[list[Frame]]:
    """Split parallel frames into volumes of which each takes every place once, in order."""
    distances = _distances(frames)
    if distances is not None:
        order = np.argsort(distances, kind="stable")
        starts = np.flatnonzero(np.diff(np.array(distances)[order], prepend=-np.inf) > _SAME_POSITION_MM)
        places = [[frames[row] for row in rows] for rows in np.split(order, starts[1:])]
        if len(places) == len(frames):
            return [[frame for (frame,) in places]]
        if len(places) > 1:
            counts = {len(place) for place in places}
            if len(counts) > 1:
                raise InvalidArgument(
                    f"{name} holds {len(frames)} slices at only {len(places)} positions, not equally often (copies, or "
                    "slices that were lost): put the slices of one volume into a folder of their own"
                )
            return [list(volume) for volume in zip(*(_by_number(place, name) for place in places), strict=True)]
    files = {frame.path for frame in frames}
    if 1 < len(files) < len(frames):
        whole = [[frame for frame in frames if frame.path == path] for path in files]
        return sorted(whole, key=lambda volume: (volume[0].instance or 0, volume[0].path))
    return [_by_number(frames, name)]


def _by_number(frames: Sequence[Frame], name: str) -> list[Frame]:
    """Sort by InstanceNumber and stored order."""
    keys = [(frame.instance or 0, frame.index) for frame in frames]
    several_files = len({frame.path for frame in frames}) > 1
    if several_files and (any(frame.instance is None for frame in frames) or len(set(keys)) < len(keys)):
        raise InvalidArgument(
            f"{name}: the order of its {len(frames)} slices is not known: found neither different "
            "ImagePositionPatient nor different InstanceNumber in every file"
        )
    return sorted(frames, key=lambda frame: (frame.instance or 0, frame.index))


def _distances(frames: Sequence[Frame]) -> list[float] | None:
    """Project every position on the common slice normal; None if a frame does not give its place."""
    orientation = frames[0].orientation
    positions = [frame.position for frame in frames if frame.position is not None]
    if len(frames) == 1 or len(positions) < len(frames) or orientation is None:
        return None
    found: list[float] = (np.array(positions) @ np.cross(orientation[:3], orientation[3:])).tolist()
    return found if max(found) - min(found) > _SAME_POSITION_MM else None
