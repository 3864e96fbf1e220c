"""The shape of the package: imports point one way, heavy packages load late, modules stay small."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mmip_gpu

PACKAGE = Path(__file__).parents[1] / "mmip_gpu"
PLUGIN = Path(__file__).parents[1] / "numcodecs_plugin"
HEAVY = {
    "cupy",
    "torch",
    "dask",
    "zarr",
    "matplotlib",
    "skimage",
    "nibabel",
    "pydicom",
    "tifffile",
    "imagecodecs",
    "mmip_gpu.device._phases",
}
# Each module may import those of lower rank only.
RANK = {
    "errors": 0, "_core": 0, "axes": 1, "floats": 1, "config": 2, "phantoms": 1, "similarity": 1, "sources": 2,
    "roi": 2, "sinks": 3, "metrics": 3, "plot": 4, "components": 2, "corrections": 3, "planning": 3, "container": 3,
    "arguments": 4,
    "padding": 3, "device": 8, "region": 4, "raw": 5, "loss": 5, "codec": 6, "sizing": 6, "trial": 7, "matching": 8,
    "rate": 9, "inspection": 7, "groups": 7, "api": 10, "store": 11, "cli": 12,
}  # fmt: skip


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py")) + sorted(PLUGIN.rglob("*.py"))


def top_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.Module, package: str) -> set[str]:
    """Modules of mmip_gpu that the file imports anywhere but under TYPE_CHECKING."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            if node.level == 0 and node.module == "mmip_gpu":
                found |= {a.name for a in node.names if a.name in RANK}
            elif node.level == 0 and (node.module or "").startswith("mmip_gpu."):
                found.add((node.module or "").split(".")[1])
            elif node.level:
                parts = package.split(".")[: len(package.split(".")) - node.level + 1]
                full = ".".join([*parts, *(node.module or "").split(".")]).strip(".")
                names = [full] if node.module else [f"{full}.{a.name}" for a in node.names]
                found |= {n.split(".")[1] for n in names if n.startswith("mmip_gpu.") and len(n.split(".")) > 1}
    return found


@pytest.mark.parametrize("path", [p for p in modules() if p.is_relative_to(PACKAGE)], ids=lambda p: p.name)
def test_imports_point_down(path: Path) -> None:
    own = top_of(path)
    if own in ("__init__", "__main__"):
        return
    package = ".".join(["mmip_gpu", *path.relative_to(PACKAGE).parts[:-1]])
    for name in imported(ast.parse(path.read_text()), package):
        assert name == own or RANK[name] < RANK[own], f"{path.name} imports {name}"


def test_core_import_is_light() -> None:
    code = f"import sys, mmip_gpu; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.name)
def test_modules_are_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 330


def test_passes_and_rules_are_small() -> None:
    long = {
        p.name: n
        for p in PACKAGE.rglob("*")
        if p.suffix in (".h", ".cpp") and (n := len(p.read_text().splitlines())) > 350
    }
    assert long.keys() <= {"core.cpp"}, long


def test_rules_include_only_rules() -> None:
    for path in (PACKAGE / "rules").rglob("*.h"):
        for line in path.read_text().splitlines():
            if line.startswith("#include <"):
                assert line == "#include <cstdint>", f"{path.name}: {line}"
            elif line.startswith('#include "'):
                name = line.split('"')[1]
                assert name.startswith("rules/"), f"{path.name}: {line}"
                assert (PACKAGE / name).exists(), f"{path.name}: {line}"


def test_versions_agree() -> None:
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    assert mmip_gpu.__version__ == project["version"]
