"""The page of a run: one file without a network, well-formed, read by screen readers; charts, and rows of figures."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from helpers import bench_records as made

from mmip_gpu.bench.records import RECORDS
from mmip_gpu.bench.report import score_rows, speed_rows, write_report
from mmip_gpu.bench.report.charts import Series, chart, value_ticks
from mmip_gpu.errors import InvalidArgument, StoreError, UnsupportedVersion
from mmip_gpu.quality.drawing import rate_ticks

VOID = {"meta", "img", "input", "br", "path"}


class Reader(HTMLParser):
    """Elements with their attributes; refuses a page whose elements do not close."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def all(self, tag):
        return [attributes for found, attributes in self.elements if found == tag]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = made.write(tmp_path_factory.mktemp("run"), made.results())
    write_report(folder)
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return (folder / "report.html").read_text()


def test_the_page_needs_no_network_and_closes_its_elements(page):
    reader = Reader(page)
    assert re.findall(r"(?:src|href)=\"(?!#|data:)", page) == []
    assert "http" not in page
    assert "@import" not in page
    assert reader.all("table")
    assert all(table.get("lang") == "en" for table in reader.all("html"))


def test_the_page_can_be_read_without_seeing_it(page):
    reader = Reader(page)
    assert page.count("<caption>") == len(reader.all("table"))
    charts = [svg for svg in reader.all("svg") if svg.get("class") == "chart"]
    assert charts
    assert all(svg["role"] == "img" and "over bits per sample of" in (svg["aria-label"] or "") for svg in charts)
    assert {found.get("scope") for found in reader.all("th")} == {"row", "col"}
    links = {found["href"] for found in reader.all("a")}
    assert links == {f"#{found['id']}" for found in reader.all("h2")}


def test_page_and_text_hold_every_failure_and_warning(folder, page):
    for text in (page, (folder / "report.md").read_text()):
        for words in (
            "AVIF holds 12 at most",
            "RuntimeError: ",
            "Stand-ins: em2 for EMPIAR-12592",
            "JPEG before: cells",
        ):
            assert words in text
        assert "54 results, 2 failures" in text
        assert "commit abc1234" in text
        assert "-20.0 %" in text
        assert "+25.0 %" in text
    assert "<broken>" not in page
    assert "<&>" not in page


def test_the_same_records_give_the_same_bytes(folder, tmp_path):
    paths = write_report(made.write(tmp_path / "again", made.results()))
    assert [path.name for path in paths] == ["report.md", "report.html"]
    for path in paths:
        assert path.read_bytes() == (folder / path.name).read_bytes()


def test_the_original_evaluation_is_shown_where_it_is_asked_for(folder, tmp_path):
    measures = {"ratio": 0.25, "factor": 4.0, "mse": 2.5, "psnr": "inf", "ssim": None}
    records = [found | ({"as_written": measures} if found["status"] == "ok" else {}) for found in made.results()]
    paths = write_report(made.write(tmp_path, records), as_written=True)
    assert [path.name for path in paths[:2]] == ["report.md", "report.html"]
    assert "as_written/run_time.csv" in [path.relative_to(tmp_path).as_posix() for path in paths]
    line = f"| em1 | {made.ANCHOR} | bits 1 | 0.25 | 4 | 2.5 | exact | - |"
    assert line in paths[0].read_text()
    for path in paths[:2]:
        assert "the logarithm has the base 20" in path.read_text()
        assert "the logarithm has the base 20" not in (folder / path.name).read_text()
    with pytest.raises(InvalidArgument, match="as written: expected records with these measures"):
        write_report(folder, as_written=True)


def test_another_anchor(tmp_path):
    text = write_report(made.write(tmp_path, made.results()), "mmip effort 3")[0].read_text()
    assert f"| {made.ANCHOR} | +25.0 %" in text
    with pytest.raises(InvalidArgument, match="no result here"):
        write_report(tmp_path, "JPEG")


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(StoreError, match="holds no"):
        write_report(tmp_path)
    (tmp_path / RECORDS).write_text("")
    with pytest.raises(StoreError, match="found none"):
        write_report(tmp_path)
    made.write(tmp_path, [made.results()[0] | {"version": 7}])
    with pytest.raises(UnsupportedVersion, match="version 7"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / RECORDS]


