"""The plan of a store is that of the array, where the planner sees the same samples of both."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers.padded_images import DISC, disc

from mmip_gpu.arguments import is_colour
from mmip_gpu.options import EncodeSettings
from mmip_gpu.sources import Source
from mmip_gpu.store.job.job import Job
from mmip_gpu.store.job.job_reader import described_job
from mmip_gpu.store.job.survey import Summary, surveyed_here
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.array_reader import ArrayReader
from mmip_gpu.transform.planning.make_plan import make_plan
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.roi import roi_classes

RAMP = np.add.outer(np.arange(24) * 9, np.add.outer(np.arange(40), np.arange(56) * 2))
RAMP = RAMP + np.random.default_rng(3).integers(0, 9, RAMP.shape)
TARGETS: list[dict[str, Any]] = [
    {"quality": 20},
    {"quality": 20, "roi": "threshold:150"},
    {"qstep": 3.0, "cell_depth": 8},
    {"max_error": 4, "stages": 3},
    {"lossless": True, "stages": 3},
    {"max_error": 2, "roi": "threshold:150", "roi_quality": "lossless"},
]


def unread(summarize: Summary, source: Source) -> Iterable[Any]:
    raise AssertionError("all samples are looked through")


def plans(array: np.ndarray, options: dict[str, Any], survey: Any = surveyed_here) -> tuple[ChunkPlan, ChunkPlan]:
    """Plans of an array at hand, and of a store of it."""
    settings = EncodeSettings.of(**options)
    layout = settings.layout(array.shape)
    whole = Trial(array, roi_classes(settings.roi, array, layout.axes))
    reader = ArrayReader(whole, layout, is_colour(settings.colour, layout, array.dtype))
    job = Job.of(array, settings)
    _, description = described_job(job, 1, survey)
    return make_plan(job.config, reader, settings.data_range), description.plan


@pytest.mark.parametrize("options", TARGETS, ids=str)
def test_plans_of_an_array_and_of_its_store_are_one(options):
    of_array, of_store = plans(RAMP.astype(np.int16), options, unread)
    assert of_array == of_store


def test_float_samples_that_exclude_3d_cells_do_so_in_both():
    array = (RAMP * 150).astype(np.float32)
    of_array, of_store = plans(array, {"quality": 20, "step": 0.25})
    assert of_array == of_store
    assert of_array.depth == 1


def test_a_padding_value_that_occurs_nowhere_is_left_out_of_an_array_only():
    of_array, of_store = plans(RAMP.astype(np.int16), {"qstep": 3.0, "padding": -7})
    assert (of_array.padding, of_store.padding) == (None, -7)


@pytest.mark.parametrize("options", [{"qstep": 60.0}, {"max_error": 4, "stages": 3}], ids=str)
@pytest.mark.parametrize("effort", [1, 2, 3])
def test_padding_that_is_found_leaves_a_store_the_tiles_of_its_probe(options, effort):
    """At effort 1 rates on the probe choose smaller ones than those of the array with its padding do."""
    of_array, of_store = plans(disc((300, 300)), options | {"effort": effort})
    assert of_array.padding == of_store.padding == DISC
    assert of_array.tile_log2 == (0, 6, 6)
    assert of_store.tile_log2 == ((0, 5, 5) if effort == 1 else (0, 6, 6))
    assert replace(of_store, tile_log2=of_array.tile_log2) == of_array
