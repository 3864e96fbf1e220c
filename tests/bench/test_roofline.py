"""The roofline study: operations counted one by one, bytes of a known shape, and rows of a small run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import roofline
from gpu.traffic import LINE_OPERATIONS, Work, moved, transform_operations
from reference.transforms import dct_list, idct_list, ireversible_list, reversible_list

import mmip_gpu as mmip
from mmip_gpu.bench.ours import plan_of
from mmip_gpu.transform.chunk import encode_chunk


class Counted:
    """A number that counts the additions and products that it takes part in."""

    done = 0

    def _operation(self, _: Any) -> Counted:
        Counted.done += 1
        return Counted()

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _operation
    __array_ufunc__ = None  # float32 factors leave the product to this class

    def __neg__(self) -> Counted:
        return self


@pytest.mark.parametrize(
    ("line", "lossless"),
    [
        (lambda x: dct_list(x, 8), False),
        (lambda x: idct_list(x, 8), False),
        (reversible_list, True),
        (ireversible_list, True),
    ],
    ids=["dct", "inverse dct", "reversible", "inverse reversible"],
)
def test_operations_of_a_line_are_those_of_the_reference(line: Any, lossless: bool) -> None:
    Counted.done = 0
    line([Counted() for _ in range(8)])
    assert Counted.done == LINE_OPERATIONS[lossless]


def test_a_transform_takes_a_line_of_eight_for_each_axis() -> None:
    assert transform_operations(8, False) == 3 * 50 / 8
    assert transform_operations(1, True) == 2 * 168 / 8


WORK = Work(samples=512 * 100, itemsize=2, depth=8, nonzeros=0.5, bits=1.0, ac_stages=2)
PAYLOADS = [400, 2000, 4000]


def test_bytes_of_a_known_shape() -> None:
    """A hundred cells of 8x8x8 samples of 16 bits, half of the indices nonzero, in three stages."""
    samples, tokens, cells = 51_200, 25_600, 100

    def moved_by(kernel: str) -> float:
        return float(roofline.counts(kernel, WORK, PAYLOADS, False)["bytes"])

    assert moved_by("analyze") == pytest.approx(2 * samples + 6 * tokens + 8 * cells)
    assert moved_by("synthesize") == pytest.approx(2 * samples + 8 * tokens + (2 * 16 + 6) * cells)
    assert moved_by("pack") == pytest.approx(6 * tokens + 8 * cells + 6400)
    assert moved_by("check") == pytest.approx(6400)
    assert moved_by("unpack first") == pytest.approx(400 + 5 * cells)
    assert moved_by("unpack later") == pytest.approx(6000 + 8 * tokens + (2 * 16 + 5) * cells)
    assert moved_by("synthesize") == moved("synthesize_deep", WORK)


def test_operations_say_how_they_were_counted() -> None:
    lossy, exact = (roofline.counts("synthesize", WORK, PAYLOADS, lossless) for lossless in (False, True))
    assert lossy["operations"] == 51_200 * (18.75 + 4) + 3 * 25_600
    assert (lossy["counted"], exact["counted"]) == ("at most", "all")
    assert exact["operations"] - lossy["operations"] == 51_200 * 3 * (168 - 50) / 8
    assert roofline.counts("analyze", WORK, PAYLOADS, False)["counted"] == "at least"
    packed = roofline.counts("pack", WORK, PAYLOADS, False)
    assert (packed["operations"], packed["tokens"]) == (None, 25_700)


@pytest.mark.parametrize("mode", ["effort 1", "lossless"])
def test_rows_of_a_small_volume(mode: str) -> None:
    array = mmip.phantom3d((16, 64, 64))
    rows = {row["what"]: row for row in roofline.kernel_rows("phantom3d", mode, array, 1)}
    assert list(rows) == ["analyze", "pack", "check", "unpack first", "unpack later", "synthesize"]
    assert all(row["seconds"] > 0 and row["bytes"] > 0 for row in rows.values())
    plan = plan_of(array, **roofline.options_of("phantom3d", mode))
    payloads = encode_chunk(array, plan, threads=1, allow_raw=False).payloads
    cells = array.size / (64 * plan.depth)
    assert rows["check"]["bytes"] == pytest.approx(sum(map(len, payloads)))
    assert rows["unpack first"]["tokens"] == cells
    assert rows["pack"]["tokens"] == pytest.approx(rows["unpack later"]["tokens"] + cells)
    assert rows["analyze"]["bits_per_sample"] == pytest.approx(8 * sum(map(len, payloads)) / array.size)


def test_higher_efforts_are_measured_where_they_differ() -> None:
    rows = list(roofline.kernel_rows("phantom3d", "effort 2", mmip.phantom3d((8, 64, 64)), 1))
    assert [row["what"] for row in rows] == ["analyze"]


def test_ceilings_of_memory_and_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "ARRAY_BYTES", 2**20)
    copy, triad = roofline.memory_rows(2, 1)
    assert (copy["bytes"], triad["bytes"]) == (2 * 2**20, 5 * 2**20)
    assert copy["seconds"] > 0
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)  # as a user calls it
    product = roofline.product_row(1, 1)
    assert product["operations"] == 2 * 1536**3
    assert product["seconds"] > 0
    assert product["blas"]


def test_the_triad_is_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays: list[np.ndarray] = []
    ones = np.ones

    def kept(*arguments: Any) -> np.ndarray:
        arrays.append(ones(*arguments))
        return arrays[-1]

    monkeypatch.setattr(roofline, "ARRAY_BYTES", 4096)
    monkeypatch.setattr(np, "ones", kept)
    assert len(list(roofline.memory_rows(1, 1))) == 2
    assert [np.unique(array).tolist() for array in arrays] == [[4.0], [1.0], [1.0]]
