"""The arithmetic of the comparison with rivals: interpolation, means, search."""

from __future__ import annotations

import math

import pytest

from mmip_gpu.bench.rates import Dial, Point, around, bits_at, bracket, geometric_mean, mean_ratio, rate_at

# --- interpolation and means


def test_bits_are_interpolated_on_a_logarithmic_scale() -> None:
    below, above = Point(0, 40, 0.5), Point(1, 44, 2.0)
    assert bits_at(below, above, 42) == pytest.approx(1.0)
    assert bits_at(below, above, 41) == pytest.approx(0.5 * 4**0.25)
    assert bits_at(below, above, 44) == pytest.approx(2.0)


def test_overshoot_gains_nothing() -> None:
    """Any two points of one exponential curve give the same bits at the target."""

    def curve(db: float) -> Point:
        return Point(db, db, 0.01 * 1.1**db)

    assert bits_at(curve(44.9), curve(45.6), 45) == pytest.approx(bits_at(curve(43), curve(45.01), 45))


def test_a_better_point_with_fewer_bits_counts() -> None:
    pair = Point(0, 49, 0.31), Point(1, 50.1, 0.25)
    assert rate_at(pair, pair, 50) == 0.25
    points = [*pair, Point(2, 55, 0.2), Point(3, math.inf, 0.4)]
    assert rate_at(points, pair, 50) == 0.2
    rising = Point(0, 49, 0.2), Point(1, 51, 0.3)
    assert rate_at(rising, rising, 50) == pytest.approx(math.sqrt(0.06))


def test_geometric_mean() -> None:
    assert geometric_mean([0.5, 2.0]) == pytest.approx(1.0)
    assert geometric_mean([2.0, 2.0, 16.0]) == pytest.approx(4.0)
    assert geometric_mean([]) is None


def test_mean_ratio_uses_common_targets_only() -> None:
    assert mean_ratio({40: 1.0, 50: 8.0, 60: 9.0}, {40: 2.0, 50: 4.0}) == pytest.approx(1.0)
    assert mean_ratio({40: 1.0}, {50: 1.0}) is None


# --- search


def test_around_ignores_exact_points() -> None:
    points = [Point(1, 40, 1), Point(2, 44, 2), Point(3, 50, 3), Point(4, math.inf, 4)]
    assert around(points, 44) == (points[0], points[1])
    assert around(points, 60) == (points[2], None)


@pytest.mark.parametrize("start", [10, 45, 100])
@pytest.mark.parametrize("bend", [0.2, 1.0, 3.0])
def test_bracket_is_close_on_a_continuous_curve(start: float, bend: float) -> None:
    calls = []

    def measure(parameter: float) -> Point:
        calls.append(parameter)
        return Point(parameter, 20 + bend * parameter + 0.5 * math.sin(parameter / 5), 2 ** (parameter / 10))

    points: dict[float, Point] = {}
    for target in (40.0, 47.0, 55.0):
        pair = bracket(measure, Dial(0, 300, start, 1.0), target, points)
        assert pair is not None
        assert target - 0.3 <= pair[0].psnr_db < target <= pair[1].psnr_db <= target + 0.3
    assert len(calls) == len(set(calls)) <= 24


def test_bracket_of_a_coarse_parameter_is_its_neighbours() -> None:
    def measure(parameter: float) -> Point:
        return Point(parameter, 6.02 * parameter, parameter)

    pair = bracket(measure, Dial(-17, 20, 3, 6, 1), 45, {})
    assert pair is not None
    assert [p.parameter for p in pair] == [7, 8]


def test_bracket_of_a_curve_that_is_not_monotone_ends() -> None:
    def measure(parameter: float) -> Point:
        return Point(parameter, 30 + parameter + (3 if int(parameter) % 2 else 0), 1 + parameter)

    pair = bracket(measure, Dial(0, 60, 10, 1, 1), 45, {})
    assert pair is not None
    assert pair[0].psnr_db < 45 <= pair[1].psnr_db


@pytest.mark.parametrize("target", [20.0, 70.0])
def test_bracket_outside_of_the_range_is_nothing(target: float) -> None:
    assert bracket(lambda p: Point(p, 30 + p, 1), Dial(0, 30, 15, 1), target, {}) is None


def test_bracket_below_exact_results() -> None:
    """8-bit data: the codec becomes exact soon above the target."""

    def measure(parameter: float) -> Point:
        return Point(parameter, parameter if parameter < 52 else math.inf, parameter)

    pair = bracket(measure, Dial(10, 130, 90, 1), 50, {})
    assert pair is not None
    assert pair[0].psnr_db < 50 <= pair[1].psnr_db < 52
    assert bracket(measure, Dial(10, 130, 90, 1), 60, {}) is None
