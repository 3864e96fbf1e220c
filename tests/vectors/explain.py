"""Writes a small transform container as text, field by field: how example.txt is made.

Values: the bytes of a container of one class and few sub-streams in, lines of "offset  hex  field = value" out.
FORMAT.md sections 1, 6 and 8, read by the reference decoder, whose bit reads are logged.
"""

from __future__ import annotations

import struct
import sys
from importlib import import_module
from typing import Any

from reference.bits import BitReader
from reference.codes import FAMILIES, load_tables, stage_families
from reference.container import FLOAT, read_header
from reference.payload import GROUP, read_payload

decoder = import_module("reference.decode")  # the package has a function of this name
_BYTES_SHOWN = 12  # a row


class LoggedReader(BitReader):
    """A BitReader that notes every read as (bits, what they are)."""

    log: list[tuple[str, str]]

    def skip(self, count: int) -> None:
        start, caller = self.position, sys._getframe(1)
        super().skip(count)
        while caller.f_code.co_name in ("raw", "skip"):
            assert caller.f_back is not None
            caller = caller.f_back
        names = {"read": "codeword", "read_count": "low bits of the count", "align": "padding", "finish": "padding"}
        after_sign = self.log and self.log[-1][1] == "sign"
        name = names.get(caller.f_code.co_name, "bits below the leading one" if after_sign else "sign")
        text = "".join(f"{byte:08b}" for byte in self.data)[start : start + count]
        if text:
            self.log.append((text, name))


def rows(offset: int, data: bytes, text: str) -> list[str]:
    """The bytes of one field, a dozen a row, the meaning beside the first."""
    pieces = [data[i : i + _BYTES_SHOWN] for i in range(0, len(data), _BYTES_SHOWN)]
    width = 3 * _BYTES_SHOWN
    lines = []
    for i, piece in enumerate(pieces):
        lines.append(f"{offset + _BYTES_SHOWN * i:4}  {piece.hex(' '):{width}}{text if not i else ''}".rstrip())
    return lines


def loss_fields(header: Any) -> list[tuple[str, str, Any]]:
    """The reached values, whose types follow the dtype."""
    names = ("minimum", "maximum", "sse", "max_error")
    forms = "ffdf" if header.dtype == FLOAT else "iiQI"
    fields: list[tuple[str, str, Any]] = [(f, n, getattr(header, n)) for f, n in zip(forms, names, strict=True)]
    return fields + ([("d", "value_step", header.value_step)] if header.dtype == FLOAT else [])


def header_fields(blob: bytes) -> list[tuple[str, str, Any]]:
    """(struct form, name, value as the reference reads it) of the header's fields, in order."""
    header, size = read_header(blob)
    stages = [
        field
        for number, (length, crc) in enumerate(header.stages, 1)
        for field in (
            ("Q", f"payload bytes of stage {number}", length),
            ("I", f"crc of the head of stage {number}", crc),
        )
    ]
    classes = [
        field
        for number, (kind, recon, steps) in enumerate(zip(header.reversible, header.recon, header.steps, strict=True))
        for field in (
            ("B", f"class {number}: kind", kind),
            ("3b", "d1, d2, d3", recon),
            (f"{len(steps)}I", "step sizes in 1/256", steps),
        )
    ]
    return [
        ("4s", "magic", b"MMIP"),
        ("H", "version", 1),
        ("H", "header_bytes", size),
        ("B", "kind (transform)", header.kind),
        ("B", "dtype", header.dtype),
        ("B", "ndim", len(header.shape)),
        ("B", "colour", header.colour),
        (f"{len(header.axes)}s", "axes", header.axes.encode()),
        (f"{len(header.shape)}I", "shape", tuple(header.shape)),
        ("B", "mode", header.mode),
        ("d", "requested", header.requested),
        ("B", "verified", header.verified),
        *loss_fields(header),
        ("B", "cell_depth", header.cell_depth),
        ("3B", "tile_log2", tuple(header.tile_log2)),
        ("i", "offset", header.offset),
        ("B", "padding", int(header.padding is not None)),
        *([] if header.padding is None else [("i", "padding_value", header.padding)]),
        ("B", "flags", flags_of(header)),
        *([] if header.dc_image is None else [("3b", "dc_recon", header.dc_image)]),
        *([("B", "slice_axis", ord(header.slice_axis))] if header.slice_axis else []),
        ("B", "classes", len(header.reversible)),
        *classes,
        ("B", "stages", header.transform_stages),
        *((("H", "cut", cut)) for cut in header.cuts),
        ("B", "corrections", int(header.correction is not None)),
        *([] if header.correction is None else [("I", "correction_error", header.correction)]),
        *stages,
        *channel_fields(header),
        ("I", "header_crc", struct.unpack_from("<I", blob, size - 4)[0]),
    ]


