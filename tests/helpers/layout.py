"""Rooms of the package, arrows between them, and the ranks that the arrows go down.

A room is a folder or a module of the package's root; an arrow is an import from a file of one room to another room,
inside of functions included, under TYPE_CHECKING apart. Ranks are those of `RANKS`, from below; an arrow goes down, or
stays in its room. Run it on a checkout to see its rooms: python tests/helpers/layout.py [FOLDER]
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("mmip_gpu", "numcodecs_plugin")
# From below; rooms of one line do not import each other.
RANKS = (
    ("errors", "version", "_core", "device/_phases"),
    ("signatures",),
    ("volume",),
    ("caution",),
    ("values",),
    ("config",),
    ("channel_targets",),
    ("container",),
    ("arguments", "sources"),
    ("options",),
    ("sinks",),
    ("raw",),
    ("jpegorigin", "soft"),
    ("transform", "predictive"),
    ("labels", "transform/planning"),
    ("quality",),
    ("device/layouts",),
    ("device/run",),
    ("device/tables",),
    ("device/lanes",),
    ("device/decode",),
    ("device/encode",),
    ("device",),
    ("codecs",),
    ("reports",),
    ("inspection",),
    ("stage_arrays",),
    ("store/group",),
    ("store/job", "store/read"),
    ("store/run",),
    ("store/write", "store/views"),
    ("store",),
    ("encoding",),
    ("api",),
    ("__init__",),
    ("numcodecs_plugin",),
    ("neural",),
    ("bench",),
    ("cli",),
    ("__main__",),
)
RANK = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}


def room_of(name: str) -> str:
    """Room of a module by its dotted name: a folder below the package, or a module of a folder that holds rooms."""
    package, *parts = name.split(".")
    if package != PACKAGES[0]:
        return package
    if not parts:
        return "__init__"
    for length in (2, 1):
        if "/".join(parts[:length]) in RANK and len(parts) >= length:
            return "/".join(parts[:length])
    return parts[0]


def modules(root: Path) -> dict[str, Path]:
    """File of every module, by dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found | {f"{PACKAGES[0]}._core": root / "_core", f"{PACKAGES[0]}.device._phases": root / "_phases"}


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under TYPE_CHECKING."""
    for child in ast.iter_child_nodes(node):
        if not is_type_checking(child):
            yield child
            yield from statements(child)


def imports(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """Modules of ours that a module imports."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in statements(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        for full in names:
            if full.split(".")[0] in PACKAGES:
                found.add(next(n for n in (full, full.rpartition(".")[0], PACKAGES[0]) if n in known))
    return found - {name}


def import_graph(root: Path) -> dict[str, set[str]]:
    """What every module imports."""
    known = modules(root)
    return {name: imports(name, path, known) for name, path in known.items() if path.suffix}


def arrows(graph: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Pairs of rooms of which the first imports the second."""
    pairs = {(room_of(a), room_of(b)) for a, targets in graph.items() for b in targets}
    return {(a, b) for a, b in pairs if a != b}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Sets of modules that import each other, by way of others too."""

    def reached(start: str) -> set[str]:
        seen, todo = set(), [start]
        while todo:
            new = graph.get(todo.pop(), set()) - seen
            seen |= new
            todo += new
        return seen

    reach = {name: reached(name) for name in graph}
    sets = {frozenset(b for b in reach[a] if a in reach.get(b, ())) for a in graph if a in reach[a]}
    return sorted(sorted(s) for s in sets if len(s) > 1)


def main() -> None:
    graph = import_graph(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    pairs = arrows(graph)
    rooms = {room_of(name) for name in graph}
    upward = sorted((a, b) for a, b in pairs if RANK.get(a, -1) <= RANK.get(b, len(RANK)))
    print(f"{len(rooms)} rooms, {len(pairs)} arrows, {len(upward)} upward")
    for a, b in upward:
        files = [f"{m} -> {t}" for m, ts in graph.items() for t in ts if (room_of(m), room_of(t)) == (a, b)]
        print(f"  {a} -> {b}: {'; '.join(files)}")
    for circle in circles(graph):
        print(f"circle of {len(circle)}: {' '.join(circle)}")


if __name__ == "__main__":
    main()
