"""Predictions of blocks: streams of the reference in the core, as columns and packed again, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import reference
from helpers.damage import resealed, with_head
from reference import Coefficients, prediction
from reference.codes import PREDICTED
from reference.container import read_header
from reference.random_streams import CASES, random_coefficients, random_own

import mmip_gpu as mmip
from mmip_gpu.container.header import Header
from mmip_gpu.container.payload import head_crc
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.stage_arrays.coding import encode_stage
from mmip_gpu.stage_arrays.device_encoding import encode_stages
from mmip_gpu.stage_arrays.options import StageOptions
from mmip_gpu.transform.analysis import empty_chunk

STREAMS = [name for name, header in CASES.items() if header.prediction]


def stream(name: str, own: bool = True) -> tuple[bytes, Coefficients]:
    rng = np.random.default_rng([7, *name.encode()])
    coefficients = random_coefficients(rng, CASES[name])
    assert coefficients.predictions
    return reference.encode(CASES[name], coefficients, random_own(rng, CASES[name]) if own else {}), coefficients


def payloads_of(blob: bytes) -> tuple[Any, list[bytes]]:
    header, at = Header.parse(blob)
    ends = np.cumsum([at, *header.payload_sizes]).tolist()
    return header, [blob[a:b] for a, b in pairwise(ends)]


def joined(header: Any, payloads: list[bytes], **changes: Any) -> bytes:
    """A container of these payloads."""
    sizes, crcs = tuple(map(len, payloads)), tuple(map(head_crc, payloads))
    fields = replace(header.fields, stage_bytes=sizes, stage_crcs=crcs, **changes)
    return replace(header, fields=fields).to_bytes() + b"".join(payloads)


# --- decoded, in columns and packed again


@pytest.mark.parametrize("name", STREAMS)
def test_regions_of_all_scales(name: str) -> None:
    blob, _ = stream(name)
    rng = np.random.default_rng(len(blob))
    for scale, stages in product((1, 2, 4, 8), (2, None)):
        whole = mmip.decode(blob, scale=scale, stages=stages, threads=1)
        for threads in (1, 3):
            bounds = [sorted(rng.integers(0, n + 1, 2).tolist()) for n in whole.shape]
            region = tuple(slice(a, b) for a, b in bounds)
            part = mmip.decode(blob, scale=scale, stages=stages, region=region, threads=threads)
            assert np.array_equal(part, whole[region])


@pytest.mark.parametrize("name", STREAMS)
def test_columns_are_packed_to_what_decodes_alike(name: str) -> None:
    """Column 0 of stage 2 has the predictions; what is packed of the columns has other codes and the same samples."""
    blob, coefficients = stream(name)
    header, payloads = payloads_of(blob)
    read = read_header(blob)[0]
    packed = []
    for stage, columns in enumerate(coefficients.store(1, read.edges), 1):
        chunk = empty_chunk(header.fields, header.layout)
        chunk.from_columns(stage, columns)
        assert chunk.predicted == (stage == 2)
        packed.append(chunk.pack(stage, 2))
        for payload in (payloads[stage - 1], packed[-1]):
            again = empty_chunk(replace(header.fields, prediction=False), header.layout)
            again.unpack(stage, payload, True, True, 1)
            found = np.full(columns.shape, 99, np.int32)
            again.to_columns(stage, found)
            assert np.array_equal(found, columns)
    packed += payloads[len(packed) :]
    assert np.array_equal(mmip.decode(joined(header, packed)), mmip.decode(blob))
    assert reference.decode_coefficients(joined(header, packed)).first(2).equals(coefficients.first(2))


def test_what_is_shown_of_it() -> None:
    blob, _ = stream("predicted")
    assert mmip.inspect(blob)["config"]["prediction"] is True
    assert mmip.inspect(mmip.encode(np.zeros((40, 40), np.uint8), quality=50))["config"]["prediction"] is False


# --- refused


def blank(header: reference.Header, mode: int) -> Coefficients:
    """Blocks of one mode without coefficients."""
    zeros = np.zeros((1, *header.grid.cells), np.int64)
    side = {0: 1, 1: 1, 4: 2, 5: 4, 6: 8}[mode]
    cells = [c for c in np.ndindex(zeros.shape) if c[2] % side == c[3] % side == 0]
    blocks = {cell: (mode, np.zeros(63 * side * side, np.int64)) for cell in cells}
    return Coefficients(zeros, zeros, [blocks])


SLICES = reference.Header((2, 64, 64), "zyx", tile_log2=(1, 4, 4), prediction=1)
PLAIN_CODE = {(PREDICTED, "PREDICTION", i): [3, 3, 3, 3, 3, 3, 2] for i in range(12)}
MISPLACED = {
    "slice in the first slice": (0, (0, 0, 0, 1), 35),
    "planar of a block of 64": (6, (0, 1, 0, 0), 1),
    "an angle of a block of 64": (6, (0, 1, 0, 0), 10),
    "planar where nothing is above or at the left": (0, (0, 1, 0, 0), 1),
    "an angle where nothing is above or at the left": (4, (0, 1, 0, 0), 34),
    "a symbol that there is not": (0, (0, 1, 3, 3), 7),
    "as W, which has none": (0, (0, 1, 3, 3), -1),
    "as N, which has none": (0, (0, 1, 3, 3), -2),
}


@pytest.mark.parametrize("name", MISPLACED)
def test_misplaced_predictions_are_corrupt(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mode, cell, wrong = MISPLACED[name]
    coefficients = blank(SLICES, mode)
    coefficients.predictions[cell] = wrong

    def write(writer: Any, tile: Any, at: Any, of: int, codes: Any, given: int) -> None:
        symbol = {0: 0, 35: 4, 1: 3, 7: 7, -1: 1, -2: 2}.get(given, 5)
        if prediction.allowed(at, of) != {0}:
            codes["PREDICTION"][0].write(writer, symbol)
            if symbol == 5:
                writer.raw(5, given - 3)

    with monkeypatch.context() as patch:
        patch.setattr("reference.substreams.write_prediction", write)
        blob = reference.encode(SLICES, coefficients, PLAIN_CODE)
        coefficients.predictions.clear()
        sound = reference.encode(SLICES, coefficients, PLAIN_CODE)
    assert not mmip.decode(sound).any()
    with pytest.raises(mmip.CorruptData, match="stage 2, sub-stream 0"):
        mmip.decode(blob)
    with pytest.raises(reference.CorruptError):
        reference.decode(blob)
    assert not mmip.decode(blob, stages=1).any()


def test_predictions_of_a_reversible_class_are_corrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    header = replace(SLICES, reversible=(1,), recon=())
    coefficients = blank(header, 0)
    coefficients.predictions[0, 1, 2, 2] = 35

    def unchecked(tile: Any, cell: Any, mode: int, given: int) -> None:
        tile.predictions[cell] = given

    with monkeypatch.context() as patch:
        patch.setattr(prediction, "keep", unchecked)
        blob = reference.encode(header, coefficients)
    with pytest.raises(mmip.CorruptData, match="prediction"):
        mmip.decode(blob)
    with pytest.raises(reference.CorruptError):
        reference.decode(blob)


def test_header_and_payload_agree() -> None:
    blob, _ = stream("predicted")

    def without_mark(head: bytearray) -> None:
        head[4] ^= 128

    for changed in (joined(*payloads_of(blob), prediction=False), with_head(blob, 2, without_mark)):
        with pytest.raises(mmip.CorruptData):
            mmip.decode(changed)
        with pytest.raises(reference.CorruptError):
            reference.decode(changed)


@pytest.mark.parametrize("wrong", [2, 36, 255, 35])
def test_columns_of_other_predictions_are_refused(wrong: int) -> None:
    options = StageOptions(2, 1, (1, 4, 4), (0, 63))
    columns = np.zeros((1, 2, 8, 8, 64), np.int32)
    columns[0, 0, 3, 4, 0] = 256 * wrong
    for encode in (encode_stage, lambda o, a: encode_stages(o, [a], HostExecutor())):
        with pytest.raises(mmip.InvalidArgument, match="prediction"):
            encode(options, columns)


@pytest.mark.parametrize("name", ["predicted_classes", "predicted_colour"])
def test_damage_gives_errors_or_samples(name: str) -> None:
    """Flipped bits in sub-streams of stage 2 whose crcs are made anew."""
    blob, _ = stream(name)
    rng, kinds = np.random.default_rng(3), set()

    def damage(streams: list[bytearray]) -> None:
        for _ in range(2):
            data = streams[rng.integers(0, len(streams))]
            data[rng.integers(0, len(data))] ^= 1 << int(rng.integers(0, 8))

    for number in range(60):
        kinds.add(outcome(resealed(blob, 2, damage), number % 10 == 0))
    assert kinds == {"samples", "corrupt"}


def outcome(blob: bytes, compared: bool) -> str:
    """How both decoders take a container; its samples are `compared` where it has some."""
    try:
        reference.decode_coefficients(blob)
    except (reference.CorruptError, reference.TruncatedError):
        with pytest.raises((mmip.CorruptData, mmip.TruncatedData)):
            mmip.decode(blob)
        return "corrupt"
    found = mmip.decode(blob)
    assert not compared or np.array_equal(found, reference.decode(blob))
    return "samples"
