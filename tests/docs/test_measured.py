"""Pages that state measured figures: they are what their rows say, every figure of README has a row, links lead on."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import measured
import numpy as np
import pytest
import studies
from helpers.places import REPOSITORY
from pages.bits import other_machine
from pages.blocks import BLOCKS, PAGE, filled
from pages.page import MAKERS
from pages.sections import SECTIONS
from pages.text import WIDTH, anchor, fewer, holds, paragraph, percent, span, table

import mmip_gpu as mmip

PAGES = sorted(
    [REPOSITORY / "README.md", REPOSITORY / "numcodecs_plugin/README.md", *(REPOSITORY / "mmip_gpu/docs").glob("*.md")]
)
RESULTS = REPOSITORY / "benchmarks/results"
DTYPES = ("uint8", "int8", "uint16", "int16")


# --- pages and rows


@pytest.mark.parametrize("path", sorted(measured.PAGES), ids=lambda path: path.name)
def test_a_page_is_what_its_rows_say(path: Path) -> None:
    assert path.read_text() == measured.PAGES[path](), "run: python benchmarks/measured.py"


def test_check_names_the_page_that_differs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pages = {path: path.read_text() for path in measured.PAGES}
    monkeypatch.setattr(measured, "PAGES", {path: lambda path=path: pages[path] for path in pages})
    assert measured.main(["--check"]) == 0
    before = pages[REPOSITORY / "README.md"]
    pages[REPOSITORY / "README.md"] += "more\n"
    assert measured.main(["--check"]) == 1
    assert capsys.readouterr().out == "README.md differs from its rows\n"
    assert (REPOSITORY / "README.md").read_text() == before


def test_every_file_of_rows_is_named_on_a_page() -> None:
    named = "".join(path.read_text() for path in PAGES)
    assert [path.name for path in RESULTS.glob("*.csv") if path.name not in named] == []


def test_every_section_has_a_command_and_rows() -> None:
    for section in SECTIONS.values():
        assert f"`{section.command}`" in (REPOSITORY / PAGE).read_text()
        assert (REPOSITORY / "benchmarks" / section.script.split()[0]).exists()
        assert (RESULTS / f"{section.rows}.csv").exists()


CHANGED = {
    "rivals": ("bits_per_sample", "encode_mb_s"),
    "lossless": ("bits_per_sample",),
    "near_lossless": ("bits_per_sample",),
    "soft": ("corpus_ratio", "mean_ratio", "codebook_bytes", "location_bits", "decode_mb_s"),
    "whole": ("bits_per_sample",),
    "speed": ("encode_mb_s",),
    "whole_calls": ("psnr_over_a", "a_cells_given_mb_s"),
    "profile": ("seconds",),
    "jpegorigin": ("ratio", "encode_s"),
    "labels": ("bytes", "encode_mb_s", "decode_mb_s"),
    "volumes": ("bytes", "ratio"),
    "phantom": ("ours_bytes",),
    "seed": ("roi_share",),
    "zarr_codecs": ("write_mb_s",),
    "dask_jobs": ("seconds",),
    "points": ("bytes", "two_stages_db_before"),
    "region_bytes": ("bytes_needed", "region_ms"),
    "scaling": ("encode_cpu_ns_voxel",),
    "downstream_falls": ("truth_bits",),
    "segmenters": ("network_ap50",),
    "store_rates": ("write_wall_mb_s",),
    "store_targets": ("encodings", "cpu_mb_s"),
    "viewers": ("version",),
    "bounds": ("runs",),
    "against": ("runs",),
    "install": ("wall_s",),
    "hurting": ("decode_ratio",),
}


def test_the_rows_of_every_section_are_changed_below() -> None:
    assert CHANGED.keys() == {section.rows for section in SECTIONS.values()}


@pytest.mark.parametrize(("name", "column"), [(name, column) for name in CHANGED for column in CHANGED[name]])
def test_a_changed_row_changes_its_sections(
    name: str, column: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(RESULTS, tmp_path / "results")
    path = tmp_path / "results" / f"{name}.csv"
    with path.open(newline="") as f:
        rows = list(csv.DictReader(f))
    changed = next(row for row in rows if row[column])
    changed[column] = changed[column] + "9" if column == "version" else f"{40 * float(changed[column]):.0f}"
    with path.open("w", newline="") as f:
        writer = csv.DictWriter(f, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    made_from_it = [MAKERS[key] for key, section in SECTIONS.items() if section.rows == name]
    before = [make() for make in made_from_it]
    monkeypatch.setattr(studies, "RESULTS", tmp_path / "results")
    assert [make() for make in made_from_it] != before


# --- figures of README

README = (REPOSITORY / "README.md").read_text()
NAMES = ("JPEG 2000", "BSD-3-Clause")


def prose(text: str) -> str:
    """A page without code, names with a number in them, and addresses."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
    text = re.sub(r"`[^`]*`", "", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    for name in NAMES:
        text = text.replace(name, "")
    return text


def numbers(text: str) -> list[str]:
    """Numbers that stand alone: not 2D, SZ3 or float32."""
    return re.findall(r"(?<![\w.])\d+(?:[.,/]\d+)*(?![\w])", text)


def without_blocks(text: str) -> str:
    for name in BLOCKS["README.md"]:
        text = re.sub(rf"<!-- {name} -->.*?<!-- end -->", "", text, flags=re.S)
    return text


def project() -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def takes(dtype: str) -> bool:
    array = np.arange(64, dtype=dtype).reshape(8, 8)
    options = {"step": 1.0} if dtype == "float32" else {}
    return mmip.decode(mmip.encode(array, quality=400, **options)).dtype == array.dtype


def has(text: str, path: str) -> bool:
    return text in (REPOSITORY / path).read_text()


# Each number of README that is no measured figure: the words around it, and what makes it true.
FACTS: dict[str, Any] = {
    "a 1/8 image first": lambda: (
        mmip.decode(mmip.encode(mmip.phantom2d(64), quality=10), stages=1, scale=8).shape == (8, 8)
    ),
    "integers of 8 and 16 bits": lambda: all(map(takes, DTYPES)),
    "C++17 with AVX2": lambda: has("set(CMAKE_CXX_STANDARD 17)", "CMakeLists.txt"),
    "a C++17 compiler": lambda: has("set(CMAKE_CXX_STANDARD 17)", "CMakeLists.txt"),
    "Python 3.11 or later": lambda: project()["requires-python"] == ">=3.11",
    "NumPy (1.26 or later)": lambda: "numpy>=1.26" in project()["dependencies"],
    "Zarr (3.1.3 or later)": lambda: "zarr>=3.1.3" in project()["dependencies"],
    "Dask 2025.1 or later": lambda: "dask[array,distributed]>=2025.1" in project()["optional-dependencies"]["dask"],
    "CuPy 14 with its compiler": lambda: (
        "cupy-cuda12x[ctk]>=14.0.1" in project()["optional-dependencies"]["gpu-cuda12"]
    ),
    "called 1.0": lambda: has("a draft until it is called 1.0", "mmip_gpu/FORMAT.md"),
    "integers above 16 bits that are no labels": lambda: not _taken("int32"),
    "labels of up to 64": lambda: mmip.decode(mmip.encode(np.eye(9, dtype="uint64"), labels=True)).dtype == "uint64",
}


def _taken(dtype: str) -> bool:
    try:
        return takes(dtype)
    except mmip.InvalidArgument:
        return False


def test_every_number_of_readme_is_a_figure_of_rows_or_a_checked_fact() -> None:
    text = re.sub(r"\s+", " ", prose(without_blocks(README)))
    for words in FACTS:
        assert text.count(words) == 1, words
        text = text.replace(words, "")
    assert numbers(text) == []


@pytest.mark.parametrize("words", FACTS)
def test_facts_of_readme(words: str) -> None:
    assert FACTS[words]()


@pytest.mark.parametrize("name", BLOCKS["README.md"])
def test_every_figure_of_readme_links_to_its_rows(name: str) -> None:
    """One hop: a column of the table by its head, a sentence by itself, to a section that names file and command."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", README, re.S)
    assert found
    links = dict(re.findall(r"^\[(\w)\]: (\S+)$", README, re.M))
    for part in re.split(r"\n(?=- )|\n\n", re.sub(r"^\[\w\]: .*\n", "", found[1], flags=re.M)):
        if part.startswith("| "):
            head, _, *lines = [[cell.strip() for cell in line.split(" | ")] for line in part.splitlines()]
            linked = [re.search(r"\]\[(\w)\]", cell) for cell in head[1:]]
            assert all(linked), head
            assert all(len(line) == len(head) for line in lines)
        elif numbers(prose(part)):
            linked = [re.search(r"\]\[(\w)\]", part) or re.search(r"measured\.md", part)]
            assert all(linked), part
        for match in linked:
            assert match
            assert match.re.groups == 0 or links[match[1]].startswith(f"{PAGE}#")


def test_commands_of_readme_start() -> None:
    commands = set(re.findall(r"`python (benchmarks/\w+\.py)[^`]*`", README))
    assert commands
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"
    }  # as a user calls them
    for script in commands:
        command = [sys.executable, script, "--help"]
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


# --- pages


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_lines_of_pages_are_short(path: Path) -> None:
    assert [line for line in path.read_text().splitlines() if len(line) > WIDTH] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_of_pages_lead_to_files_and_headings(path: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.S | re.M)
    for target in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[\w\]: (\S+)$", text, re.M):
        if target.startswith("http"):
            continue
        file, _, heading = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", found.read_text(), re.M)
            assert heading in map(anchor, titles), target


# --- the way figures are written


def test_paragraphs_keep_numbers_and_units_together() -> None:
    text = paragraph(*(["take 14 % of 7 MB"] * 30))
    assert max(map(len, text.splitlines())) <= WIDTH
    assert not re.search(r"\d\n(%|MB)", text)


def test_percent_and_spans() -> None:
    assert [percent(ratio) for ratio in (0.86, 1.12, 0.999, 1.001)] == ["-14", "+12", "0", "0"]
    assert (fewer(0.86), fewer(1.12)) == ("14 % fewer", "12 % more")
    assert span([1.72, 1.58]) == "1.6 to 1.7"
    assert span([1.61, 1.62]) == "1.6"


def test_columns_of_numbers_stand_to_the_right() -> None:
    assert table(["codec", "dB", "note"], [["a", "+1", "x"], ["b", "", ""]]).splitlines()[1] == "| --- | --: | --- |"


def test_codecs_that_another_machine_measured_are_named() -> None:
    rows = [{"codec": codec, "cpu": "A"} for codec in ("mmip effort 1", "SZ3", "JPEG 2000 (OpenJPEG)")]
    assert other_machine(rows) == ""
    rows[1]["cpu"] = "B"
    assert other_machine(rows).startswith("Rates of SZ3 are of another machine (B; the others: A)")


def test_a_sentence_that_no_longer_holds_is_an_error() -> None:
    assert holds("A is larger.", True) == "A is larger."
    with pytest.raises(ValueError, match="no longer bear out: A is larger"):
        holds("A is larger.", False)


def test_a_page_without_its_block_is_an_error() -> None:
    assert filled("<!-- x -->\nold\n<!-- end -->\n", {"x": lambda: "new\n"}) == "<!-- x -->\nnew\n<!-- end -->\n"
    with pytest.raises(ValueError, match="expected one block 'x', found 0"):
        filled("text\n", {"x": lambda: "new\n"})
