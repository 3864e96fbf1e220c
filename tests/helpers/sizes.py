"""Lines of code by room, the table of them in architecture.md, and how another checkout compares.

Lines are all lines of a file, as `wc -l` counts them. A room is that of `layout.py`; C++ and CUDA have rooms of their
own, and so have the root of the package, the plug-in, the benchmarks, the tests and the pages.

    python tests/helpers/sizes.py                     counts by room
    python tests/helpers/sizes.py --write             the same into the table of the page; ceilings that are there stay
    python tests/helpers/sizes.py --write --ceilings  all ceilings anew, a tenth above
    python tests/helpers/sizes.py --against FOLDER    lines by room of that checkout before, of this one after

A file of another checkout belongs to the room of the file at its path, else of the file of the same language that
shares most lines with it.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # so that it runs as a script, too

from helpers.layout import RANK

PAGE = "mmip_gpu/docs/architecture.md"
BEGIN, END = "<!-- sizes -->\n", "<!-- end -->"
PACKAGE, ROOT_ROOM, UNMAPPED = "mmip_gpu", "root modules", "(no counterpart)"
CORE_ROOMS = ("rules", "passes", "bindings", "device/kernels")
PYTHON, CORE, TEXT = (".py",), (".h", ".cpp", ".cu"), (".md",)
TOPS = (PACKAGE, "numcodecs_plugin", "benchmarks", "tests")
INSTALLED = (f"{PACKAGE}/", "numcodecs_plugin/")
WITHOUT_CEILING = ("tests", "pages")
GROUPS = {
    "device": "device",
    "store": "stores",
    "stage_arrays": "stores",
    "sources": "files in and out",
    "sinks": "files in and out",
    "quality": "tools",
    "bench": "tools",
    "neural": "tools",
    "cli": "tools",
    "numcodecs_plugin": "outside of the package",
    "benchmarks": "outside of the package",
    "tests": "tests and pages",
    "pages": "tests and pages",
}
ORDER = ("codec proper", "device", "stores", "files in and out", "tools", "outside of the package", "tests and pages")
_SHARED = 0.1  # of the distinct lines of a file, to call another one its counterpart
_SHORTEST = 12  # of a line that tells files apart


@dataclass(frozen=True)
class Lines:
    """Lines of a room by language."""

    python: int = 0
    core: int = 0

    @property
    def total(self) -> int:
        return self.python + self.core

    def __add__(self, other: Lines) -> Lines:
        return Lines(self.python + other.python, self.core + other.core)


def room_of_path(path: str) -> str:
    """Room of a file by its path in the checkout."""
    top, *parts = path.split("/")
    if path.endswith(TEXT):
        return "pages"
    if top != PACKAGE:
        return top
    rooms = {room for room in RANK if not room.startswith("_")} | set(CORE_ROOMS)
    folders = parts[:-1]
    found = ("/".join(folders[:length]) for length in range(len(folders), 0, -1))
    return next((room for room in found if room in rooms), folders[0] if folders else ROOT_ROOM)


def group_of(room: str) -> str:
    """Group of a room: that of its first folder; new folders are codecs."""
    return GROUPS.get(room.split("/", maxsplit=1)[0], ORDER[0])


def files(root: Path) -> Iterator[Path]:
    """All files that count."""
    yield from sorted(root.glob("*.md"))
    for top in TOPS:
        for path in sorted((root / top).rglob("*")):
            built = {"build", "__pycache__"} & set(path.relative_to(root).parts)
            if path.suffix in (*PYTHON, *CORE, *TEXT) and not built:
                yield path


def lines_of(path: Path) -> Lines:
    count = path.read_bytes().count(b"\n")
    return Lines(core=count) if path.suffix in CORE else Lines(count)


def count(root: Path) -> dict[str, Lines]:
    """Lines by room."""
    found: dict[str, Lines] = {}
    for path in files(root):
        room = room_of_path(path.relative_to(root).as_posix())
        found[room] = found.get(room, Lines()) + lines_of(path)
    return found


def sorted_rooms(rooms: Mapping[str, object]) -> list[str]:
    """By group, in it by rank from below; rooms of the core come first."""

    def place(room: str) -> tuple[int, int, str]:
        rank = RANK.get(room, len(RANK) if room == ROOT_ROOM else -1)
        return ORDER.index(group_of(room)), rank, room

    return sorted(rooms, key=place)


def new_ceiling(lines: int) -> int:
    """About a tenth more than there are."""
    return -(-lines * 11 // 100) * 10


def overflows(counts: Mapping[str, Lines], ceilings: Mapping[str, int]) -> list[str]:
    """Rooms with more lines than their ceiling."""
    return [room for room, ceiling in ceilings.items() if counts.get(room, Lines()).total > ceiling]


def table(counts: Mapping[str, Lines], ceilings: Mapping[str, int]) -> str:
    """The table of the page."""
    rows = ["| room | Python | C++, CUDA | ceiling |", "| --- | --: | --: | --: |"]
    group = ""
    for room in sorted_rooms(counts):
        if group_of(room) != group:
            group = group_of(room)
            total = sum((lines for other, lines in counts.items() if group_of(other) == group), Lines())
            rows.append(f"| **{group}** | {_number(total.python)} | {_number(total.core)} | |")
        lines = counts[room]
        most = "" if room in WITHOUT_CEILING else f"{ceilings.get(room, new_ceiling(lines.total)):,}"
        rows.append(f"| {room} | {_number(lines.python)} | {_number(lines.core)} | {most} |")
    return "\n".join(rows) + "\n"


def _number(value: int) -> str:
    return f"{value:,}" if value else ""


def parsed(page: str) -> tuple[dict[str, Lines], dict[str, int]]:
    """(lines, ceilings) by room that the table of a page states."""
    text = page.partition(BEGIN)[2].partition(END)[0]
    lines, ceilings = {}, {}
    for room, *numbers in re.findall(r"^\| ([^*|]+?) \| ([\d,]*) \| ([\d,]*) \| ([\d,]*) \|$", text, re.M):
        python, core, most = (int(n.replace(",", "") or 0) for n in numbers)
        lines[room] = Lines(python, core)
        if most:
            ceilings[room] = most
    return lines, ceilings


def with_table(page: str, counts: Mapping[str, Lines], *, keeps_ceilings: bool = True) -> str:
    """The page with the table of these counts; ceilings that it states stay, or all are new."""
    if page.count(BEGIN) != 1 or END not in page.partition(BEGIN)[2]:
        raise ValueError(f"expected one place {BEGIN.strip()} .. {END} for the table")
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}{table(counts, parsed(page)[1] if keeps_ceilings else {})}{END}{rest.partition(END)[2]}"


def _telling_lines(path: Path) -> set[str]:
    stripped = (line.strip() for line in path.read_text(errors="replace").splitlines())
    return {line for line in stripped if len(line) >= _SHORTEST}


def count_by_rooms_of(old: Path, new: Path) -> dict[str, Lines]:
    """Lines of another checkout, in the rooms of this one."""
    today = {path.relative_to(new).as_posix(): path for path in files(new)}
    telling = {name: _telling_lines(path) for name, path in today.items()}
    lines: dict[str, Lines] = {}
    for path in files(old):
        name = path.relative_to(old).as_posix()
        room = room_of_path(name)
        if name not in today and name.startswith(INSTALLED) and path.suffix not in TEXT:
            room = _room_by_lines(path, telling)
        lines[room] = lines.get(room, Lines()) + lines_of(path)
    return lines


def _room_by_lines(path: Path, telling: Mapping[str, set[str]]) -> str:
    own = _telling_lines(path)
    alike = PYTHON if path.suffix in PYTHON else CORE
    shared = {
        name: len(own & other) for name, other in telling.items() if name.startswith(INSTALLED) and name.endswith(alike)
    }
    best = max(shared, key=lambda name: shared[name])
    return room_of_path(best) if shared[best] >= _SHARED * max(len(own), 1) else UNMAPPED


def compared(before: Mapping[str, Lines], after: Mapping[str, Lines]) -> str:
    """Lines before and after, by room and by group."""
    rows = [f"{'room':<26}{'before':>8}{'after':>8}{'change':>8}"]

    def row(name: str, old: Lines, new: Lines) -> None:
        rows.append(f"{name:<26}{old.total:>8}{new.total:>8}{new.total - old.total:>+8}")

    rooms = dict(before) | dict(after)
    for group in ORDER:
        members = [room for room in sorted_rooms(rooms) if group_of(room) == group]
        for room in members:
            row(f"  {room}", before.get(room, Lines()), after.get(room, Lines()))
        row(group, *(sum((side.get(room, Lines()) for room in members), Lines()) for side in (before, after)))
    row("all", sum(before.values(), Lines()), sum(after.values(), Lines()))
    return "\n".join(rows)


def main(arguments: list[str] | None = None) -> None:
    root = Path(__file__).parents[2]
    parser = argparse.ArgumentParser(description="Lines of code by room.")
    parser.add_argument("--write", action="store_true", help=f"rewrite the table of {PAGE}")
    parser.add_argument("--ceilings", action="store_true", help="with --write: set all ceilings anew, a tenth above")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="compare with another checkout")
    chosen = parser.parse_args(arguments)
    counts = count(root)
    if chosen.against:
        print(compared(count_by_rooms_of(chosen.against, root), counts))
    elif chosen.write:
        page = root / PAGE
        page.write_text(with_table(page.read_text(), counts, keeps_ceilings=not chosen.ceilings))
        for room in overflows(counts, parsed(page.read_text())[1]):
            print(f"{room}: above its ceiling")
    else:
        print(table(counts, {}), end="")


if __name__ == "__main__":
    main()
