"""Scores against bits: rows with intervals, the bits at which a score falls, and codecs that miss images."""

from __future__ import annotations

from typing import Any

import pytest

from mmip_gpu.bench.downstream import bits_at_score, fall_rows, score_rows


@pytest.mark.parametrize(
    ("points", "level", "expected"),
    [
        ([(0.25, 0.5), (1.0, 0.9)], 0.7, (0.5, "")),
        ([(1.0, 0.9), (0.25, 0.5)], 0.9, (1.0, "")),
        ([(0.25, 0.5), (1.0, 0.9)], 0.4, (0.25, "at most")),
        ([(0.25, 0.5), (1.0, 0.9)], 0.95, (None, "never")),
        ([(0.1, 0.9), (0.2, 0.5), (0.8, 0.9)], 0.7, (0.4, "")),  # a lucky point below does not count
        ([], 0.5, (None, "never")),
        ([(1.0, 0.9)], 0.9, (1.0, "at most")),
    ],
)
def test_bits_at_which_a_score_falls(points: Any, level: float, expected: tuple[float | None, str]) -> None:
    bits, note = bits_at_score(points, level)
    assert note == expected[1]
    assert bits == (pytest.approx(expected[0]) if expected[0] is not None else None)


def record(image: str, codec: str, asked: float | None, dice: float, *, truth: bool = True) -> dict[str, Any]:
    bits = 4.0 if asked is None else asked
    scores = {"dice": dice, "ap50": None, "boundary_f1": dice}
    return {
        "image": {"group": "EM", "checksum": image},
        "codec": {"name": codec, "version": "1"},
        "setting": {"target": "bits", "value": asked},
        "bytes": round(bits * 1000),
        "bits_per_sample": bits,
        "tasks": {"membranes": {"truth": scores if truth else None, "original": scores, "segmenter": "ridge filter"}},
    }


CURVES = {"JPEG 2000": {0.1: 0.7, 0.4: 0.9, 1.6: 0.9}, "ours": {0.1: 0.8, 0.4: 0.9, 1.6: 0.9}}
RECORDS = [
    record(image, codec, bits, dice)
    for image in ("a", "b")
    for codec, curve in CURVES.items()
    for bits, dice in curve.items()
] + [record(image, "PNG", None, 0.86) for image in ("a", "b")]


def test_rows_have_means_and_intervals() -> None:
    records = [record("a", "x", 1.0, 0.5), record("b", "x", 1.0, 0.7)]
    [row] = score_rows(records)
    assert (row["images"], row["bits_per_sample"], row["bytes"]) == (2, pytest.approx(1.0), 1000)
    assert row["truth_dice"] == pytest.approx(0.6)
    assert row["truth_dice_low"] <= 0.6 <= row["truth_dice_high"]
    assert row["truth_ap50"] is None
    assert row["segmenter"] == "ridge filter"


def test_a_codec_that_misses_an_image_has_no_row() -> None:
    records = [*RECORDS, record("a", "half", 1.0, 0.9)]
    assert "half" not in {row["codec"] for row in score_rows(records)}
    assert len(score_rows(records)) == 7
    failed = record("b", "half", 1.0, 0.9)
    failed["tasks"]["membranes"] = {"truth": None, "original": None, "segmenter": None, "reason": "no memory"}
    assert "half" not in {row["codec"] for row in score_rows([*records, failed])}
    assert "half" in {row["codec"] for row in score_rows([*records, record("b", "half", 1.0, 0.9)])}


def test_falls_are_compared_with_the_anchor() -> None:
    falls = {row["codec"]: row for row in fall_rows(score_rows(RECORDS), "JPEG 2000")}
    assert falls.keys() == CURVES.keys()
    anchor, ours = falls["JPEG 2000"], falls["ours"]
    assert anchor["uncompressed_dice"] == pytest.approx(0.86)
    assert anchor["truth_bits"] == pytest.approx(0.1 * 4**0.75)  # 0.85 lies at three quarters of the way
    assert ours["truth_bits"] == pytest.approx(0.1 * 4**0.5)
    assert (anchor["truth_ratio"], ours["truth_ratio"]) == (1, pytest.approx(4**-0.25))
    assert ours["truth_ratio_within"] == pytest.approx(4 ** (0.45 - 0.75))
    assert ours["original_bits"] is None
    assert ours["original_note"] == "never"
    assert ours["original_ratio"] is None


def test_without_an_original_or_an_anchor_nothing_is_compared() -> None:
    lossy = [found for found in RECORDS if found["codec"]["name"] != "PNG"]
    assert fall_rows(score_rows(lossy), "JPEG 2000") == []
    falls = fall_rows(score_rows(RECORDS), "none")
    assert {row["truth_ratio"] for row in falls} == {None}
    assert all(row["truth_bits"] for row in falls)
