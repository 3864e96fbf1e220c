"""Small things have one definition: dtypes, default axes, axes that shrink, AC of a cell, the worth of a bit."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.places import PACKAGE

import mmip_gpu as mmip
from mmip_gpu import _core
from mmip_gpu.container.header import DTYPES
from mmip_gpu.device.layouts.structs import SAMPLE_TYPES
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.sources import default_axes as axes_of_source
from mmip_gpu.volume.axes import DEFAULT_AXES, PlaneLayout, default_axes
from mmip_gpu.volume.roi import checked_axes
from numcodecs_plugin import MmipV2

ROOMS = (PACKAGE, PACKAGE.parent / "numcodecs_plugin")
HOMES = {
    "dtypes": {"mmip_gpu/container/header.py"},
    "default axes": {"mmip_gpu/volume/axes.py"},
    "shrinking axes": {"mmip_gpu/volume/axes.py"},
    "AC of a cell": {"mmip_gpu/rules/blocks/blocks.h"},
    "worth of a bit": {"mmip_gpu/rules/blocks/decide.h"},
}
LISTED_DTYPES = set(DTYPES[:4])
LISTED_AXES = {"x", "yx", "zyx", "tzyx"}
AXES_OF_FIVE = {"tczyx", "tnzyx", "ntzyx"}


def words(node: ast.AST) -> set[object]:
    """Constants, and last names of attributes, that are items of a collection."""
    items: list[ast.expr | None] = []
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        items = list(node.elts)
    elif isinstance(node, ast.Dict):
        items = [*node.keys, *node.values]
    elif isinstance(node, ast.IfExp):
        items = [node.body, node.orelse]
    found: set[object] = {item.value for item in items if isinstance(item, ast.Constant)}
    return found | {item.attr for item in items if isinstance(item, ast.Attribute)}


def is_product_less_one(node: ast.AST) -> bool:
    """Whether this is 64 times something, less one."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and ast.unparse(node.right) == "1"):
        return False
    product = node.left
    return isinstance(product, ast.BinOp) and isinstance(product.op, ast.Mult) and "64" in ast.unparse(product).split()


def of_python(source: str) -> Iterator[str]:
    """Names of the definitions that a module states itself; texts of more than a word are messages and pages."""
    for node in ast.walk(ast.parse(source)):
        value = node.value if isinstance(node, ast.Constant) else None
        listed = words(node)
        if listed >= LISTED_DTYPES:
            yield "dtypes"
        if value in AXES_OF_FIVE or len(listed & LISTED_AXES) > 2:
            yield "default axes"
        if {"zyx", "yx"} <= listed and (isinstance(node, ast.IfExp) or {1, 8} & listed):
            yield "shrinking axes"
        if value == 511 or is_product_less_one(node):
            yield "AC of a cell"
        if (isinstance(node, ast.BinOp) and ast.unparse(node) == "29 / 256") or value in (7424, 29 / 256):
            yield "worth of a bit"


def of_cpp(source: str) -> Iterator[str]:
    code = re.sub(r"//.*|/\*.*?\*/", "", source)
    if re.search(r"\b511\b|\b64 \* \w*depth\w* - 1\b|\b\w*depth\w* \* 64 - 1\b", code):
        yield "AC of a cell"
    if re.search(r"\b7424\b|\b29(\.0f?)? ?/ ?256", code):
        yield "worth of a bit"


def stated(folder: Path) -> dict[str, set[str]]:
    """Files under a folder that state a definition themselves."""
    found: dict[str, set[str]] = {}
    for path in folder.rglob("*"):
        reader = {".py": of_python, ".h": of_cpp, ".cpp": of_cpp, ".cu": of_cpp}.get(path.suffix)
        for name in set(reader(path.read_text())) if reader else ():
            found.setdefault(name, set()).add(path.relative_to(folder.parent).as_posix())
    return found


def test_each_definition_has_one_home() -> None:
    package, plugin = map(stated, ROOMS)
    assert package == HOMES
    assert plugin == {}


