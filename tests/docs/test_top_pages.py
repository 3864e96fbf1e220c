"""The pages of the top level and the page of qualities agree with the project, the code and the committed rows."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import quality_scale
from helpers.places import REPOSITORY

import mmip_gpu
from mmip_gpu.transform.plan import quality_steps

PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
LINKED = ["CONTRIBUTING.md", "CHANGELOG.md", "mmip_gpu/docs/quality.md", "mmip_gpu/FORMAT.md"]


def citation() -> dict[str, str]:
    """Keys and values of CITATION.cff, which uses scalars and one list of one entry; quotes taken off."""
    lines = (REPOSITORY / "CITATION.cff").read_text().splitlines()
    assert all(re.fullmatch(r"(?:  - |)[a-z-]+:(?: .+)?", line) for line in lines)
    pairs = [line.removeprefix("  - ").partition(":") for line in lines]
    return {key: value.strip().strip('"') for key, _, value in pairs}


def test_the_citation_agrees_with_the_project() -> None:
    found = citation()
    assert found.keys() == {"cff-version", "message", "title", "type", "authors", "name", "version", "license"}
    assert found["cff-version"] == "1.2.0"
    assert found["type"] == "software"
    assert found["version"] == PROJECT["version"] == mmip_gpu.__version__
    assert found["license"] == PROJECT["license"]["text"]
    assert f"Copyright (c) 2026, {found['name']}" in (REPOSITORY / "LICENSE").read_text()


def test_the_changelog_names_what_the_package_exports() -> None:
    text = (REPOSITORY / "CHANGELOG.md").read_text()
    assert text.index("## [Unreleased]") < text.index(f"Version {PROJECT['version']}")
    assert re.findall(r"^### (\w+)$", text, re.M) == ["Added", "Changed"]
    exported = {name for name in mmip_gpu.__all__ if not name.startswith("_") and name.islower()} - {
        "errors",
        "phantom_roi",
    }
    assert {name for name in exported if f"`{name}`" not in text} == set()


def test_the_contributing_page_has_the_test_line_of_the_readme() -> None:
    line = re.search(r"<!-- test line -->\n```\n(.*?)\n```", (REPOSITORY / "README.md").read_text(), re.S)
    assert line
    assert f"```sh\n{line[1]}\n```" in (REPOSITORY / "CONTRIBUTING.md").read_text()


@pytest.mark.parametrize("page", LINKED)
def test_links_lead_somewhere(page: str) -> None:
    folder = (REPOSITORY / page).parent
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (REPOSITORY / page).read_text())
    assert [link for link in links if not (folder / link).exists()] == []


def test_the_table_of_qualities_is_that_of_the_rows() -> None:
    rows = quality_scale.rows_of(quality_scale.RESULTS / "quality.csv")
    text = quality_scale.PAGE.read_text()
    assert quality_scale.with_table(text, quality_scale.table(rows)) == text
    assert {row["image"] for row in rows} == quality_scale.SUBJECTS.keys()


def test_steps_of_the_rows_are_those_of_the_planner() -> None:
    for quality in quality_scale.QUALITIES:
        assert quality_steps(quality)[0] == 2 * max(1, round(220 / quality))
    assert quality_steps(146) != quality_steps(147) == quality_steps(440)


def test_a_row_of_the_study_is_measured() -> None:
    picture = quality_scale.Picture("phantom2d", mmip_gpu.phantom2d(64), (), False)
    coarse, fine = (quality_scale.measured_row(picture, quality) for quality in (5, 40))
    assert coarse["bytes"] < fine["bytes"]
    assert coarse["psnr_db"] < fine["psnr_db"]
    assert coarse["max_error"] > fine["max_error"] > 0


def test_a_page_without_a_place_for_the_table_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="expected one place"):
        quality_scale.with_table("# A page\n", "| a |\n")
