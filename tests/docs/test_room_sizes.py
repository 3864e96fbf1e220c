"""Sizes of rooms: the table of architecture.md names every room, and no room is above its ceiling."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import sizes
from helpers.places import REPOSITORY
from helpers.sizes import Lines

TEXT = (REPOSITORY / sizes.PAGE).read_text()
COUNTS = sizes.count(REPOSITORY)


def test_the_table_names_every_room() -> None:
    lines, ceilings = sizes.parsed(TEXT)
    advice = "run: python tests/helpers/sizes.py --write"
    assert list(lines) == sizes.sorted_rooms(COUNTS), advice
    assert ceilings.keys() == COUNTS.keys() - set(sizes.WITHOUT_CEILING), advice


def test_no_room_is_above_its_ceiling() -> None:
    lines, ceilings = sizes.parsed(TEXT)
    assert sizes.overflows(COUNTS, ceilings) == []
    assert sizes.overflows(lines, ceilings) == []
    planted = COUNTS | {"volume": COUNTS["volume"] + Lines(1000)}
    assert sizes.overflows(planted, ceilings) == ["volume"]


def test_ceilings_leave_little_room() -> None:
    """A ceiling that is far above says nothing: it is lowered where a room has shrunk."""
    ceilings = sizes.parsed(TEXT)[1]
    assert {room: most for room, most in ceilings.items() if most > 1.5 * COUNTS[room].total + 50} == {}


def test_files_belong_to_the_room_that_holds_them() -> None:
    rooms = {
        "mmip_gpu/api.py": sizes.ROOT_ROOM,
        "mmip_gpu/volume/axes.py": "volume",
        "mmip_gpu/transform/planning/trial.py": "transform/planning",
        "mmip_gpu/passes/blocks/analyze.cpp": "passes",
        "mmip_gpu/device/kernels/blocks/search.h": "device/kernels",
        "mmip_gpu/device/kernels.cu": "device",
        "mmip_gpu/predictive/chunk.py": "predictive",
        "mmip_gpu/FORMAT.md": "pages",
        "benchmarks/pages/bits.py": "benchmarks",
        "tests/device/test_lanes.py": "tests",
    }
    assert {path: sizes.room_of_path(path) for path in rooms} == rooms
    assert sizes.group_of("device/kernels") == "device"
    assert sizes.group_of("predictive") == sizes.ORDER[0]


def checkout(root: Path, **files: int) -> Path:
    """A checkout whose files, by path, have so many lines."""
    for name, lines in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"telling_line_of_{path.stem}_number_{i} = {i}\n" for i in range(lines)))
    return root


def test_lines_are_counted_by_language(tmp_path: Path) -> None:
    files = {"mmip_gpu/volume/axes.py": 3, "mmip_gpu/passes/layout.h": 4, "mmip_gpu/docs/a.md": 5}
    found = sizes.count(checkout(tmp_path, **files, **{"mmip_gpu/build/x.py": 9}))
    assert found == {"volume": Lines(3), "passes": Lines(core=4), "pages": Lines(5)}


def test_the_table_is_rewritten_and_its_ceilings_stay(tmp_path: Path) -> None:
    page = f"before\n{sizes.BEGIN}{sizes.END}\nafter\n"
    first = sizes.with_table(page, {"volume": Lines(100)})
    assert sizes.parsed(first) == ({"volume": Lines(100)}, {"volume": 110})
    second = sizes.with_table(first, {"volume": Lines(105), "passes": Lines(core=1900)})
    assert sizes.parsed(second)[1] == {"passes": 2090, "volume": 110}
    third = sizes.with_table(second, {"volume": Lines(150)}, keeps_ceilings=False)
    assert sizes.parsed(third)[1] == {"volume": 170}
    assert second.startswith("before\n")
    assert second.endswith("\nafter\n")
    with pytest.raises(ValueError, match="expected one place"):
        sizes.with_table("no table", {})


def test_a_moved_file_is_counted_in_its_room_of_today(tmp_path: Path) -> None:
    new = checkout(tmp_path / "new", **{"mmip_gpu/volume/axes.py": 40, "mmip_gpu/container/header.py": 20})
    old = tmp_path / "old"
    for name in ("axes", "gone", "header"):
        checkout(old, **{f"mmip_gpu/{name}.py": 30})
    before = sizes.count_by_rooms_of(old, new)
    assert before == {"volume": Lines(30), "container": Lines(30), sizes.UNMAPPED: Lines(30)}
    rows = [row.split() for row in sizes.compared(before, sizes.count(new)).splitlines()]
    assert ["volume", "30", "40", "+10"] in rows
    assert ["codec", "proper", "90", "60", "-30"] in rows
    assert rows[-1] == ["all", "90", "60", "-30"]
