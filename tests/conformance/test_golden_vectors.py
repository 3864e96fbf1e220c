"""Golden vectors (tests/vectors): written once by write.py, only read here."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import numpy as np
import pytest
import reference
from helpers.kernel_copies import selected
from reference.container import read_header
from reference.geometry import BLOCKS
from reference.synthesis import synthesize
from vectors.explain import explain
from vectors.write import FOLDER, checksum, encoded, file_of, recipes

import mmip_gpu as mmip

MOST_STAGES = {1: 17, 2: 16, 4: 2, 8: 1}  # that a scale reads

INDEX: dict[str, dict[str, Any]] = json.loads((FOLDER / "index.json").read_text())


def test_the_index_lists_the_files() -> None:
    assert {file_of(name) for name in INDEX} == set(FOLDER.glob("*.mmip"))
    assert INDEX.keys() == recipes().keys()
    sizes = [path.stat().st_size for path in FOLDER.glob("*.mmip")]
    assert max(sizes) < 50_000
    assert sum(sizes) < 620_000


@pytest.fixture(params=INDEX)
def vector(request: pytest.FixtureRequest) -> tuple[dict[str, Any], bytes]:
    entry, blob = INDEX[request.param], file_of(request.param).read_bytes()
    assert hashlib.sha256(blob).hexdigest() == entry["sha256"]
    return entry, blob


def test_vectors_decode(vector: tuple[dict[str, Any], bytes], each_kernel: list[str]) -> None:
    entry, blob = vector
    decoded = entry["decoded"]
    for _ in selected(each_kernel):
        for stages, expected in enumerate(decoded["stages"], 1):
            found = mmip.decode(blob, stages=stages)
            assert checksum(found) == expected
            assert found.dtype == decoded["dtype"]
        for scale, expected in decoded["scales"].items():
            assert checksum(mmip.decode(blob, scale=int(scale))) == expected


def test_vectors_decode_by_the_reference(vector: tuple[dict[str, Any], bytes]) -> None:
    entry, blob = vector
    header, _ = read_header(blob)
    if header.kind != 1:
        assert [checksum(reference.decode(blob))] == entry["decoded"]["stages"]
        found = {str(scale): checksum(reference.decode(blob, scale=scale)) for scale in MOST_STAGES}
    else:
        coefficients = reference.decode_coefficients(blob)
        stages = range(1, header.stage_count + 1)
        whole = [checksum(synthesize(coefficients.first(k), header)) for k in stages]
        assert whole == entry["decoded"]["stages"]
        found = {
            str(scale): checksum(synthesize(coefficients.first(most), header, scale))
            for scale, most in MOST_STAGES.items()
        }
    assert found == entry["decoded"]["scales"]


@pytest.mark.parametrize("name", [name for name, entry in INDEX.items() if entry["input"]])
def test_vectors_are_reproduced(name: str, each_kernel: list[str]) -> None:
    assert INDEX[name]["input"] == recipes()[name]["input"]
    for kernel in selected(each_kernel):
        assert encoded(name, INDEX[name]) == file_of(name).read_bytes(), kernel


def test_vectors_hold_every_mode() -> None:
    seen: set[tuple[int, int]] = set()
    for name in INDEX:
        if seen == set(BLOCKS):
            break
        blob = file_of(name).read_bytes()
        header, _ = read_header(blob)
        if header.kind == 1:
            blocks = reference.decode_coefficients(blob, stages=2).stages[0].values()
            seen |= {(header.cell_depth, mode) for mode, _ in blocks}
    assert seen == set(BLOCKS)


def test_vectors_hold_every_form_of_kind_2() -> None:
    reports = [mmip.inspect(file_of(name).read_bytes()) for name in INDEX if name.startswith("predictive")]
    configs = [report["config"] for report in reports]
    assert {config["colour_form"] for config in configs} == {0, 1, 2, 3}
    assert (
        {config["near"] > 0 for config in configs}
        == {config["brick_log2"][0] > 0 for config in configs}
        == {True, False}
    )
    assert max(config["bits"] for config in configs) == 20
    assert {report["dtype"] for report in reports} == {"uint8", "int8", "uint16", "int16", "float32"}


def test_the_worked_example() -> None:
    """The bytes and samples of example.txt, which FORMAT.md points to, are those of the vector."""
    text = (FOLDER / "example.txt").read_text()
    blob = file_of("example").read_bytes()
    table, samples = text.split("\nsamples\n")
    shown = re.findall(r"^ +(\d+)  ((?:[0-9a-f]{2} ?)+)", table, flags=re.MULTILINE)
    assert bytes.fromhex("".join(piece for _, piece in shown)) == blob
    assert [int(offset) for offset, _ in shown] == list(np.cumsum([0, *(len(bytes.fromhex(p)) for _, p in shown)])[:-1])
    expected = np.array([row.split() for row in samples.splitlines()], np.uint8)
    assert np.array_equal(mmip.decode(blob), expected)
    assert np.array_equal(reference.decode(blob), expected)
    assert explain(blob) == text
