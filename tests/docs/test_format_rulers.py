"""The byte rulers of FORMAT.md against bytes: containers of all kinds, payloads, and the chunks of a store."""

from __future__ import annotations

import struct
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.format_page import REPOSITORY, RULERS, form, header_types, offset, rows_of, width
from reference.bits import BitReader
from reference.codes import load_tables, read_codes
from reference.container import Header, read_header
from reference.crc import crc32c
from reference.payload import GROUP
from reference.single_fields import OWN_FIELDS

import mmip_gpu
from mmip_gpu import _core

VECTORS = sorted((REPOSITORY / "tests" / "vectors").glob("v1_*.mmip"))

# --- the container


class Fields:
    """Reads fields of a container where the rulers say that they stand."""

    def __init__(self, blob: bytes) -> None:
        self.blob = blob
        self.header, self.size = read_header(blob)
        self.known = {"n": len(self.header.shape), "ndim": len(self.header.shape)}
        self.types = header_types(self.header.dtype == 4)
        if self.header.dtype > 4:  # labels: unsigned, signed
            self.types |= dict.fromkeys(("minimum", "maximum"), ("i64", "u64")[self.header.dtype % 2])

    def at(self, name: str, field: str, start: int = 0, **known: int) -> Any:
        known |= self.known
        text = form(self.types[field], **known)
        assert width(name, field) in (1, struct.calcsize("<" + text)), f"{name}, {field}: drawn too narrow or too wide"
        values = struct.unpack_from("<" + text, self.blob, start + offset(name, field, **known))
        return values if " x " in self.types[field] else values[0]

    def check(self, name: str, expected: dict[str, Any], start: int = 0, **known: int) -> None:
        for field, value in expected.items():
            assert self.at(name, field, start, **known) == value, f"{name}, {field}"


def check_start(fields: Fields) -> None:
    h = fields.header
    fields.check(
        "array",
        {
            "magic": b"MMIP",
            "version": _core.FORMAT_VERSION,
            "header_bytes": fields.size,
            "kind": h.kind,
            "dtype": h.dtype,
            "ndim": len(h.shape),
            "colour": h.colour,
            "axes": h.axes.encode(),
            "shape": tuple(h.shape),
        },
    )
    names = ("mode", "requested", "verified", "minimum", "maximum", "sse", "max_error")
    a = 12 + 5 * len(h.shape)
    for name in names:
        ruler = "wide loss" if h.dtype > 4 and name in RULERS["wide loss"] else "loss"
        fields.check(ruler, {name: getattr(h, name)}, a=a)
    if h.dtype == 4:
        fields.check("loss", {"value_step": h.value_step}, a=a)


