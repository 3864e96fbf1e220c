"""BD-rate and BD-PSNR against published values; what they refuse."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mmip_gpu.bench.bd_rate import bd_psnr, bd_rate
from mmip_gpu.errors import InvalidArgument, MissingResource

# The two curves of JCTVC-E137 and the values of its spreadsheet, as the test of Netflix's BD-rate calculator gives
# them (vmaf, python/test/bd_rate_calculator_test.py: -0.00465215420752807 and -0.018779823450567612).
JCTVC_E137 = [
    (
        [108048.8736, 61279.976, 33905.6656, 18883.6928],
        [43.6471, 40.3953, 37.247, 34.2911],
        [108061.2784, 61299.9936, 33928.7472, 18910.912],
        [43.6768, 40.4232, 37.2761, 34.3147],
        -0.465215420752807,
    ),
    (
        [40433.8848, 7622.7456, 2394.488, 1017.6184],
        [37.5761, 35.3756, 33.8977, 32.0603],
        [40370.12, 7587.0024, 2390.0944, 1017.0984],
        [37.5982, 35.4025, 33.9194, 32.0822],
        -1.8779823450567612,
    ),
]
# Curves of the README of the package bjontegaard (libx265 with two presets), of VCEG-M33 and of a script that many
# copy, with the PCHIP values of bjontegaard 1.3.0: percent and dB.
BJONTEGAARD = [
    (
        [9487.76, 4593.60, 2486.44, 1358.24],
        [40.037, 38.615, 36.845, 34.851],
        [9787.80, 4469.00, 2451.52, 1356.24],
        [40.121, 38.651, 36.970, 34.987],
        -4.417485350589045,
        0.11969278542479489,
    ),
    (
        [90.33, 181.03, 332.99, 547.79],
        [27.95, 31.17, 34.44, 38.11],
        [127.1719, 186.14, 307.2924, 481.5588],
        [29.9286, 32.4165, 34.7013, 37.4561],
        -13.29252411102112,
        0.8091320352726121,
    ),
    (
        [686.76, 309.58, 157.11, 85.95],
        [40.28, 37.18, 34.24, 31.42],
        [893.34, 407.8, 204.93, 112.75],
        [40.39, 37.21, 34.17, 31.24],
        31.379878202397627,
        -1.1834724046224592,
    ),
]
BITS, PSNR = [0.25, 0.5, 1.0, 2.0, 4.0], [30.0, 33.0, 37.0, 42.0, 48.0]


@pytest.mark.parametrize("case", JCTVC_E137)
def test_the_spreadsheet_of_jctvc_e137(case):
    *curves, percent = case
    assert bd_rate(*curves) == pytest.approx(percent, abs=1e-10)


@pytest.mark.parametrize("case", BJONTEGAARD)
def test_the_package_bjontegaard(case):
    *curves, percent, decibels = case
    assert bd_rate(*curves) == pytest.approx(percent, abs=1e-10)
    assert bd_psnr(*curves) == pytest.approx(decibels, abs=1e-10)


def test_the_cubic_of_vceg_m33_is_near():
    """Bjontegaard's own polynomial gives -13.261773 % and 0.800713 dB (tbr/bjontegaard_cpp, example.cpp)."""
    *curves, _, _ = BJONTEGAARD[1]
    assert bd_rate(*curves) == pytest.approx(-13.261773, abs=0.05)
    assert bd_psnr(*curves) == pytest.approx(0.800713, abs=0.01)


curves = st.lists(st.tuples(st.floats(0.01, 30), st.floats(10, 90)), min_size=4, max_size=9, unique_by=lambda p: p[0])


@given(curves, st.floats(0.1, 10), st.floats(-2, 2))
def test_scaled_and_shifted_curves(points, factor, gain):
    bits, psnr = np.sort(np.array(points), axis=0).T.tolist()
    assume(min(np.diff(psnr)) > 1e-3)
    assume(min(np.diff(bits)) > 1e-3)
    assert bd_rate(bits, psnr, [factor * value for value in bits], psnr) == pytest.approx(100 * (factor - 1), abs=1e-6)
    assert bd_psnr(bits, psnr, bits, [value + gain for value in psnr]) == pytest.approx(gain, abs=1e-9)


def test_order_and_points_that_do_not_count():
    expected = bd_rate(BITS, PSNR, [0.8 * value for value in BITS], PSNR)
    assert expected == pytest.approx(-20)
    turned = bd_rate(BITS[::-1], PSNR[::-1], [0.8 * value for value in BITS], PSNR)
    assert turned == pytest.approx(expected)
    more_bits, more_psnr = [*BITS, 9.0, 1.5, 2.0, 5.0], [*PSNR, math.inf, 36.0, 41.0, math.nan]
    assert bd_rate(more_bits, more_psnr, [0.8 * value for value in BITS], PSNR) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("bits", "psnr", "message"),
    [
        (BITS[:3], PSNR[:3], "curve B: expected 4 points or more .*, found 3 of 3; measure more settings"),
        ([*BITS[:3], 4.0], [*PSNR[:3], math.inf], "found 3 of 4"),
        (BITS[:4], [30.0, 33.0, 37.0, 37.0], "found 3 of 4"),
        (BITS, PSNR[:4], "curve B: expected a PSNR for every rate, found 5 and 4"),
        ([0.0, *BITS[1:]], PSNR, "curve B: expected positive rates"),
        ([math.nan, *BITS[1:]], PSNR, "curve B: expected positive rates"),
        (
            BITS,
            [value + 15 for value in PSNR],
            r"expected curves that share 25% .* and \d\d\.000 .. .*\(17%\)",
        ),
        (BITS, [value + 100 for value in PSNR], r"\(0%\); measure settings of equal quality"),
        (BITS[:4], [39.0, 40.0, 41.0, 42.0], r"\(17%\)"),
    ],
)
def test_what_is_refused(bits, psnr, message):
    with pytest.raises(InvalidArgument, match=message):
        bd_rate(BITS, PSNR, bits, psnr)
    with pytest.raises(InvalidArgument, match=message.replace("curve B", "curve A")):
        bd_rate(bits, psnr, BITS, PSNR)


def test_25_percent_are_enough():
    assert bd_rate(BITS, PSNR, BITS, [value + 13.5 for value in PSNR]) < 0
    with pytest.raises(InvalidArgument, match="log10 of the bits"):
        bd_psnr(BITS, PSNR, [9 * value for value in BITS], PSNR)


def test_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(MissingResource, match="BD-rate: expected scipy"):
        bd_rate(BITS, PSNR, BITS, PSNR)