def test_charts_of_few_images_are_open(tmp_path):
    records = [r | {"image": made.image_facts(f"{name}")} for name in "abcd" for r in made.results()[:6]]
    for count, is_open in ((3, True), (4, False)):
        _, path = write_report(made.write(tmp_path, records[: 6 * count]))
        assert ("<details open>" in path.read_text()) == is_open


def test_a_run_of_failures_only_has_a_page(tmp_path):
    unreadable = {"name": "x.tif", "dataset": "user", "jpeg_origin": "unknown"}
    facts = made.image_facts() | dict.fromkeys(("checksum", "shape", "dtype", "bits", "group")) | unreadable
    empty = {"image": facts, "metrics": {}, "regions": {}, "tasks": {}, "time": {}}
    records = [made.failure(made.image_facts(), "", "no image") | empty]
    _, path = write_report(made.write(tmp_path, records))
    Reader(path.read_text())
    assert "no image" in path.read_text()


# --- charts


def points(drawn: str, style: int) -> list[tuple[float, float]]:
    """Places of the markers of a series, in pixels."""
    root = ElementTree.fromstring(drawn)
    (group,) = [g for g in root.iter("g") if g.get("class") == f"s{style}"]
    return [tuple(map(float, re.findall(r"[\d.]+", mark.get("transform", "")))) for mark in group.iter("path")]  # type: ignore[misc]


def test_a_chart_has_its_points_where_its_ticks_say():
    drawn = chart(
        [Series("a", 0, [(0.5, 30), (1, 40), (2, 50)]), Series("<b>", 1, [(1, 35)])], "images", "measure", "dB"
    )
    first, middle, last = points(drawn, 0)
    assert middle == (
        pytest.approx((first[0] + last[0]) / 2, abs=0.1),
        pytest.approx((first[1] + last[1]) / 2, abs=0.1),
    )
    assert points(drawn, 1) == [(middle[0], pytest.approx((first[1] + middle[1]) / 2, abs=0.1))]
    root = ElementTree.fromstring(drawn)
    ticks = {text.text: (float(text.get("x", 0)), float(text.get("y", 0))) for text in root.iter("text")}
    assert ticks["1"][0] == middle[0]
    assert ticks["40"][1] - 4 == pytest.approx(middle[1], abs=0.2)
    assert chart([], "images", "measure", "dB") == ""


def test_no_two_codecs_look_the_same():
    drawn = [chart([Series("a", place, [(1, 40), (2, 50)])], "images", "t", "dB") for place in range(40)]
    looks = {re.sub(r'class="s\d+"', "", text) for text in drawn}
    assert len(looks) == 40


@pytest.mark.parametrize("low", [1e-3, 0.2, 1.0, 3.9])
@pytest.mark.parametrize("factor", [1.1, 2.0, 30.0, 1e4])
def test_ticks_lie_in_their_range(low, factor):
    rates = rate_ticks(low, low * factor)
    assert 2 <= len(rates) <= 8
    assert all(low * 0.97 <= rate <= low * factor * 1.03 for rate in rates)
    values = value_ticks(low, low * factor)
    assert values[0] <= low
    assert values[-1] >= low * factor * (1 - 1e-9)
    assert 2 <= len(values) <= 8


# --- rows of figures


def test_rows_of_scores(folder):
    rows, label, title = score_rows(folder, None, "truth", "dice")
    assert (label, title) == ("Dice", "Dice of nuclei against the ground truth")
    found = [r for r in rows if (r["group"], r["codec"], r["bits_per_sample"]) == ("fluorescence", made.ANCHOR, 1.0)]
    assert [row["score"] for row in found] == [pytest.approx(0.86)]
    assert {row["group"] for row in rows} == {"EM", "fluorescence", "all images"}
    assert all(row["low"] <= row["score"] <= row["high"] for row in rows if row["group"] == "EM")
    with pytest.raises(InvalidArgument, match=r"expected task= of what was scored there \(nuclei\), found cells"):
        score_rows(folder, "cells", "truth", "dice")
    with pytest.raises(InvalidArgument, match="no record has the score PQ of nuclei"):
        score_rows(folder, "nuclei", "truth", "pq")


def test_rows_of_speeds(folder):
    rows = speed_rows(folder)
    assert [row["name"] for row in rows] == list(made.CODECS)
    assert rows[0]["encode"] == pytest.approx(0.41)
    assert rows[0]["decode"] == pytest.approx(0.82)
