"""The shares of a container: all its bits are told apart, and signs are as many as indices."""

from __future__ import annotations

from typing import Any

import byte_shares
import numpy as np
import pytest

import mmip_gpu as mmip
from mmip_gpu.container.reader import open_container
from mmip_gpu.transform.analysis import empty_chunk


def waves(shape: tuple[int, ...], padding: int | None = None) -> np.ndarray:
    """Waves and noise, whose cells have too many values for palettes."""
    z, y, x = np.indices(shape)
    field = 20_000 + 3000 * np.sin(z / 5 + y / 9) + 4000 * np.cos(x / 13 - y / 40)
    noisy = np.rint(field + np.random.default_rng(1).normal(0, 150, shape))
    if padding is not None:
        noisy[:, :, :24] = padding
    return noisy.astype(np.uint16)


def edges(shape: tuple[int, ...]) -> np.ndarray:
    """Slanted edges under the same noise, which neighbours predict."""
    _, y, x = np.indices(shape)
    return waves(shape) + np.where((x + 2 * y) % 90 < 40, 0, 8000).astype(np.uint16)


CASES = {
    "flat": (waves((4, 96, 96)), {"cell_depth": 1, "prediction": False}),
    "predicted": (edges((4, 128, 128)), {"cell_depth": 1, "prediction": True}),
    "deep": (waves((16, 64, 64)), {"cell_depth": 8}),
    "padded": (waves((4, 96, 96), 60_000), {"cell_depth": 1, "padding": 60_000, "prediction": False}),
    "one stage": (waves((4, 96, 96)), {"cell_depth": 1, "stages": 2, "prediction": False}),
}


def indices(blob: bytes) -> int:
    """AC indices of a container that are not 0."""
    header, read_part = open_container(blob)
    fields, layout = header.fields, header.layout
    chunk = empty_chunk(fields, layout)
    grid = [-(-n // side) for n, side in zip(layout.volume, (fields.depth, 8, 8), strict=True)]
    found = 0
    for stage in range(1, len(fields.cuts) + 1):
        chunk.unpack(stage, memoryview(read_part(stage, 0, None)), True, False, 1)
        if stage > 1:
            columns = np.empty((layout.planes, *grid, 1 + fields.cuts[stage - 1] - fields.cuts[stage - 2]), np.int32)
            chunk.to_columns(stage, columns)
            found += int(np.count_nonzero(columns[..., 1:]))
    return found


@pytest.mark.parametrize("case", CASES)
def test_all_bits_are_told_apart(case: str) -> None:
    array, options = CASES[case]
    blob = mmip.encode(array, effort=3, qstep=200.0, **options)
    row: dict[str, Any] = byte_shares.shares(blob)
    bits = {part: round(row[part] * 8 * len(blob) / 100) for part in byte_shares.PARTS}
    assert sum(bits.values()) == 8 * len(blob)
    assert 0 <= bits["rest"] < 8 * row["substreams"]  # zero bits at their ends
    assert bits["signs"] == indices(blob) > 0
    assert (bits["mask"] > 0) == (case == "padded")
    assert (bits["predictions"] > 0) == (case == "predicted")


def test_raw_bits_of_counts_and_magnitudes_are_those_of_the_format() -> None:
    assert [byte_shares.count_bits(symbol) for symbol in (0, 7, 8, 9, 10, 27)] == [0, 0, 2, 2, 3, 11]
    assert [byte_shares.magnitude_bits(size) for size in (1, 3, 4, 5, 6, 14)] == [0, 0, 1, 1, 3, 11]
