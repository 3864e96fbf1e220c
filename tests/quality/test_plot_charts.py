"""Figures of numbers: curves and bars are as high and as long as their numbers, and each codec has its colour."""

from __future__ import annotations

import re

import numpy as np
import pytest
from helpers.drawn import is_colour, part, pixels

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.quality.drawing import COLOURS
from mmip_gpu.quality.plot_charts import plot_downstream, plot_rate, plot_throughput

pytest.importorskip("matplotlib")


def bar_length(image: np.ndarray, colour: str) -> float:
    """Pixels of a colour in most of the rows that have some: of its bar, not of its mark in the legend."""
    lengths = is_colour(image, colour, 10).sum(axis=1)
    return float(np.median(lengths[lengths > 0]))


def scores(group: str, codec: str, level: float, **more: float) -> list[dict[str, object]]:
    rates = (0.5, 1.0, 2.0)
    return [{"group": group, "codec": codec, "bits_per_sample": bits, "score": level} | more for bits in rates]


def height(image: np.ndarray, colour: str) -> float:
    """The row in the middle of a colour, above 0."""
    return float(np.nonzero(is_colour(image, colour))[0].mean())


def test_a_better_score_is_drawn_above(tmp_path):
    rows = scores("EM", "a", 0.6) + scores("EM", "b", 0.7) + scores("EM", "c", 0.9)
    plot_downstream(rows, tmp_path / "a.png", score="Dice", title="nuclei")
    chart = part(pixels(tmp_path / "a.png"), (0.1, 0.8), (0.1, 1))
    low, middle, high = (height(chart, colour) for colour in COLOURS[:3])
    assert high < middle < low
    assert (low - middle) / (low - high) == pytest.approx(1 / 3, abs=0.03)


def test_every_group_has_a_panel_and_a_codec_one_colour(tmp_path):
    rows = scores("EM", "a", 0.6) + scores("histology", "b", 0.7) + scores("histology", "a", 0.8)
    plot_downstream(rows, tmp_path / "a.png")
    drawn = pixels(tmp_path / "a.png")
    left, right = part(drawn, (0.05, 0.83), (0.1, 0.5)), part(drawn, (0.05, 0.83), (0.6, 1))
    assert [is_colour(side, COLOURS[0]).any() for side in (left, right)] == [True, True]
    assert [is_colour(side, COLOURS[1]).any() for side in (left, right)] == [False, True]
    plot_downstream(rows, tmp_path / "a.svg", score="AP@0.5", title="nuclei")
    text = (tmp_path / "a.svg").read_text()
    assert all(
        f">{words}</text>" in text for words in ("EM", "histology", "AP@0.5", "nuclei", "a", "b", "bits per sample")
    )


def test_an_interval_is_a_band(tmp_path):
    plot_downstream(scores("EM", "a", 0.6), tmp_path / "line.png")
    plot_downstream(scores("EM", "a", 0.6, low=0.5, high=0.8), tmp_path / "band.png")
    pale = [
        (part(pixels(tmp_path / name), (0.15, 0.7), (0.2, 0.9)) @ (-1, 0, 1) > 15).mean()
        for name in ("line.png", "band.png")
    ]
    assert pale[0] < 0.1
    assert pale[1] > 0.4


def test_bars_are_as_long_as_their_numbers(tmp_path):
    rows = [{"name": "slow", "encode": 50.0, "decode": None}, {"name": "fast", "encode": 200.0, "decode": 100.0}]
    plot_throughput(rows, tmp_path / "a.png", title="rates")
    chart = part(pixels(tmp_path / "a.png"), (0.12, 0.75), (0, 1))
    half = len(chart) // 2
    slow, fast = (bar_length(rows, COLOURS[0]) for rows in (chart[:half], chart[half:]))
    assert fast == pytest.approx(4 * slow, rel=0.05)
    assert bar_length(chart[half:], COLOURS[4]) == pytest.approx(2 * slow, rel=0.05)
    plot_throughput(rows, tmp_path / "a.svg", title="rates")
    text = (tmp_path / "a.svg").read_text()
    assert all(f">{words}</text>" in text for words in ("slow", "fast", "50", "200", "100", "not measured", "rates"))


def test_large_rates_are_written_out(tmp_path):
    plot_throughput([{"name": "a", "encode": 1718.6, "decode": 4.5678}], tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    assert all(f">{words}</text>" in text for words in ("1719", "4.57"))


@pytest.mark.parametrize("rates", [(1.4, 1.6, 1.9), (0.01, 1, 16), (1, 1, 1)])
def test_rates_have_ticks_where_they_are(rates, tmp_path):
    """A range without a power of two has numbers at its axis, too."""
    plot_rate([{"codec": "a", "bits_per_sample": bits, "psnr": 40 + bits} for bits in rates], tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    ticks = re.findall(r'<g id="xtick_\d+">.*?<text[^>]*>([\d.]+)</text>', text, re.S)
    assert len(ticks) >= 2
    assert all(min(rates) / 2 <= float(tick) <= max(rates) * 2 for tick in ticks)


def test_what_cannot_be_drawn_is_refused(tmp_path):
    for plot, rows, words in (
        (plot_downstream, [{"codec": "a"}], "group, codec, bits_per_sample and score"),
        (plot_downstream, scores("EM", "a", float("nan")), "rows with a score"),
        (plot_downstream, [], "found 0 rows"),
        (plot_throughput, [{"name": "a", "encode": None, "decode": None}], "rows with a rate"),
        (plot_throughput, ["a"], "name, encode and decode"),
    ):
        with pytest.raises(InvalidArgument, match=words):
            plot(rows, tmp_path / "a.png")
    with pytest.raises(InvalidArgument, match="found 'xyz'"):
        plot_throughput([{"name": "a", "encode": 1.0, "decode": 2.0}], tmp_path / "a.xyz")
