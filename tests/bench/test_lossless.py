"""The comparison without loss: its rows and its tables, what is aimed at, and what is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import lossless
import numpy as np
import pytest

from mmip_gpu.bench.datasets import ImageSet
from mmip_gpu.bench.images import BenchImage
from mmip_gpu.bench.report import lossless_tables as tables
from mmip_gpu.bench.report.study_figure import draw_lossless
from mmip_gpu.bench.run import run


def row(image: str, group: str, codec: str, size: float | None, **more: Any) -> dict[str, Any]:
    """One codec on one image of 4 MB."""
    found = {
        "image": image,
        "group": group,
        "codec": codec,
        "bits": 16.0,
        "shape": "2000x1000",
        "bits_per_sample": size,
    }
    status = {"status": "ok" if size else "failed", "reason": None if size else "not exact"}
    rates = {"encode_mb_s": 100.0, "decode_mb_s": 400.0, "encode_spread": 0.1, "encode_runs": 3.0} if size else {}
    return found | status | rates | more


ROWS = [
    row("a", "2D", tables.FAST, 4.9, decode_wall_mb_s=380.0, decode_threads_mb_s=722.0),
    row("a", "2D", tables.JPEGLS, 5.0),
    row("a", "2D", tables.HTJ2K, 5.5, decode_mb_s=500.0),
    row("a", "2D", tables.JPEGXL, 4.7),
    row("b", "volumes", tables.FAST, 3.0, bits=8.0, shape="3x1000x1000"),
    row("b", "volumes", tables.JPEGLS, 3.0, bits=8.0, shape="3x1000x1000"),
    row("b", "volumes", tables.HTJ2K, None, bits=8.0, shape="3x1000x1000"),
    row("c", "2D", tables.FAST, 2.0, shape="64x64", decode_mb_s=1.0),
    row("c", "2D", tables.JPEGLS, 2.0, shape="64x64"),
]


def line(text: str, start: str) -> list[str]:
    """Cells of the line of a table that begins so."""
    (found,) = (line for line in text.splitlines() if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in found.strip("|").split("|")][1:]


def test_ratios_are_means_over_the_images_that_both_took() -> None:
    table = tables.ratio_table(ROWS, tables.JPEGLS)
    assert line(table, "%") == ["2D", "volumes", "16 bit", "8 bit"]
    assert line(table, tables.FAST) == ["-1.0", "+0.0", "-1.0", "+0.0"]
    assert line(table, tables.HTJ2K) == ["+10.0*", "-", "+10.0*", "-"]


def test_rates_are_those_of_large_images_by_depth() -> None:
    table = tables.speed_table(ROWS)
    assert line(table, tables.FAST) == ["100", "100", "400", "400", "-", "-", "722", "-"]
    assert tables.slower_images(ROWS, tables.HTJ2K) == {"a": pytest.approx(0.8)}


def test_aims_say_how_far_they_are() -> None:
    table = tables.aims_table(ROWS)
    against = "bits over JPEG-LS"
    assert line(table, f"{tables.FAST}, 2D, {against}") == [
        "-1.0 %",
        "-3.0 %",
        "-1.0 %",
        "met, the goal missed by 2.0 points",
    ]
    assert line(table, f"{tables.FAST}, volumes, {against}") == ["-5.0 %", "-8.0 %", "+0.0 %", "missed by 5.0 points"]
    assert line(table, f"{tables.FAST}, colour, {against}")[2:] == ["not measured", "-"]
    assert line(table, f"{tables.FAST}, decode, 16 bit")[2:] == ["400 MB/s", "missed by 100 MB/s"]
    assert line(table, f"{tables.FAST}, decode, 8 bit")[2:] == ["400 MB/s", "met"]
    assert line(table, f"{tables.FAST}, decode, 16 bit, over HTJ2K")[2:] == [
        "0.8 times",
        "missed by 0.2 times",
    ]
    assert line(table, f"{tables.FAST}, decode, two threads over one")[2:] == ["1.9 times", "met"]


def test_the_report_names_what_came_to_nothing() -> None:
    text = tables.lossless_report(ROWS)
    assert f"- b, {tables.HTJ2K}: failed, not exact" in text
    assert f"- {tables.FAST} decodes slower than {tables.HTJ2K} on: a (-20 %)." in text
    assert line(text.partition("## Bits a sample")[2], "b")[:3] == ["3.000", "3.000", "-"]


def test_the_figure_shows_every_group(tmp_path: Path) -> None:
    draw_lossless(ROWS, tmp_path / "lossless.png")
    assert (tmp_path / "lossless.png").read_bytes().startswith(b"\x89PNG")


def test_a_second_run_adds_nothing(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(900, 9, (24, 32)).astype(np.int16)
    images = ImageSet([lambda: iter([BenchImage("small", array, "yx", 16, group="2D")])])
    wanted = replace(lossless.ALONE, codecs=["mmip fast effort 1*", "JPEG-LS*lossless"], seconds=0.01)
    first, again = (run(tmp_path, images, wanted) for _ in range(2))
    assert first == again
    ours, rival = map(lossless.row_of, lossless.ordered(first))
    assert (ours["codec"], rival["codec"]) == ("mmip fast effort 1", tables.JPEGLS)
    assert ours["decode_threads_mb_s"] > 0
    assert rival["decode_threads_mb_s"] is None
    assert 0 < rival["bits_per_sample"] < 10
    assert first[0]["metrics"]["max_error"] == 0
    assert first[0]["metrics"]["ssim"] is None
