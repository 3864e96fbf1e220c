"""FORMAT.md against the code: its pictures and numbers, its table of names, and the sections that code cites."""

from __future__ import annotations

import re

import pytest
from helpers.format_page import NUMBER, PACKAGE, PAGE, REPOSITORY, block, rows_of, section, sections
from reference.codes import BUCKETS, FAMILIES
from reference.geometry import coding_order

CITING = ("mmip_gpu/**/*.py", "mmip_gpu/**/*.h", "mmip_gpu/**/*.cpp", "mmip_gpu/**/*.cu", "mmip_gpu/**/*.pyi",
          "numcodecs_plugin/*.py", "numcodecs_plugin/*.md", "tests/reference/*.py", "tests/vectors/*.py")  # fmt: skip
ASIDE = r"(?:\s\([^)]*\))?"
CITATION = re.compile(rf"\bsections? ({NUMBER}{ASIDE}(?:(?:, and|,| and| to) {NUMBER}{ASIDE})*)")


# --- pictures and numbers


def test_the_picture_of_the_coding_order() -> None:
    rows = [[int(word) for word in line.split("depth")[0].split()] for line in block("coding order: depth 1")]
    order = coding_order((1, 8, 8), 1)
    assert rows == [[order.index((0, y, x)) for x in range(8)] for y in range(8)]


def test_the_bits_of_the_example() -> None:
    bits = re.sub(r"\D", "", block("bits: example")[2])
    blob = (REPOSITORY / "tests" / "vectors" / "v1_example.mmip").read_bytes()
    assert bits == "".join(f"{byte:08b}" for byte in blob[-2:])


def test_buckets_families_and_constants() -> None:
    found = re.findall(r"^bucket \d +([\d ]+)$", section("7"), re.M)
    assert [tuple(map(int, line.split())) for line in found] == list(BUCKETS)
    rows = {row[0]: tuple(map(int, row[1:4])) for row in rows_of("7") if row[0] in FAMILIES}
    assert rows == FAMILIES
    pairs = re.findall(r"\b([QHG]\d?) += \( ?(-?[\d.]+), +(-?[\d.]+)\)", section("4"))
    code = (PACKAGE / "rules" / "blocks" / "transform.h").read_text()
    in_code = re.findall(r"kShear([QHG]\d?)\{(-?[\d.]+)f, (-?[\d.]+)f\}", code)
    assert len(pairs) == 8
    assert sorted(pairs) == sorted(in_code)


# --- names and citations


def named_rows() -> list[tuple[str, str, str]]:
    """(sections, file, name) of each name of section 11."""
    return [(row[0], row[2].strip("`"), name) for row in rows_of("11") for name in re.findall(r"`([^`]+)`", row[3])]


@pytest.mark.parametrize(("numbers", "file", "name"), named_rows(), ids=lambda value: value)
def test_names_of_the_table_are_those_of_the_code(numbers: str, file: str, name: str) -> None:
    assert set(numbers.split(", ")) <= sections()
    path = PACKAGE / file
    assert path.is_file(), file
    assert re.search(rf"\b{re.escape(name)}\b", path.read_text()), f"{file} has no {name}"


def test_the_table_covers_the_rules() -> None:
    """Every constant of format.h and every section but the table itself is in the table."""
    text = (PACKAGE / "rules" / "format.h").read_text()
    constants = set(re.findall(r"\b(k[A-Z]\w*) = ", text[text.index("kFormatVersion") : text.index("enum Status")]))
    rows = named_rows()
    assert constants <= {name for _, file, name in rows if file == "rules/format.h"}
    whole = {number.partition(".")[0] for numbers, _, _ in rows for number in numbers.split(", ")}
    assert whole == {str(number) for number in range(11)}


def cited(text: str) -> list[str]:
    """Numbers of the sections that a text cites, over the line breaks of comments."""
    joined = re.sub(r"\n\s*(?://|#)?\s*", " ", text)
    return [
        n for found in CITATION.findall(joined) for n in re.findall(NUMBER, re.sub(ASIDE + r"(?=,| |$)", "", found))
    ]


def test_citations_are_read_in_every_form() -> None:
    assert cited("FORMAT.md sections 2 (last step), 6 and 8.3.") == ["2", "6", "8.3"]
    assert cited("// Implements FORMAT.md\n// sections 3 to 8") == ["3", "8"]
    assert cited("(section 8.1, step 2)") == ["8.1"]
    assert "8.99" not in sections()


def test_cited_sections_exist() -> None:
    known, count, wrong = sections(), 0, []
    for pattern in CITING:
        for path in REPOSITORY.glob(pattern):
            if path.name != "FORMAT.md":
                numbers = cited(path.read_text())
                count += len(numbers)
                wrong += [f"{path.relative_to(REPOSITORY)}: section {n}" for n in numbers if n not in known]
    assert not wrong
    assert count > 200


def test_the_page_cites_its_own_sections() -> None:
    assert set(cited(PAGE)) <= sections()


@pytest.mark.parametrize("page", ["mmip_gpu/FORMAT.md", "mmip_gpu/docs/quality.md", "CHANGELOG.md", "CONTRIBUTING.md"])
def test_lines_are_short(page: str) -> None:
    long = [i for i, line in enumerate((REPOSITORY / page).read_text().splitlines(), 1) if len(line) > 120]
    assert not long