def flags_of(header: Any) -> int:
    """What the flags say of the fields behind them."""
    return (
        (header.dc_image is not None) + 2 * header.prediction + 4 * bool(header.slice_axis) + 8 * bool(header.channels)
    )


def channel_fields(header: Any) -> list[tuple[str, str, Any]]:
    """Form, name and value of the fields of channels."""
    if not header.channels:
        return []
    forms, count = "ffdf" if header.dtype == FLOAT else "iiQI", len(header.channels)
    names = "minimum", "maximum", "sse", "max_error"
    found: list[tuple[str, str, Any]] = [
        (form, f"channel {i}: {name}", value)
        for i, channel in enumerate(header.channels)
        for form, name, value in zip(forms, names, channel, strict=True)
    ]
    found.append(("B", "listed", int(bool(header.channel_requested))))
    found += [(f"{count}d", "channel_requested", header.channel_requested)] if header.channel_requested else []
    return found + ([(f"{count}I", "channel_errors", header.channel_errors)] if header.channel_errors else [])


def explain_payload(
    offset: int, payload: bytes, stage: int, key: int | str, count: int, logs: list[list[tuple[str, str]]]
) -> list[str]:
    """Rows of one stage's payload; `key` names its code families."""
    head = struct.unpack_from("<I", payload)[0]
    code_bits = (stage == 1) + sum(FAMILIES[family][0] for family in stage_families(key))  # a bit for the weights
    codes_end = 4 + -(-code_bits // 8)
    assert not any(payload[4:codes_end]), "only built-in codes are explained"
    groups = head - 4 - 4 * -(-count // GROUP)
    lines = ["", f"stage {stage}"]
    lines += rows(offset, payload[:4], f"head_bytes = {head}")
    lines += rows(offset + 4, payload[4:codes_end], f"codes: {code_bits} bits 0, all built in; padding")
    lines += rows(offset + codes_end, payload[codes_end : codes_end + 1], f"index_bits = {payload[codes_end]}")
    lines += rows(offset + codes_end + 1, payload[codes_end + 1 : groups], "index")
    lines += rows(offset + groups, payload[groups : head - 4], "group crcs")
    lines += rows(offset + head - 4, payload[head - 4 : head], "head crc")
    _, substreams = read_payload(payload, key, struct.unpack_from("<I", payload, head - 4)[0], count, load_tables())
    at = offset + head
    for number, (substream, log) in enumerate(zip(substreams, logs, strict=True)):
        lines += rows(at, substream, f"sub-stream {number}")
        lines += [f"          bits {bits:14} {name}" for bits, name in log]
        at += len(substream)
    return lines


def explain(blob: bytes) -> str:
    """The text of a container."""
    header, offset = read_header(blob)
    lines, at = ["header"], 0
    for form, name, value in header_fields(blob):
        size = struct.calcsize("<" + form)
        shown = struct.unpack_from("<" + form, blob, at)
        assert (shown if isinstance(value, tuple) else shown[0]) == value, name
        lines += rows(at, blob[at : at + size], f"{name} = {value!r}")
        at += size
    assert at == offset
    readers: list[LoggedReader] = []

    def logged(data: bytes) -> LoggedReader:
        readers.append(LoggedReader(data))
        readers[-1].log = []
        return readers[-1]

    plain, decoder.BitReader = decoder.BitReader, logged
    try:
        decoder.decode_coefficients(blob)
    finally:
        decoder.BitReader = plain
    count = header.grid.substreams
    for stage, (size, _) in enumerate(header.stages, 1):
        logs = [reader.log for reader in readers[count * (stage - 1) : count * stage]]
        lines += explain_payload(at, blob[at : at + size], stage, header.stage_key(stage), count, logs)
        at += size
    samples = decoder.decode(blob)
    lines += ["", "samples"] + [
        " ".join(f"{value:4}" for value in row) for row in samples.reshape(-1, samples.shape[-1])
    ]
    return "\n".join(lines) + "\n"
