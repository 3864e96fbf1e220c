"""Curves of a report: between measured points only, means of images that all have them, names and groups of records."""

from __future__ import annotations

import math

import pytest
from helpers import bench_records as made

from mmip_gpu.bench.report.quality_curves import Curve, measures_of, number, series_name
from mmip_gpu.bench.report.results import Results, compared_images, group_curves, mean_curve, setting_text
from mmip_gpu.errors import InvalidArgument


def test_quality_between_points_is_a_line_over_the_logarithm_of_the_bits():
    curve = Curve.of([(4.0, 50.0), (1.0, 40.0), (2.0, 47.0)])
    assert curve.at_bits(1.0) == 40.0
    assert curve.at_bits(math.sqrt(2)) == pytest.approx(43.5)
    assert curve.at_bits(4.0) == 50.0
    assert curve.at_quality(43.5) == pytest.approx(math.sqrt(2))
    assert curve.at_quality(40.0) == 1.0
    assert curve.at_quality(50.0) == 4.0


@pytest.mark.parametrize("points", [[], [(1.0, 40.0)], [(1.0, 40.0), (2.0, 45.0)]])
def test_nothing_is_extrapolated(points):
    curve = Curve.of(points)
    assert curve.at_bits(0.99) is None
    assert curve.at_bits(2.01) is None
    assert curve.at_quality(39.9) is None
    assert curve.at_quality(45.1) is None


def test_what_is_exact_or_of_no_bits_is_no_point():
    assert Curve.of([(1.0, math.inf), (0.0, 3.0), (2.0, 40.0), (2.0, 41.0), (3.0, math.nan)]).points == ((2.0, 41.0),)


@pytest.mark.parametrize(
    ("scores", "found"),
    [
        ([0.8, 0.88, 0.9, 0.9], ("=", 2 * 2**0.5)),
        ([0.9, 0.7, 0.9, 0.9], ("=", 2 * 2 ** (0.19 / 0.2))),  # falls again below a good point: the last fall counts
        ([0.9, 0.9, 0.9, 0.9], ("<", 1.0)),
        ([0.7, 0.8, 0.85, 0.88], (">", 8.0)),
    ],
)
def test_the_last_fall(scores, found):
    relation, bits = Curve.of(zip([1.0, 2.0, 4.0, 8.0], scores, strict=True)).last_fall(0.89)
    assert (relation, bits) == (found[0], pytest.approx(found[1]))
    assert Curve(()).last_fall(0.89) is None


def test_a_mean_curve_is_where_all_images_were_measured():
    curves = [Curve.of([(1, 40.0), (4, 50.0)]), Curve.of([(2, 50.0), (8, 60.0)])]
    curve, band = mean_curve(curves)
    assert curve.bits[0] == 2
    assert curve.bits[-1] == 4
    assert curve.at_bits(2) == pytest.approx(47.5)
    assert curve.at_bits(4) == pytest.approx(52.5)
    assert all(low <= curve.at_bits(bits) <= high for bits, low, high in band)
    assert mean_curve(curves[:1]) == (curves[0], [])
    assert mean_curve([curves[0], Curve.of([(5, 1.0), (6, 2.0)])]) == (Curve(()), [])


def test_measures_are_those_that_a_record_has():
    records = made.results()
    names = [measure.name for measure in measures_of(records)]
    assert names == [
        "PSNR",
        "MS-SSIM",
        "Dice of nuclei against the ground truth",
        "Dice of nuclei against the segmented original",
    ]
    assert [m.name for m in measures_of([record | {"tasks": {}} for record in records])] == names[:2]


def test_a_codec_without_an_image_of_the_group_has_no_curve_in_it():
    records = [r for r in made.results() if (r["codec"]["name"], r["image"]["name"]) != ("mmip effort 3", "em2")]
    results = Results.of(records)
    psnr = measures_of(records)[0]
    assert set(group_curves(results, psnr, results.groups["EM"])) == {made.ANCHOR, "rival <&>"}
    assert set(group_curves(results, psnr, ["em1"])) == set(made.CODECS)


def test_an_image_without_loss_everywhere_is_in_no_mean():
    constant = made.image_facts("constant")
    records = [*made.results(), *(made.record(constant, codec, 0.1, math.inf) for codec in made.CODECS)]
    for more in ([], [made.record(constant, "rival <&>", 0.2, 60.0)]):
        results = Results.of(records + more)
        psnr = measures_of(records)[0]
        assert results.groups["EM"] == ["em1", "em2", "constant"]
        assert compared_images(results, psnr, results.groups["EM"]) == ("em1", "em2")
    assert compared_images(Results.of(more), psnr, ["constant"]) == ("constant",)


def test_no_record_is_dropped():
    results = Results.of(made.results())
    assert len(results.measured) == 54
    assert [record["status"] for record in results.failures] == ["unsupported", "failed"]
    assert results.groups == {"EM": ["em1", "em2"], "fluorescence": ["cells"], "all images": ["em1", "em2", "cells"]}
    assert Results.of(made.results()[:6]).groups == {"EM": ["em1"]}


def test_the_anchor():
    records = made.results()
    assert Results.of(records).anchor == made.ANCHOR
    assert Results.of(records, "mmip effort 3").rivals == [made.ANCHOR, "rival <&>"]
    assert Results.of(records[6:12]).anchor == "mmip effort 3"
    assert Results.of([]).anchor == ""
    with pytest.raises(InvalidArgument, match=r"anchor 'JPEG' has no result here; those that have: JPEG 2000"):
        Results.of(records, "JPEG")


def test_texts_and_numbers_of_a_record():
    facts = made.image_facts()
    assert setting_text(made.record(facts, "a", 0.5, 40.0)) == "bits 0.5"
    assert setting_text(made.record(facts, "a", 5.0, math.inf)) == "lossless"
    assert series_name(made.record(facts, "a", 0.5, 40.0, colour="separate")) == "a, separate"
    assert series_name(made.record(facts, "a", 0.5, 40.0, colour="joint")) == "a"
    assert [number(value) for value in ("inf", "-inf", 2, 0.5, None, "x", True)] == [
        math.inf, -math.inf, 2.0, 0.5, None, None, None,
    ]  # fmt: skip
