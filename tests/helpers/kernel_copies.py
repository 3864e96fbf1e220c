"""The copies of the kernels that a machine runs, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

from mmip_gpu import _core


def selected(names: list[str]) -> Iterator[str]:
    for name in names:
        assert _core.select_kernels(name)
        assert _core.selected_kernels() == name
        yield name