PLANTED = {
    'KINDS = ("uint8", "int8", "uint16", "int16", "float32")': "dtypes",
    "KINDS = [np.uint8, np.int8, np.uint16, np.int16]": "dtypes",
    'NUMBERS = {"uint8": 0, "int8": 1, "uint16": 2, "int16": 3, "int32": 4}': "dtypes",
    'AXES = {1: "x", 2: "yx", 3: "zyx", 4: "tzyx"}': "default axes",
    'axes = "ntzyx"[5 - rank :]': "default axes",
    'axes = {5: "tnzyx"} | axes': "default axes",
    'axes = "zyx" if depth == 8 else "yx"': "shrinking axes",
    'axes = "yx" if depth == 1 else "zyx"': "shrinking axes",
    'axes = {1: "yx", 8: "zyx"}[depth]': "shrinking axes",
    "CELL = {1: 63, 8: 511}": "AC of a cell",
    "count = 64 * depth - 1": "AC of a cell",
    "count = cell.depth * 64 - 1": "AC of a cell",
    "LAMBDA = 29 / 256": "worth of a bit",
    "LAMBDA = 0.11328125": "worth of a bit",
}


@pytest.mark.parametrize(("line", "name"), PLANTED.items(), ids=PLANTED)
def test_a_second_definition_is_found(line: str, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "room"
    folder.mkdir()
    (folder / "module.py").write_text(f'"""A module."""\n\n{line}\n')
    assert name in stated(folder)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("constexpr int kCellAc[] = {63, 511};", "AC of a cell"),
        ("int count = 64 * depth - 1;", "AC of a cell"),
        ("constexpr int64_t kOther = 7424;", "worth of a bit"),
        ("constexpr double kWorth = 29.0 / 256;", "worth of a bit"),
    ],
)
def test_a_second_definition_in_cpp_is_found(line: str, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "room"
    folder.mkdir()
    (folder / "header.h").write_text(f"#pragma once\n{line}  // 29/256\n")
    assert set(stated(folder)) == {name}


def test_what_is_not_a_definition_is_not_found(tmp_path: Path) -> None:
    folder = tmp_path / "room"
    folder.mkdir()
    lines = (
        '"""Axes tczyx, zyx or yx; 63 or 511 AC; 29/256."""',
        'axes = "zyx"',
        "mask = 63",
        'kinds = ("uint8", "int8")',
    )
    (folder / "module.py").write_text("\n".join(lines))
    (folder / "header.h").write_text("constexpr int kMask = 63;  // 511, 7424, 29/256\n")
    assert stated(folder) == {}


def test_default_axes_are_the_same_everywhere() -> None:
    for rank in range(1, 6):
        array = np.zeros((2,) * rank, np.uint8)
        coded = MmipV2(lossless=True, stages=2).encode(array)
        given = {default_axes(rank), checked_axes(None, rank), axes_of_source(rank), PlaneLayout.of(array.shape).axes}
        given |= {mmip.inspect(blob)["axes"] for blob in (coded, mmip.encode(array, lossless=True, stages=2))}
        assert given == {DEFAULT_AXES[rank]}
    assert DEFAULT_AXES[5] == "tczyx"


def test_six_axes_have_to_be_named() -> None:
    array = np.zeros((2,) * 6, np.uint8)
    message = "6 axes have no default: pass axes=, such as axes='tnczyx'"
    with pytest.raises(InvalidArgument, match=message):
        mmip.encode(array, quality=10)
    with pytest.raises(InvalidArgument, match=message):
        MmipV2(quality=10).encode(array)
    with pytest.raises(InvalidArgument, match=message):
        checked_axes(None, 6)
    assert mmip.inspect(mmip.encode(array, quality=10, axes="tnczyx"))["axes"] == "tnczyx"
    assert axes_of_source(6) == ""
    with pytest.raises(InvalidArgument, match=message):
        mmip.write_zarr(array, {}, quality=10)
    assert mmip.write_zarr(array, {}, quality=10, axes="tnczyx")["axes"] == "tnczyx"
    with pytest.raises(InvalidArgument, match="expected 1 to 5 axes"):
        axes_of_source(7)


def test_constants_of_the_core() -> None:
    assert _core.CELL_AC == {1: 63, 8: 511}  # FORMAT.md section 1
    assert _core.SQUARED_STEPS_PER_BIT == 29 / 256


def test_numbers_of_sample_types() -> None:
    """Kernels number integers as headers number dtypes; those of float32 samples are int32."""
    names = ("uint8", "int8", "uint16", "int16", "int32")
    assert [SAMPLE_TYPES[np.dtype(name)] for name in names] == [0, 1, 2, 3, 4]
    assert len(SAMPLE_TYPES) == len(names)
