"""Intervals over images: seeds, coverage, and the ratio of a corpus."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmip_gpu.bench.intervals import bootstrap, corpus_ratio, mean_of_ratios
from mmip_gpu.errors import InvalidArgument


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30), st.integers(0, 2**32))
def test_the_interval_holds_the_mean_within_the_values(values, seed):
    mean, low, high = bootstrap(values, seed)
    slack = 1e-9 * max(map(abs, values))
    assert mean == pytest.approx(np.mean(values))
    assert min(values) - slack <= low <= high <= max(values) + slack
    assert (mean, low, high) == bootstrap(values, seed)


def test_another_seed_gives_another_interval_of_nearly_the_same_width():
    values = np.random.default_rng(0).normal(size=40).tolist()
    first, second = bootstrap(values, 1), bootstrap(values, 2)
    assert first[0] == second[0]
    assert first[1:] != second[1:]
    assert first[2] - first[1] == pytest.approx(second[2] - second[1], rel=0.1)


def test_coverage_of_the_true_mean():
    """95 % intervals of 30 normal values hold the true mean in 93 % of the cases or so."""
    rng = np.random.default_rng(3)
    found = [bootstrap((5 + rng.normal(size=30)).tolist(), seed) for seed in range(200)]
    assert 0.89 <= np.mean([low <= 5 <= high for _, low, high in found]) <= 0.99
    widths = [high - low for _, low, high in found]
    assert np.mean(widths) == pytest.approx(2 * 1.96 / math.sqrt(30), rel=0.1)


def test_few_values():
    assert bootstrap([3.5], 0) == (3.5, None, None)
    assert bootstrap([None, 3.5, None], 0) == (3.5, None, None)
    assert bootstrap([2.0, 2.0], 0) == (2.0, 2.0, 2.0)
    for values in ([], [None], [1.0, math.inf], [math.nan, 1.0]):
        with pytest.raises(InvalidArgument, match="expected one finite value or more"):
            bootstrap(values, 0)


def test_the_ratio_of_a_corpus_is_total_over_total():
    sizes = [(1000, 500), (1000, 250), (10, 1)]
    ratio, low, high = corpus_ratio(sizes, 0)
    assert ratio == pytest.approx(2010 / 751)
    assert 2 <= low < ratio < high <= 10
    assert mean_of_ratios(sizes) == pytest.approx((2 + 4 + 10) / 3)
    assert corpus_ratio([(8, 2)], 0) == (4.0, None, None)


@pytest.mark.parametrize("sizes", [[], [(1, 1), (2, 0)], [(0, 1)], [(3, -1)]])
def test_sizes_that_do_not_fit(sizes):
    for measure in (mean_of_ratios, lambda pairs: corpus_ratio(pairs, 0)):
        with pytest.raises(InvalidArgument, match="expected a positive size raw and coded for every image"):
            measure(sizes)