def check_transform(fields: Fields, b: int) -> None:
    h = fields.header
    p, d, g = 4 * (h.padding is not None), 3 * (h.dc_image is not None), len(h.slice_axis)
    m = len(h.channels) or (3 if h.colour else 1)
    expected = {
        "cell_depth": h.cell_depth,
        "tile_log2": tuple(h.tile_log2),
        "offset": h.offset,
        "padding": int(h.padding is not None),
        "flags": int(h.dc_image is not None) + 2 * h.prediction + 4 * g + 8 * bool(h.channels),
        "classes": len(h.steps),
    }
    expected |= {"padding_value": h.padding} if p else {}
    expected |= {"dc_recon": h.dc_image} if d else {}
    expected |= {"slice_axis": ord(h.slice_axis)} if g else {}
    fields.check("transform", expected, b=b, p=p, d=d, g=g)
    for i, (kind, recon, steps) in enumerate(zip(h.reversible, h.recon, h.steps, strict=True)):
        k = b + 11 + p + d + g + i * (4 + 4 * m)
        fields.check("class", {"reversible": kind, "recon": recon, "steps": steps}, k=k, m=m)
    S, e = h.transform_stages, 4 * (h.correction is not None)
    s = b + 11 + p + d + g + len(h.steps) * (4 + 4 * m)
    expected = {"stages": S, "cuts": h.cuts, "corrections": e // 4}
    expected |= {"correction_error": h.correction} if e else {}
    fields.check("stages", expected, s=s, S=S)
    for i, (size, crc) in enumerate(h.stages):
        fields.check("stage", {"payload_bytes": size, "head_crc": crc}, r=s + 2 * S - 2 + e + 12 * i)
    v = s + 2 * S - 2 + e + 12 * len(h.stages)
    if h.channels:
        v = check_channels(fields, v)
    assert offset("end", "header_crc", h=fields.size) == v


def check_channels(fields: Fields, v: int) -> int:
    """The fields of channels, which begin at v; returns where they end."""
    h = fields.header
    C = len(h.channels)
    for i, channel in enumerate(h.channels):
        names = ("minimum", "maximum", "sse", "max_error")
        fields.check("channel", dict(zip(names, channel, strict=True)), v=v + 20 * i)
    q, u = 8 * len(h.channel_requested), 4 * len(h.channel_errors)
    expected: dict[str, Any] = {"listed": q // max(8 * C, 1)}
    expected |= {"channel_requested": h.channel_requested} if q else {}
    expected |= {"channel_errors": h.channel_errors} if u else {}
    fields.check("channels", expected, w=v + 20 * C, q=q, C=C)
    return v + 20 * C + 1 + q + u


# The ruler of the own fields of each kind from 2 on; a field has the name of the reference's attribute, but for these.
OWN_RULERS = {2: "predictive", 3: "mixed", 4: "soft", 5: "jpeg origin", 8: "labels"}
ATTRIBUTES = {"origin": "offset"}


def check_single(fields: Fields, b: int) -> None:
    """The fields of kinds from 2 on: those that all have, and between them those of the kind."""
    h, own = fields.header, OWN_RULERS[fields.header.kind]
    d, q = 32 * (h.resource is not None), 4 * (h.embedded_bytes is not None)
    expected = {"resource": d // 32 + q // 4}
    expected |= {"digest": h.resource} if d else {}
    expected |= {"resource_bytes": h.embedded_bytes} if q else {}
    fields.check("single", expected, b=b, d=d, q=q)
    start = offset("single", "own_fields", b=b, d=d, q=q)
    fields.check(own, {name: getattr(h, ATTRIBUTES.get(name, name)) for name in RULERS[own]}, start)
    w = start + max(offset(own, name) + struct.calcsize("<" + form(fields.types[name])) for name in RULERS[own])
    fields.check("single payload", {"payload_bytes": h.payload_bytes, "head_crc": h.payload_crc}, w=w)
    assert offset("end", "header_crc", h=fields.size) == w + 12
    data = fields.blob[fields.size + (h.embedded_bytes or 0) :]
    check_payload(data, 4 + struct.unpack_from("<I", data, 4)[0], substreams_of(h))


def substreams_of(h: Header) -> int:
    """Bands of the images of kind 5, tiles of the planes of the others."""
    planes, (z, y, _) = prod(h.lengths[:3]), h.lengths[3:]
    planes //= 3 if h.colour_form == 3 else 1
    if h.kind == 5:
        return planes // (3 if h.colour else 1) * z * ceil(y / h.band_rows)
    return planes * prod(ceil(n / (1 << log2)) for n, log2 in zip(h.lengths[3:], h.tile_log2, strict=True))


def bytes_of_codes(data: bytes, key: int | str) -> int:
    reader = BitReader(data, 4)
    read_codes(reader, key, load_tables())
    return reader.align() - 4


def check_payload(data: bytes, k: int, substreams: int) -> int:
    """The head of a payload; returns where its sub-streams begin."""
    w = data[offset("payload", "index_bits", k=k)]
    i, g = ceil(substreams * w / 8), ceil(substreams / GROUP)
    known = {"k": k, "i": i, "g": g}
    start = offset("payload", "sub_streams", **known)
    assert struct.unpack_from("<I", data, offset("payload", "head_bytes"))[0] == start
    crc_at = offset("payload", "head_crc", **known)
    assert struct.unpack_from("<I", data, crc_at)[0] == crc32c(data[:crc_at])
    index = BitReader(data, offset("payload", "index", **known))
    sizes = [1 + index.raw(w) for _ in range(substreams)]
    first = struct.unpack_from("<I", data, offset("payload", "group_crcs", **known))[0]
    assert first == crc32c(data[start : start + sum(sizes[:GROUP])])
    return start


def check_container(blob: bytes) -> None:
    fields = Fields(blob)
    header, size = fields.header, fields.size
    check_start(fields)
    b = 12 + 5 * len(header.shape) + (38 if header.dtype >= 4 else 30)
    if header.kind == 0:
        fields.check("raw", {"payload_bytes": header.payload_bytes, "payload_crc": header.payload_crc}, b=b)
        assert offset("raw", "header_crc", b=b) == size - 4
    elif header.kind == 1:
        check_transform(fields, b)
    else:
        check_single(fields, b)
    assert struct.unpack_from("<I", blob, offset("end", "header_crc", h=size))[0] == crc32c(blob[: size - 4])
    at = size
    for stage, (length, _) in enumerate(header.stages, 1):
        payload = blob[at : at + length]
        codes = bytes_of_codes(payload, header.stage_key(stage))
        check_payload(payload, codes, header.grid.substreams)
        at += length


@pytest.mark.parametrize("path", VECTORS, ids=lambda p: p.stem)
def test_rulers_hold_for_the_golden_vectors(path: Path) -> None:
    check_container(path.read_bytes())


def test_rulers_hold_for_what_encode_writes() -> None:
    image = np.arange(24 * 40, dtype=np.uint16).reshape(24, 40) * 7
    check_container(mmip_gpu.encode(image, quality=20))
    check_container(mmip_gpu.encode(image, lossless=True))
    check_container(mmip_gpu.encode(mmip_gpu.phantom3d((9, 40, 41)), lossless=True))


def test_every_field_of_a_ruler_is_in_the_tables_and_the_other_way_round() -> None:
    names = (
        "array",
        "loss",
        "wide loss",
        "raw",
        "transform",
        "class",
        "stages",
        "stage",
        "channel",
        "channels",
        "end",
        "single",
        "single payload",
    )
    names += tuple(OWN_RULERS.values())
    assert OWN_RULERS.keys() == OWN_FIELDS.keys()
    fields = {field for name in names for field in RULERS[name]}
    assert fields == header_types(False).keys() | {"header_crc"}
    assert {row[0] for row in rows_of("6")} >= RULERS["payload"].keys() - {"sub_streams"}
    assert {row[0] for row in rows_of("10")} >= RULERS["record"].keys()


@pytest.mark.parametrize(("field", "labels"), [("flags", ["b+10+p"]), ("tile_log2", ["b+2"])])
def test_a_ruler_that_is_wrong_is_noticed(field: str, labels: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    blob = (REPOSITORY / "tests" / "vectors" / "v1_dc_image.mmip").read_bytes()
    check_container(blob)
    monkeypatch.setitem(RULERS["transform"], field, labels)
    with pytest.raises(AssertionError, match=field):
        check_container(blob)


# --- the store


def test_rulers_hold_for_a_store(tmp_path: Path) -> None:
    volume = mmip_gpu.phantom3d((4, 200, 136))
    mmip_gpu.write_zarr(volume, tmp_path / "v.zarr", quality=10, chunks=(4, 64, 64), cell_depth=1)
    group = zarr.open_group(tmp_path / "v.zarr", mode="r")
    record = np.asarray(group["chunk"][0, 0, 1, 2]).tobytes()
    _, h = read_header(record)
    assert len(record) == h + 16
    assert offset("record", "header") == 0
    roi_at, source_at, crc_at = (offset("record", name, h=h) for name in ("roi_voxels", "source_crc", "crc"))
    assert [width("record", name) for name in ("roi_voxels", "source_crc", "crc")] == [8, 4, 4]
    chunk = np.ascontiguousarray(volume[:, 64:128, 128:])
    assert struct.unpack_from("<Q", record, roi_at)[0] == 0
    assert struct.unpack_from("<I", record, source_at)[0] == crc32c(chunk.tobytes())
    placed = record[roi_at:crc_at] + struct.pack("<4Q", 0, 0, 1, 2)
    assert struct.unpack_from("<I", record, crc_at)[0] == crc32c(placed)
    data = (tmp_path / "v.zarr" / "stage_1" / "c" / "0" / "0" / "1" / "2" / "0").read_bytes()
    known = {"v1": 1, "v2": 2, "v3": 3, "v4": 4}  # bytes below 128: varints of one byte
    extent = [data[offset("stage chunk", name, **known)] for name in ("P", "gz", "gy", "gx")]
    assert extent == [1, 4, 8, 1]
    header, _ = read_header(record)
    payload = data[offset("stage chunk", "payload", **known) :]
    check_payload(payload, bytes_of_codes(payload, 1), header.grid.substreams)


def test_rulers_hold_for_a_store_of_one_array(tmp_path: Path) -> None:
    volume = mmip_gpu.phantom3d((4, 200, 136))
    mmip_gpu.write_zarr(volume, tmp_path / "v.zarr", lossless=True, chunks=(16, 64, 64))
    record = np.asarray(zarr.open_group(tmp_path / "v.zarr", mode="r")["chunk"][0, 0, 1, 2]).tobytes()
    data = (tmp_path / "v.zarr" / "samples" / "c" / "0" / "1" / "2").read_bytes()
    header, h = read_header(record)
    payload = offset("samples chunk", "payload", h=h)
    assert data[offset("samples chunk", "header") : payload] == record[: len(record) - 16]
    assert (header.kind, header.shape, len(data) - payload) == (2, (4, 64, 8), header.payload_bytes)
