"""The step of a PSNR for a whole store: found on pieces of it, so that chunks are coded once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from helpers.edges import edges
from helpers.stores import VOLUME, textured
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu._core import UNKNOWN_ACTIVITY
from mmip_gpu.config import CodecConfig
from mmip_gpu.sources import Source, open_source
from mmip_gpu.store.group.staged_form import StagedForm
from mmip_gpu.store.job.overview import cell_activities, overview, samples_by_activity
from mmip_gpu.store.job.step_survey import Pieces, piece_regions
from mmip_gpu.store.job.survey import Summary, surveyed_here
from mmip_gpu.transform.planning.array_reader import ArrayReader
from mmip_gpu.transform.planning.make_plan import make_plan
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout


def in_blocks(*lengths: int) -> Any:
    """A survey that takes blocks of other lengths."""

    def survey(summarize: Summary, source: Source) -> Iterator[Any]:
        for at in np.ndindex(*(-(-n // length) for n, length in zip(source.shape, lengths, strict=True))):
            start = tuple(i * length for i, length in zip(at, lengths, strict=True))
            region = tuple(slice(s, min(s + n, end)) for s, n, end in zip(start, lengths, source.shape, strict=True))
            yield summarize([(start, source.read(region))])

    return survey


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_an_overview_does_not_depend_on_the_blocks(dtype: str) -> None:
    array = textured((20, 50, 70)).astype(dtype)
    regions = [(slice(3, 9), slice(8, 40), slice(5, 69)), (slice(0, 20), slice(48, 50), slice(0, 8))]
    step = 0.5 if dtype == "float32" else None
    first = overview(open_source(array), regions, step, surveyed_here)
    assert first.limits == (array.min(), array.max())
    assert first.cells is not None
    assert first.cells.sum() > 0
    for lengths in ((20, 50, 70), (1, 8, 16), (7, 24, 64)):
        found = overview(open_source(array), regions, step, in_blocks(*lengths))
        assert found.limits == first.limits
        assert np.array_equal(found.cells, first.cells)
        for region, part in zip(regions, found.parts, strict=True):
            assert np.array_equal(part, array[region])


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32"])
def test_activities_are_those_of_differences_along_x_and_y(dtype: str) -> None:
    planes = textured((2, 3, 21, 30), "int16").astype(dtype)
    planes[0, 0] = 5
    found = cell_activities(planes)
    for at in np.ndindex(*found.shape):
        p, z, j, i = at
        cell = planes[p, z, 8 * j : 8 * j + 8, 8 * i : 8 * i + 8].astype(np.float64)
        squares = np.concatenate([(np.diff(cell, axis=axis) ** 2).reshape(-1) for axis in (0, 1)])
        mean = float(squares.mean()) if squares.size else 0.0
        half, exponent = np.frexp(mean)
        steps = 4 * (int(exponent) + 5) + int(8 * half - 4) if mean else 0
        assert abs(int(found[at]) - min(max(steps, 0), 254)) <= 1, at  # one for a mean at the edge of a step
    few = cell_activities(planes, first=2, every=4)
    rows = np.array([[(2 + z + row) % 4 == 0 for row in range(3)] for z in range(3)])
    assert np.array_equal(few[:, rows], found[:, rows])
    assert (few[:, ~rows] == UNKNOWN_ACTIVITY).all()


@pytest.mark.parametrize(
    ("shape", "axes", "colour"),
    [((64, 1200, 1200), "zyx", False), ((9, 3, 700, 500), "tcyx", False), ((4000, 3000, 3), "yxc", True)],
)
def test_pieces_are_alike_and_spread(shape: tuple[int, ...], axes: str, colour: bool) -> None:
    regions = piece_regions(PlaneLayout.of(shape, axes), colour)
    sizes = {tuple(s.stop - s.start for s in region) for region in regions}
    assert len(sizes) == 1
    assert len(regions) >= 24
    share = sum(np.prod([s.stop - s.start for s in region]) for region in regions) / np.prod(shape)
    assert share < 0.15
    for axis, letter in enumerate(axes):
        places = {region[axis].start for region in regions}
        assert min(places) < shape[axis] / 4
        assert max(region[axis].stop for region in regions) > 3 * shape[axis] / 4, letter


PHANTOMS = {
    "brick": mmip.phantom3d((48, 192, 192)),
    "slices": mmip.phantom3d((9, 320, 320)),
    "times": mmip.phantom3d((32, 128, 128)).reshape(4, 8, 128, 128),
    "walk": textured((20, 200, 200)),
    "image": mmip.phantom2d(1200),
}


def test_chunks_of_phantoms_are_coded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all chunks together at most a twentieth is coded again; nothing is far above what was asked for."""
    coded, chunks, encode = 0, 0, StagedForm.encode

    def counted(*arguments: Any) -> Any:
        nonlocal coded
        coded += 1
        return encode(*arguments)

    monkeypatch.setattr(StagedForm, "encode", counted)
    for name, array in PHANTOMS.items():
        for psnr in (40, 48, 56):
            report = mmip.write_zarr(array, MemoryStore(), psnr=psnr, effort=1, chunks=64, progress=False)
            chunks += report["chunk_count"]
            assert psnr <= report["loss"]["psnr"] < psnr + 0.35, (name, psnr)
    assert coded <= 1.05 * chunks


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({"effort": 1}, 0.1),
        ({"effort": 2}, 0.25),
        ({"effort": 2, "prediction": True}, 0.2),
        ({"effort": 3}, 0.3),  # whose errors jump from step to step
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["floats", "colour", "regions", "channels", "edges"])
def test_small_arrays_are_coded_once(
    monkeypatch: pytest.MonkeyPatch, name: str, options: dict[str, Any], most: float
) -> None:
    """What all of their chunks lose is known before the first one is written."""
    array = edges((6, 100, 170), 2)
    coded, encode, own = 0, StagedForm.encode, dict[str, Any]()

    def counted(*arguments: Any) -> Any:
        nonlocal coded
        coded += 1
        return encode(*arguments)

    if name == "floats":
        array, own = (array / 8).astype(np.float32), {"step": 0.25}  # type: ignore[assignment]
    elif name == "colour":
        array, own = np.stack([array, array // 2, array // 3], -1), {"axes": "zyxc", "colour": True}
    elif name == "regions":
        own = {"roi": "threshold:2000", "roi_quality": 80}
    elif name == "channels":
        array, own = np.stack([array, array // 3]), {"axes": "czyx", "per_channel": False}
    monkeypatch.setattr(StagedForm, "encode", counted)
    report = mmip.write_zarr(array, MemoryStore(), psnr=44, chunks=(16, 64, 96), progress=False, **options, **own)
    assert 44 <= report["loss"]["psnr"] < 44 + most
    assert coded == report["chunk_count"] > 1


def test_pieces_that_differ_leave_a_doubt() -> None:
    plan = make_plan(CodecConfig("qstep", 20.0, effort=1), ArrayReader(Trial(VOLUME), PlaneLayout.of(VOLUME.shape)))
    even = [(VOLUME[:, :32, :32], None)] * 4
    flat = np.full((20, 32, 32), 7, np.int16)
    cells = np.repeat(np.repeat(np.random.default_rng(0).integers(0, 200, (20, 4, 4)), 8, 1), 8, 2).astype(np.int16)
    other = [(flat, None)] * 3 + [(cells, None)]  # all without a difference inside of a cell
    for parts, least, most in ((even, 0, 1e-6), (other, 0.05, 2), (even[:1], 0, 0)):
        pieces = Pieces(parts, "zyx", None, 1)
        assert pieces.mean_error(plan) > 0
        assert least <= pieces.doubt <= most


def test_cells_at_the_ends_have_fewer_samples() -> None:
    planes = textured((1, 2, 21, 30), "int16")
    planes[..., 24:] = 7
    found = samples_by_activity(cell_activities(planes), planes.shape[1:])
    assert found.sum() == planes.size
    assert found[0] == 2 * 21 * 6
