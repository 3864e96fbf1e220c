"""Errors that are measured without a decoded array, and indices that are made again for other steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.device_options import CASES, case
from helpers.strategies import make

import mmip_gpu as mmip
from mmip_gpu.container.header import Header
from mmip_gpu.encoding import planned
from mmip_gpu.options import EncodeSettings
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.analyzed import HostAnalysis
from mmip_gpu.transform.planning.probe_regions import tile_probe
from mmip_gpu.transform.planning.trial import HostSamples
from mmip_gpu.volume.axes import PlaneLayout

LOSSY = [name for name in CASES if name not in ("lossless", "raw", "empty")]


def header_of(blob: bytes) -> Header:
    return Header.parse(blob)[0]


def planned_case(name: str, **more: object) -> tuple[ChunkPlan, HostSamples]:
    array, options = case(name)
    settings = EncodeSettings.of(**options | more)
    trial, plan = planned(lambda roi, axes: HostSamples(array, roi if isinstance(roi, np.ndarray) else None), settings)
    assert isinstance(trial.samples, HostSamples)
    assert isinstance(plan, ChunkPlan)
    return replace(plan, choice_steps=None), trial.samples


def with_steps_of(plan: ChunkPlan, factor: float) -> ChunkPlan:
    """The plan with other steps, in 1/256, of the classes that have any."""
    steps = tuple(
        row if exact else tuple(max(round(step * factor), 64) for step in row)
        for row, exact in zip(plan.steps, plan.reversible, strict=True)
    )
    return replace(plan, steps=steps)


@pytest.mark.parametrize("effort", [1, 2, 3])
@pytest.mark.parametrize("name", LOSSY)
def test_the_record_is_that_of_a_full_decode(name: str, effort: int) -> None:
    array, options = case(name)
    options = {**options, "effort": effort, "verify": True}
    blob = mmip.encode(array, **options)
    loss = mmip.inspect(blob)["loss"]
    apart = np.abs(mmip.decode(blob).astype(np.float64) - array)
    assert loss["max_error"] == pytest.approx(float(apart.max()), rel=1e-6)
    assert header_of(blob).loss.sse == pytest.approx(float((apart**2).sum()), rel=1e-9)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
@pytest.mark.parametrize("shape", [(70, 93), (20, 37, 45)])
@pytest.mark.parametrize("kind", ["noise", "edges"])
def test_errors_of_any_size_are_measured_exactly(kind: str, shape: tuple[int, ...], dtype: str) -> None:
    array = make(kind, shape, dtype, 5)
    for qstep in (1.5, 40.0, 3000.0, 16000.0):
        for roi in (None, f"threshold:{int(array.max()) - 1}"):
            blob = mmip.encode(
                array, qstep=qstep, roi=roi, padding=int(array.min()), cell_depth=1 if len(shape) < 3 else 8
            )
            loss, apart = mmip.inspect(blob)["loss"], mmip.decode(blob).astype(np.int64) - array
            assert loss["max_error"] == np.abs(apart).max()
            assert header_of(blob).loss.sse == (apart**2).sum()


@pytest.mark.parametrize("effort", [1, 2, 3])
@pytest.mark.parametrize("name", LOSSY)
def test_blocks_that_are_kept_for_their_own_steps_change_nothing(name: str, effort: int) -> None:
    plan, samples = planned_case(name, effort=effort)
    own, kept = samples.analyzed(plan), samples.analyzed(replace(plan, choice_steps=plan.steps))
    assert kept.payloads() == own.payloads()
    assert kept.class_errors() == own.class_errors()
    assert kept.estimate() == pytest.approx(own.estimate(), rel=1e-12)


@pytest.mark.parametrize("name", LOSSY)
def test_other_steps_give_what_an_analysis_by_both_gives(name: str) -> None:
    plan, samples = planned_case(name, effort=1)
    analysis = samples.analyzed(replace(plan, choice_steps=plan.steps))
    for factor in (1.1, 0.93, 1.0, 1.02):
        moved = replace(with_steps_of(plan, factor), choice_steps=plan.steps)
        analysis, expected = analysis.requantized(moved), samples.analyzed(moved)
        assert analysis.payloads() == expected.payloads()
        assert analysis.estimate() == expected.estimate()
        coded = analysis.encoded(moved, False)
        decoded = mmip.decode(coded.to_bytes())
        assert decoded.shape == samples.array.shape
        loss = coded.header.loss
        if samples.array.dtype.kind != "f":
            assert loss.sse == int(((decoded.astype(np.int64) - samples.array) ** 2).sum()) or not plan.config.verify


@pytest.mark.parametrize("shape", [(64, 70, 80), (300, 500)])
@pytest.mark.parametrize("psnr", [40.0, 48.0, 60.0])
def test_blocks_are_chosen_once_for_a_psnr_that_is_met_closely(
    shape: tuple[int, ...], psnr: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all samples; of parts of them they are chosen for the first step."""
    array, analyzed = make("textured", shape, "uint16", 9), []
    plain = HostSamples.analyzed

    def counted(samples: HostSamples, plan: ChunkPlan, **options: bool) -> object:
        analyzed.append(samples.array.size)
        return plain(samples, plan, **options)

    monkeypatch.setattr(HostSamples, "analyzed", counted)
    blob = mmip.encode(array, psnr=psnr, effort=1)
    assert psnr <= mmip.inspect(blob)["loss"]["psnr"] < psnr + 0.1
    assert analyzed.count(array.size) == 1
    again = mmip.encode(array, psnr=psnr, effort=1, threads=2)
    assert again == blob


