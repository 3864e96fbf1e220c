"""The shape of the house: imports go down, the plug-in is thin, heavy packages load late, files are small."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.cpp_functions import long_functions
from helpers.layout import RANK, arrows, circles, import_graph, room_of, statements

import mmip_gpu

ROOT = Path(__file__).parents[1]
PACKAGE, PLUGIN = ROOT / "mmip_gpu", ROOT / "numcodecs_plugin"
HEAVY = {"cupy", "torch", "dask", "zarr", "matplotlib", "skimage", "nibabel", "pydicom", "tifffile", "imagecodecs"}
HEAVY |= {"mmip_gpu.device._phases"}
# What may import the package's face, by room; and the rooms that the plug-in may use beside the face.
USES_FACE = {"__main__", "cli", "bench", "numcodecs_plugin"}
PLUGIN_USES = (
    "mmip_gpu.caution.",
    "mmip_gpu.stage_arrays.",
    "mmip_gpu.container.",
    "mmip_gpu.volume.",
    "mmip_gpu.codecs",
    "mmip_gpu.errors",
    "mmip_gpu.signatures",
    "mmip_gpu.soft.",
)
MOST_LINES = {".py": 300, ".cpp": 300, ".cu": 300, ".h": 250}
FUNCTION_LINES = 40


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    return import_graph(ROOT)


def upward(graph: dict[str, set[str]]) -> list[tuple[str, str]]:
    return sorted((a, b) for a, b in arrows(graph) if RANK[a] <= RANK[b])


def test_every_room_has_a_rank(graph: dict[str, set[str]]) -> None:
    assert {room_of(name) for name in graph} <= set(RANK)
    assert set(RANK) - {room_of(name) for name in graph} <= {"_core", "device/_phases"}


def test_imports_go_down(graph: dict[str, set[str]]) -> None:
    assert upward(graph) == []
    planted = graph | {"mmip_gpu.volume.axes": {"mmip_gpu.codecs"}}
    assert upward(planted) == [("volume", "codecs")]


def test_no_files_import_each_other(graph: dict[str, set[str]]) -> None:
    assert circles(graph) == []
    planted = graph | {"mmip_gpu.volume.axes": {"mmip_gpu.volume.roi"}}
    assert circles(planted) == [["mmip_gpu.volume.axes", "mmip_gpu.volume.roi"]]


def test_imports_in_functions_count(tmp_path: Path) -> None:
    (tmp_path / "mmip_gpu" / "volume").mkdir(parents=True)
    (tmp_path / "mmip_gpu" / "codecs.py").write_text("")
    text = "def late():\n    from mmip_gpu import codecs\n\nif TYPE_CHECKING:\n    from mmip_gpu.api import encode\n"
    (tmp_path / "mmip_gpu" / "volume" / "axes.py").write_text(text)
    assert import_graph(tmp_path)["mmip_gpu.volume.axes"] == {"mmip_gpu.codecs"}


def test_only_what_users_call_imports_the_face(graph: dict[str, set[str]]) -> None:
    users = {room_of(name) for name, targets in graph.items() if "mmip_gpu" in targets}
    assert users <= USES_FACE | {"__init__"}
    assert not [name for name, targets in graph.items() if "numcodecs_plugin" in {t.split(".")[0] for t in targets}
                and not name.startswith("numcodecs_plugin")]  # fmt: skip


def plugin_imports() -> Iterator[tuple[str, str]]:
    """(module, name) of all that the plug-in takes from the package."""
    for path in sorted(PLUGIN.glob("*.py")):
        for node in statements(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mmip_gpu":
                yield from ((node.module or "", alias.name) for alias in node.names)


def test_the_plug_in_takes_listed_names_of_few_rooms() -> None:
    taken = set(plugin_imports())
    assert len(taken) > 5
    for module, name in taken:
        assert module == "mmip_gpu" or f"{module}.".startswith(PLUGIN_USES), (module, name)
        assert name in importlib.import_module(module).__all__, (module, name)


def test_importing_the_package_is_light() -> None:
    code = f"import sys, mmip_gpu; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def sources(*suffixes: str) -> list[Path]:
    found = [
        path for room in ("mmip_gpu", "numcodecs_plugin", "benchmarks", "tests") for path in (ROOT / room).rglob("*")
    ]
    return sorted(path for path in found if path.suffix in suffixes and "build" not in path.relative_to(ROOT).parts)


def test_files_are_small() -> None:
    lengths = {
        p.relative_to(ROOT).as_posix(): (len(p.read_text().splitlines()), p.suffix) for p in sources(*MOST_LINES)
    }
    assert len(lengths) > 300
    assert {name: n for name, (n, suffix) in lengths.items() if n > MOST_LINES[suffix]} == {}


def function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef, text: list[str]) -> int:
    """Lines of a function without its docstring and blank lines."""
    lines = set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines -= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return sum(1 for line in lines if text[line - 1].strip())


def python_functions(text: str) -> dict[str, int]:
    """Lines of every function."""
    lines = text.splitlines()
    nodes = [n for n in ast.walk(ast.parse(text)) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return {f"{node.name}:{node.lineno}": function_lines(node, lines) for node in nodes}


def test_functions_are_small() -> None:
    long = {}
    for path in sources(".py"):
        if "tests" not in path.relative_to(ROOT).parts:
            found = python_functions(path.read_text())
            long |= {f"{path.relative_to(ROOT)}:{name}": n for name, n in found.items() if n > FUNCTION_LINES}
    assert long == {}
    planted = "def f():\n" + '    """Doc."""\n' + "\n" * 50 + "    x = 1\n" * 40
    assert python_functions(planted) == {"f:1": 41}


def test_functions_of_the_core_are_small() -> None:
    assert {f"{p.relative_to(ROOT)}": found for p in sources(".h", ".cpp") if (found := long_functions(p))} == {}


def includes(path: Path) -> list[str]:
    return re.findall(r'#include "([^"]+)"', path.read_text())


@pytest.mark.parametrize(("room", "allowed"), [("rules", ("rules/",)), ("passes", ("rules/", "passes/"))])
def test_includes_go_down(room: str, allowed: tuple[str, ...]) -> None:
    for path in sorted((PACKAGE / room).rglob("*.[hc]*")):
        for name in includes(path):
            assert name.startswith(allowed), f"{path}: {name}"
            assert (PACKAGE / name).exists(), f"{path}: {name}"
        if room == "rules":
            assert set(re.findall(r"#include <(\w+)>", path.read_text())) <= {"cstdint"}, path


def test_kernels_include_rules_and_kernels() -> None:
    for path in sorted((PACKAGE / "device").rglob("*.h")):
        for name in includes(path):
            assert name.startswith(("rules/", "device/kernels/")), f"{path}: {name}"
            assert (PACKAGE / name).exists(), f"{path}: {name}"


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert mmip_gpu.__version__ == project["version"]
