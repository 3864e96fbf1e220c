"""rules/blocks/dct_tables.h and the transform's constants against their formulas."""

import re

import numpy as np
import pytest
from helpers.places import PACKAGE

RULES = PACKAGE / "rules"


def tables() -> dict[tuple[int, int], np.ndarray]:
    text = (RULES / "blocks" / "dct_tables.h").read_text()
    found = {}
    for size, part, body in re.findall(r"DctOdd<(\d+), (\d+)> \{[^=]*=\s*\{(.*?)\n    \};", text, re.S):
        values = [float.fromhex(v) for v in re.findall(r"-?0x[0-9a-f.]+p[+-]\d+", body)]
        found[int(size), int(part)] = np.array(values).reshape(int(part) // 2, int(part) // 2)
    return found


def exact(size: int, part: int) -> np.ndarray:
    k = np.arange(1, part, 2)[:, None]
    i = np.arange(part // 2)[None]
    return np.sqrt(np.longdouble(2) / size) * np.cos((2 * i + 1) * k * np.pi / (2 * part))


def test_every_size_has_its_tables() -> None:
    expected = {(n, m) for n in (2, 4, 8, 16, 32, 64) for m in (2, 4, 8, 16, 32, 64) if m <= n}
    assert set(tables()) == expected


@pytest.mark.parametrize("size", [2, 4, 8, 16, 32, 64])
def test_entries_are_the_nearest_binary32(size: int) -> None:
    for (n, part), values in tables().items():
        if n == size:
            assert np.array_equal(values.astype(np.float32), exact(n, part).astype(np.float32))
            assert np.array_equal(values, values.astype(np.float32))


def test_dc_scales() -> None:
    text = (RULES / "blocks" / "dct_tables.h").read_text()
    found = {int(n): float.fromhex(v) for n, v in re.findall(r"DctDc<(\d+)> \{[^=]*= (\S+?)f;", text)}
    assert found == {n: float(np.float32(1 / np.sqrt(n))) for n in (1, 2, 4, 8, 16, 32, 64)}