@pytest.mark.parametrize("kind", ["noise", "edges", "smooth", "half"])
@pytest.mark.parametrize("effort", [1, 2, 3])
def test_a_psnr_is_reached_whatever_the_samples(kind: str, effort: int) -> None:
    for shape, dtype in (((40, 50), "uint8"), ((9, 40, 33), "int16"), ((600, 520), "uint8")):
        array = make(kind, shape, dtype, 4)
        for psnr in (25.0, 48.0, 70.0, 96.0):
            reached = mmip.inspect(mmip.encode(array, psnr=psnr, effort=effort))["loss"]["psnr"]
            assert reached is None or reached >= psnr  # None: bit-exact


@pytest.mark.parametrize("depth", [1, 8])
def test_masked_blocks_settle_when_indices_are_read(depth: int) -> None:
    """Measuring does not look at them, so it leaves what follows as it is; nor does a step that comes after packing."""
    array = make("textured", (16, 90, 100), "uint16", 3)
    array[:, :40, :50] = 7
    settings = EncodeSettings.of(qstep=900.0, padding=7, effort=1, cell_depth=depth)
    trial, plan = planned(lambda roi, axes: HostSamples(array), settings)
    assert isinstance(plan, ChunkPlan)
    kept = replace(plan, choice_steps=plan.steps)
    measured, packed = trial.samples.analyzed(kept), trial.samples.analyzed(kept)
    errors = measured.class_errors()
    assert packed.payloads() == measured.payloads()
    assert packed.class_errors() == errors
    moved = replace(with_steps_of(plan, 1.2), choice_steps=plan.steps)
    assert isinstance(packed, HostAnalysis)
    assert packed.requantized(moved).payloads() == trial.samples.analyzed(moved).payloads()


@pytest.mark.parametrize("depth", [1, 8])
@pytest.mark.parametrize(("axes", "shape"), [("yx", (1760, 1700)), ("zyx", (56, 512, 480)), ("tcyx", (9, 2, 640, 700))])
def test_parts_of_an_array_are_coded_as_in_it(axes: str, shape: tuple[int, ...], depth: int) -> None:
    """They stand where its largest blocks do, and are as long."""
    layout, size = PlaneLayout.of(shape, axes), {1: {"y": 64, "x": 64, "z": 4}, 8: {"y": 32, "x": 32, "z": 16}}[depth]
    regions = tile_probe(layout, depth)
    assert len(regions) in (16, 32, 64)
    for region in regions:
        for axis, part, n in zip(axes, region, shape, strict=True):
            length = n if axis == "c" else size.get(axis, 1)
            assert part.stop - part.start == length
            assert part.start % length == 0


@pytest.mark.parametrize("shape", [(64, 150, 160), (32, 260, 260)])
@pytest.mark.parametrize(("target", "value", "most"), [("ratio", 6, 6 * 1.03), ("psnr", 46.0, 46.1)])
@pytest.mark.parametrize("effort", [2, 3])
def test_a_target_of_a_large_array_codes_it_once_at_its_effort(
    effort: int, target: str, value: float, most: float, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    array, efforts = make("textured", shape, "uint16", 9), []
    plain = HostSamples.analyzed

    def counted(samples: HostSamples, plan: ChunkPlan, **options: bool) -> object:
        if samples.array.size == array.size:
            efforts.append(plan.config.effort)
        return plain(samples, plan, **options)

    monkeypatch.setattr(HostSamples, "analyzed", counted)
    found = mmip.inspect(mmip.encode(array, effort=effort, **{target: value}))
    assert value <= (found["ratio"] if target == "ratio" else found["loss"]["psnr"]) < most
    assert efforts == [1, effort]
