"""The layouts that the core exports are those that the device's compiler gives the same declarations.

Skipped where NVRTC is not installed: pip install nvidia-cuda-nvrtc.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from helpers.nvrtc import compiled

import mmip_gpu
from mmip_gpu._core import kernel_layouts, struct_layouts
from mmip_gpu.device.layouts.structs import params_dtype, struct_dtype
from mmip_gpu.device.run.binaries import COMPILE_OPTIONS

if TYPE_CHECKING:
    from mmip_gpu._core import Layout

ARCHITECTURE = "sm_90"
C_TYPES = {
    "i1": "signed char",
    "u1": "unsigned char",
    "u2": "unsigned short",
    "i4": "int",
    "u4": "unsigned int",
    "i8": "long long",
    "u8": "unsigned long long",
    "f4": "float",
    "f8": "double",
}
PRELUDE = """
#include "device/kernels/all.h"
template <class T> struct Element { using Type = T; };
template <class T, int n> struct Element<T[n]> : Element<T> {};
template <class T> struct Number { using Type = T; };
template <class T> struct Number<T*> { using Type = unsigned long long; };
template <class A, class B> constexpr bool same = false;
template <class A> constexpr bool same<A, A> = true;
#define PARAMS(name, K) using name##_params = K::Params;
MMIP_ALL_KERNELS(PARAMS)
"""


def asserts(cpp: str, layout: Layout, path: str = "") -> Iterator[str]:
    """Lines that hold where a C++ type is laid out so; the message is the field at fault."""
    size, fields = layout
    yield f'static_assert(sizeof({cpp}) == {size}, "{cpp} {path}");'
    for name, offset, kind, shape in fields:
        place = f"__builtin_offsetof({cpp}, {name})"
        member = f"decltype({cpp}::{name})"
        element = f"typename Element<{member}>::Type"
        yield f'static_assert({place} == {offset}, "{cpp}::{name}");'
        count = int(np.prod(shape))
        yield f'static_assert(sizeof({member}) == {count} * sizeof({element}), "{cpp}::{name}");'
        if isinstance(kind, str):
            yield f'static_assert(same<Number<{element}>::Type, {C_TYPES[kind]}>, "{cpp}::{name}");'
        else:
            alias = f"{cpp.replace('::', '_')}_{name}"
            yield f"using {alias} = {element};"
            yield from asserts(alias, kind)


def compile_asserts(structs: dict[str, Layout], kernels: dict[str, Layout]) -> str:
    lines = [line for name, layout in structs.items() for line in asserts(f"mmip::{name}", layout)]
    lines += [line for name, layout in kernels.items() for line in asserts(f"{name}_params", layout)]
    return compiled("\n".join([PRELUDE, *lines]), ARCHITECTURE, COMPILE_OPTIONS)


def test_the_device_lays_structs_out_as_the_core_says() -> None:
    assert "warning" not in compile_asserts(struct_layouts(), kernel_layouts())


def test_two_swapped_fields_of_one_type_are_found() -> None:
    structs = {"TileItem": deepcopy(struct_layouts()["TileItem"])}
    _, fields = structs["TileItem"]
    (first, at, *kind), (second, after, *other) = fields[:2]
    assert kind == other
    fields[:2] = [(first, after, *kind), (second, at, *other)]
    with pytest.raises(AssertionError, match=f"TileItem::{first}(?s:.)*TileItem::{second}"):
        compile_asserts(structs, {})


@pytest.mark.parametrize(("listed", "compiles"), [("a, b, c", True), ("a, b", False), ("a, b, c, d", False)])
def test_a_list_of_fields_holds_all_of_them(listed: str, compiles: bool) -> None:
    source = f"""
    #include "rules/fields.h"
    struct Three {{ int a, b[2]; const float* c; MMIP_FIELDS({listed}) }};
    struct Visit {{ template <class... T> __device__ void operator()(const char*, const T&...) const {{}} }};
    __device__ void visit(const Three& three) {{ three.visit_fields(Visit{{}}); }}
    """
    if compiles:
        assert "warning" not in compiled(source, ARCHITECTURE, COMPILE_OPTIONS)
        return
    with pytest.raises(AssertionError, match="error"):
        compiled(source, ARCHITECTURE, COMPILE_OPTIONS)


def test_only_the_executor_of_the_host_takes_the_kernels_of_the_cpu() -> None:
    package = Path(mmip_gpu.__file__).parent
    found = [path.relative_to(package).as_posix() for path in package.rglob("*.py") if "_phases" in path.read_text()]
    assert found == ["device/run/executors.py"]


def test_dtypes_have_the_places_of_the_layouts() -> None:
    for name, (size, fields) in struct_layouts().items():
        dtype = struct_dtype(name)
        assert dtype.itemsize == size
        assert dtype.isalignedstruct
        assert {n: (dtype.fields or {})[n][1] for n in dtype.names or ()} == {n: at for n, at, *_ in fields}
    assert (params_dtype("write_dcs").fields or {})["residuals"][1] == 8 * 7  # groups, five of the batch, classes
