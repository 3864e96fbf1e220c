"""The page of the architecture: what it names is there, links lead on, rooms are those of the ranks, ways are short.

Copies that it counts: test_copies.py. Sizes that it states: test_room_sizes.py.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from helpers.layout import RANK, import_graph, room_of
from helpers.page_names import found_paths, spans, unknown
from helpers.places import REPOSITORY
from pages.text import anchor

import mmip_gpu
from mmip_gpu.transform.analysis import ROUNDING

PAGE = REPOSITORY / "mmip_gpu/docs/architecture.md"
TEXT = PAGE.read_text()
MOST_HOPS = 4


def block(name: str, text: str = TEXT) -> str:
    """What stands between a marker and its end."""
    found = re.search(rf"^<!-- {name} -->\n(.*?)^<!-- end -->$", text, re.S | re.M)
    assert found, f"the page has no block {name!r}"
    return found[1]


def test_every_file_and_name_is_there() -> None:
    assert unknown(REPOSITORY, TEXT) == []
    assert len(spans(TEXT)) > 150


@pytest.mark.parametrize(
    "planted",
    [
        "api.py: encoded_never",
        "api_of_old.py: encode",
        "transform/gone/",
        "tests/docs/test_gone.py",
        "config.py: CodecConfig.gone",
        "rules/blocks/quantize.h: quantize_never",
        "test_that_is_not_there",
        "NoSuchClass",
        "container/<kind>_nothing.py",
    ],
)
def test_what_is_not_there_is_noticed(planted: str) -> None:
    assert unknown(REPOSITORY, f"Before `{planted}` and `api.py: encode, decode` after.") == [planted]


def test_lines_fit() -> None:
    assert [line for line in TEXT.splitlines() if len(line) > 120] == []


def anchors(path: Path) -> set[str]:
    return {anchor(title) for title in re.findall(r"^#+ (.+)$", path.read_text(), re.M)}


def broken_links(text: str) -> list[str]:
    broken = []
    for link in re.findall(r"\]\(([^)]+)\)", text):
        name, _, place = link.partition("#")
        path = (PAGE.parent / name).resolve() if name else PAGE
        if not path.exists() or (place and place not in anchors(path)):
            broken.append(link)
    return broken


def test_links_lead_somewhere() -> None:
    assert broken_links(TEXT) == []
    assert broken_links("[a](gone.md) [b](#copies) [c](#gone)") == ["gone.md", "#gone"]


def stated_rooms(text: str) -> list[str]:
    return re.findall(r"^([\w/]+)  +\S", block("rooms", text), re.M)


def test_the_picture_has_the_rooms_by_rank() -> None:
    rooms, there = (
        stated_rooms(TEXT),
        {room_of(name) for name in import_graph(REPOSITORY)} - {"_core", "device/_phases"},
    )
    assert sorted(rooms) == sorted(there)
    ranks = [RANK[room] for room in rooms]
    assert ranks == sorted(ranks, reverse=True)


def ways(text: str) -> list[list[str]]:
    """The ways from the README, each as the files that it leads by."""
    joined = " ".join(text.split())
    return [re.findall(r"`([^`]+)`", way) for way in re.findall(r"`[^`]+`(?: > `[^`]+`)+", joined)]


def missing_hops(way: list[str]) -> list[str]:
    """Files of a way that the file before does not name."""
    missing = []
    for before, after in pairwise(way):
        text = found_paths(REPOSITORY, before)[0].read_text()
        if not any(name in text for name in (after, after.removeprefix("mmip_gpu/docs/"), Path(after).name)):
            missing.append(after)
    return missing


def test_ten_questions_are_answered_within_four_hops() -> None:
    text = block("questions")
    found = ways(text)
    assert re.findall(r"^(\d+)\. \*\*.+\?\*\*", text, re.M) == [str(n) for n in range(1, 11)]
    assert len(found) >= 10
    for way in found:
        assert way[0] == "README.md"
        assert len(way) - 1 <= MOST_HOPS
        assert missing_hops(way) == [], way
    assert missing_hops(["README.md", "rules/blocks/quantize.h"]) == ["rules/blocks/quantize.h"]


def test_the_line_that_rounds_is_the_one_that_stands_here() -> None:
    lines = [span for span in spans(TEXT) if span.startswith("return ")]
    assert len(lines) == 1
    text = (REPOSITORY / "mmip_gpu/rules/blocks/quantize.h").read_text()
    assert re.search(r"quantize_magnitude\([^)]*\) \{\s+" + re.escape(lines[0]), text)
    assert f"The encoder gives it {ROUNDING} " in TEXT


def test_the_largest_output_is_the_one_that_stands_here() -> None:
    bound = re.search(r"The samples and (\d+) bytes", TEXT)
    assert bound
    assert mmip_gpu.max_encoded_size((7, 9), "uint16") == 2 * 7 * 9 + int(bound[1])
