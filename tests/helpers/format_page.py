"""Reads FORMAT.md: its sections, the rows of its tables, its fenced blocks and its byte rulers.

Values: names and numbers in; text, cells and offsets out.
"""

from __future__ import annotations

import re
from itertools import pairwise

from helpers.places import REPOSITORY

PACKAGE = REPOSITORY / "mmip_gpu"
PAGE = (PACKAGE / "FORMAT.md").read_text()
NUMBER = r"\d+(?:\.\d+)?"
CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i8": "b", "i32": "i", "i64": "q", "f32": "f", "f64": "d"}


def sections() -> set[str]:
    return set(re.findall(rf"^#+ ({NUMBER})\.? ", PAGE, re.M))


def section(number: str) -> str:
    """Text of a section, with those below it."""
    found = re.search(rf"^(#+) {re.escape(number)}\.? .*?(?=^##? |\Z)", PAGE, re.M | re.S)
    assert found, number
    return found[0]


def rows_of(number: str) -> list[list[str]]:
    """Cells of all rows of the tables of a section, but for the lines below their heads."""
    text = re.sub(r"^```.*?^```", "", section(number), flags=re.M | re.S)
    rows = [[c.strip() for c in line.strip("| ").split(" | ")] for line in text.splitlines() if line.startswith("| ")]
    return [row for row in rows if row[0] not in ("field", "section")]


def block(name: str) -> list[str]:
    """Lines of the fenced block behind a comment."""
    found = re.search(rf"^<!-- {re.escape(name)} -->\n```text\n(.*?)^```", PAGE, re.M | re.S)
    assert found, f"FORMAT.md has no block {name!r}"
    return found[1].splitlines()


def form(text: str, **known: int) -> str:
    """A type of the page as one of `struct`: ``3 x u8``, ``ndim bytes``, ``u32``."""
    if text.endswith(" bytes"):
        return f"{eval(text.removesuffix(' bytes'), {}, known)}s"
    count, _, kind = text.rpartition(" x ")
    return f"{eval(count, {}, known) if count else ''}{CODES[kind]}"


def header_types(is_float: bool) -> dict[str, str]:
    """Type of every field of the header."""
    return {row[0]: row[2] if len(row) == 4 and is_float else row[1] for row in rows_of("1")}


# --- byte rulers: three lines a row, offsets over a rule over fields


def bars(line: str) -> list[int]:
    return [i for i, c in enumerate(line) if c == "|"]


def read_ruler(name: str) -> dict[str, list[str]]:
    """The offsets of the bytes of each field, as they are written above it."""
    fields = {}
    lines = [line for line in block(f"ruler: {name}") if line]
    for top, between, bottom in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        assert [i for i, c in enumerate(between) if c == "+"] == bars(top), f"{name}: a rule is out of line"
        edges = bars(bottom)
        assert set(edges) <= set(bars(top)), f"{name}: a field begins beside its byte"
        for start, end in pairwise(edges):
            field = bottom[start + 1 : end].partition(":")[0].strip()
            fields[field] = [label.strip() for label in top[start + 1 : end].split("|")]
    return fields


RULERS = {name: read_ruler(name) for name in re.findall(r"^<!-- ruler: (.*?) -->$", PAGE, re.M)}


def offset(ruler: str, field: str, **known: int) -> int:
    """Where a field begins; the bytes of a field have to follow one another."""
    places = [eval(label, {}, known) for label in RULERS[ruler][field]]
    assert places == list(range(places[0], places[0] + len(places))), f"{ruler}, {field}: {places}"
    return int(places[0])


def width(ruler: str, field: str) -> int:
    """Bytes that are drawn for a field; 1 where its size varies."""
    return len(RULERS[ruler][field])
