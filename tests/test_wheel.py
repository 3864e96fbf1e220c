"""What the installed package holds: all that runs, and nothing that was only needed to build it."""

import re
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest

import mmip_gpu

SOURCES = Path(__file__).parents[1]


def installed() -> set[PurePosixPath]:
    """Files of the installed package, as paths from the folder that holds mmip_gpu/."""
    folder = Path(mmip_gpu.__file__).parents[1]
    found = [d for d in metadata.distributions(path=[str(folder)]) if d.name == "mmip-gpu"]
    if not found:
        pytest.skip("what is imported is no installed package: pip install .")
    return {PurePosixPath(f) for f in found[0].files or []}


def included(name: str, found: set[str]) -> set[str]:
    """A source of mmip_gpu/ with all headers that it needs."""
    if name not in found:
        found.add(name)
        for header in re.findall(r'^#include "(.+)"', (SOURCES / "mmip_gpu" / name).read_text(), re.M):
            included(header, found)
    return found


def test_what_a_gpu_compiles_is_installed() -> None:
    needed = {PurePosixPath("mmip_gpu", name) for name in included("device/kernels.cu", set())}
    assert len(needed) > 50
    assert needed <= installed()


def test_nothing_is_installed_that_only_a_build_needs() -> None:
    files = installed()
    assert [f for f in files if f.suffix in (".cpp", ".png") or f.name == "CMakeLists.txt"] == []
    assert [f for f in files if f.parts[:2] in (("mmip_gpu", "passes"), ("mmip_gpu", "bindings"))] == []
    assert {PurePosixPath("mmip_gpu", name) for name in ("FORMAT.md", "docs/compress.md", "py.typed")} <= files
