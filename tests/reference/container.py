"""The container's header, reader and writer side by side.

Values: bytes to Header, and back.
FORMAT.md sections 1 and 9. Sizes are checked before anything is taken; payloads are opened elsewhere.
"""

import math
import struct
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .bits import TruncatedError, UnsupportedError
from .channel_fields import channel_bytes, read_channels
from .codes import CORRECTIONS, DC_IMAGE, PREDICTED
from .crc import crc32c
from .fields import FieldReader, require
from .geometry import AC_PER_CELL, Grid
from .single_fields import OWN_FIELDS, read_single_fields
from .slices import AXES, read_slice_axis, slice_order

DTYPES = (np.uint8, np.int8, np.uint16, np.int16, np.float32, np.uint32, np.int32, np.uint64, np.int64)
FLOAT, LABELS = 4, 6
LIMITS = "iiiif" + "QqQq"  # form of minimum and maximum, by dtype
UNKNOWN = 4294967295


@dataclass
class Header:
    """The fields of section 1. Filled in by the writers: payload_bytes, payload_crc and stages."""

    shape: tuple
    axes: str
    kind: int = 1
    dtype: int = 0
    colour: int = 0
    mode: int = 0
    requested: float = 0.0
    verified: int = 0
    minimum: int = 0
    maximum: int = 0
    sse: int = 0
    max_error: int = UNKNOWN
    value_step: float = 1.0  # of dtype 4
    payload_bytes: int = 0
    payload_crc: int = 0
    cell_depth: int = 1
    tile_log2: tuple = (0, 2, 2)
    offset: int = 0
    padding: int | None = None  # the value; None without a mask
    dc_image: tuple | None = None  # d1, d2, d3 of the DC image; None without one
    prediction: int = 0  # 1: blocks may be predicted
    slice_axis: str = ""  # the field; "" without one
    reversible: tuple = (0,)  # of every class
    recon: tuple = ()  # d1, d2, d3 of every class; () = all 0
    steps: tuple = ((256,),)  # of every class, of every component
    cuts: tuple = ()
    correction: int | None = None  # error bound of the corrections
    stages: tuple = ()  # (payload bytes, crc of the head) of every stage
    channels: tuple = ()  # (minimum, maximum, sse, max_error) of every channel; () without fields of channels
    channel_requested: tuple = ()  # where channels differ in it
    channel_errors: tuple = ()
    resource: bytes | None = None  # the SHA-256 of kinds from 2 on
    embedded_bytes: int | None = None  # of the resource; None where it is not embedded
    mixed: int = 0  # of kind 4
    colour_form: int = 0  # of kind 2, and what follows
    brick_log2: tuple = (0, 0, 0)
    bits: int = 8
    near: int = 0
    band_rows: int = 16  # of kind 5

    def __post_init__(self):
        self.recon = self.recon or ((0, 0, 0),) * len(self.reversible)

    @property
    def tile_log2_yx(self):
        return self.tile_log2[1:]

    @property
    def limits(self):
        """Least and greatest integer that stands for a sample."""
        if self.dtype == FLOAT:
            return -(1 << 18), 1 << 18
        info = np.iinfo(DTYPES[self.dtype])
        return int(info.min), int(info.max)

    @property
    def edges(self):
        """c_1 = 0, c_2, .., c_S = A."""
        return (0, *self.cuts, AC_PER_CELL[self.cell_depth])

    @property
    def transform_stages(self):
        return len(self.cuts) + 2

    @property
    def stage_count(self):
        """With the corrections."""
        return self.transform_stages + (self.correction is not None)

    def stage_key(self, stage):
        """What names the code families of a stage."""
        if stage > self.transform_stages:
            return CORRECTIONS
        if stage == 2 and self.prediction:
            return PREDICTED
        return DC_IMAGE if stage == 1 and self.dc_image is not None else stage

    @property
    def lengths(self):
        """Lengths on the axes of planes, then on those of a plane; missing axes 1."""
        order = slice_order(self.slice_axis)
        return tuple(self.shape[self.axes.index(a)] if a in self.axes else 1 for a in order)

    @property
    def samples(self):
        return math.prod(self.shape)

    @cached_property
    def grid(self):
        lengths = self.lengths
        tile = tuple(1 << exponent for exponent in self.tile_log2)
        return Grid(math.prod(lengths[:3]), lengths[3:], self.cell_depth, tile)

    @cached_property
    def image(self):
        """The fields of the DC image, as those of a container of its own (section 8.4); t stands for all planes."""
        z, y, x = self.tile_log2
        return Header(
            (self.grid.planes, *self.grid.cells),
            "tzyx",
            tile_log2=(z, y - 3, x - 3),
            recon=(self.dc_image,),
            steps=((4096,),),
        )

    def component(self, plane):
        return plane % len(self.steps[0])

    def correction_of(self, plane):
        """Error bound of the corrections of a plane."""
        return self.channel_errors[plane % len(self.channel_errors)] if self.channel_errors else self.correction


def read_header(blob):
    """(Header, its size); the payload is not looked at."""
    if len(blob) < 8:
        raise TruncatedError("no room for the first fields")
    magic, version, size = struct.unpack_from("<4sHH", blob)
    require(magic == b"MMIP", "magic")
    if version != 1:
        raise UnsupportedError(f"version {version}")
    require(size >= 12, f"header_bytes {size}")
    if len(blob) < size:
        raise TruncatedError("the header is not whole")
    require(crc32c(blob[: size - 4]) == struct.unpack_from("<I", blob, size - 4)[0], "header_crc")
    fields = FieldReader(bytes(blob[8 : size - 4]))
    header = read_array_fields(fields)
    if header.kind == 0:
        header.payload_bytes, header.payload_crc = fields.take("QI")
        require(header.payload_bytes == header.samples * np.dtype(DTYPES[header.dtype]).itemsize, "payload_bytes")
    elif header.kind > 1:
        read_single_fields(fields, header)
    else:
        read_transform_fields(fields, header)
        check_sizes(header)
    require(fields.position == len(fields.data), "header_bytes")
    return header, size


def read_array_fields(fields):
    (kind,) = fields.take("B")
    if kind not in {0, 1, *OWN_FIELDS}:
        raise UnsupportedError(f"kind {kind}")
    dtype = fields.number("B", range(5 if kind == 1 else 9), "dtype")
    ndim = fields.number("B", range(1, 7), "ndim")
    colour = fields.number("B", range(2), "colour")
    axes = fields.take(f"{ndim}s")[0].decode("latin-1")
    shape = fields.take(f"{ndim}I")
    header = Header(shape, axes, kind, dtype, colour)
    require(set(axes) <= set(AXES) and len(set(axes)) == ndim, f"axes {axes}")
    require("x" in axes and ("y" in axes or "z" not in axes), f"axes {axes}")
    require(sorted(set(axes) & set("zyx"), reverse=True) == [a for a in axes if a in "zyx"], f"axes {axes}")
    require(not colour or ("c" in axes and shape[axes.index("c")] == 3), "colour without an axis c of length 3")
    require(header.samples < 1 << 48, f"shape {shape}")
    header.mode = fields.number("B", range(LABELS if dtype == FLOAT else 7), "mode")
    require(header.mode == LABELS or (kind != 8 and dtype < 5), "samples that are no labels")
    require(header.mode != LABELS or kind in (0, 8), "labels of another kind")
    header.requested = fields.number("d")
    require(math.isfinite(header.requested), "requested")
    require(header.mode not in (4, LABELS) or header.requested == 0, "requested")
    header.verified = fields.number("B", range(2), "verified")
    if dtype == FLOAT:
        read_float_loss(fields, header)
        return header
    header.minimum, header.maximum = fields.take(2 * LIMITS[dtype])
    require(header.minimum <= header.maximum, "minimum > maximum")
    header.sse, header.max_error = fields.take("QI")
    if header.mode == LABELS:
        least, most = header.limits
        require(least <= header.minimum and header.maximum <= most, "minimum, maximum")
        require(header.verified and not (header.sse or header.max_error or colour), "labels with errors, or coloured")
    return header


def read_float_loss(fields, header):
    require(not header.colour, "colour of float32")
    header.minimum, header.maximum = fields.take("ff")
    require(-math.inf < header.minimum <= header.maximum < math.inf, "minimum, maximum")
    header.sse, header.max_error = fields.take("df")
    require(0 <= header.sse < math.inf and header.max_error >= 0, "sse, max_error")
    header.value_step = fields.number("d")
    require(0 < header.value_step < math.inf, "value_step")


def read_transform_fields(fields, header):
    header.cell_depth = fields.number("B", (1, 8), "cell_depth")
    header.tile_log2 = fields.take("3B")
    least, most = ((0, 2, 2), 12) if header.cell_depth == 1 else ((1, 1, 1), 9)
    fits = all(a >= b for a, b in zip(header.tile_log2, least, strict=True))
    require(fits and sum(header.tile_log2) <= most, f"tile_log2 {header.tile_log2}")
    header.offset = fields.number("i")
    least, most = header.limits
    require(least <= header.offset <= most, f"offset {header.offset}")
    if fields.number("B", range(1 if header.colour or header.dtype == FLOAT else 2), "padding"):
        header.padding = fields.number("i", range(least, most + 1), "padding_value")
    flags = fields.number("B", range(16), "flags")
    header.prediction = flags >> 1 & 1
    channels = header.lengths[2] if flags & 8 else 0
    require(not flags & 8 or (channels > 1 and not header.colour), "channels")
    require(not header.prediction or header.cell_depth == 1, "prediction of such cells")
    require(not header.prediction or min(header.tile_log2[1:]) >= 4, "prediction in such tiles")
    if flags & 1:
        header.dc_image = fields.take("3b")
        require(all(d in range(-32, 33) for d in header.dc_image), f"dc_recon {header.dc_image}")
        require(header.cell_depth == 1 and min(header.tile_log2[1:]) >= 3, "a DC image of such cells")
        require(header.padding is None, "a DC image with padding")
    header.slice_axis = read_slice_axis(fields, header) if flags & 4 else ""
    read_classes(fields, header, channels or (3 if header.colour else 1))
    require(header.dc_image is None or header.reversible == (0,), "a DC image of such classes")
    stages = fields.number("B", range(2, 17), "stages")
    header.cuts = fields.take(f"{stages - 2}H")
    require(all(a < b for a, b in zip(header.edges, header.edges[1:], strict=False)), f"cuts {header.cuts}")
    if fields.number("B", range(2), "corrections"):
        header.correction = fields.number("I", range((1 << 18) + 1), "correction_error")
    header.stages = tuple(fields.take("QI") for _ in range(header.stage_count))
    if channels:
        read_channels(fields, header, channels, header.dtype == FLOAT)


def read_classes(fields, header, components):
    kinds, recon, steps = [], [], []
    for _ in range(fields.number("B", range(1, 9), "classes")):
        kinds.append(fields.number("B", range(2), "class kind"))
        recon.append(fields.take("3b"))
        steps.append(fields.take(f"{components}I"))
        allowed_d, allowed_steps = ((0,), (256,)) if kinds[-1] else (range(-32, 33), range(64, (1 << 24) + 1))
        require(all(d in allowed_d for d in recon[-1]), f"reconstruction points {recon[-1]}")
        require(all(step in allowed_steps for step in steps[-1]), f"steps {steps[-1]}")
    header.reversible, header.recon, header.steps = tuple(kinds), tuple(recon), tuple(steps)


def check_sizes(header):
    require(header.samples > 0, "a transform container without samples")
    require(header.grid.substreams < 1 << 32, "too many sub-streams")
    for size, _ in header.stages:
        require(size >= header.grid.substreams, "a stage smaller than its sub-streams")


def write_header(header):
    fields = [struct.pack("<4B", header.kind, header.dtype, len(header.shape), header.colour)]
    fields.append(header.axes.encode() + struct.pack(f"<{len(header.shape)}I", *header.shape))
    fields.append(struct.pack("<BdB", header.mode, header.requested, header.verified))
    form = "<" + 2 * LIMITS[header.dtype] + ("df" if header.dtype == FLOAT else "QI")
    fields.append(struct.pack(form, header.minimum, header.maximum, header.sse, header.max_error))
    if header.dtype == FLOAT:
        fields.append(struct.pack("<d", header.value_step))
    if header.kind == 0:
        fields.append(struct.pack("<QI", header.payload_bytes, header.payload_crc))
    elif header.kind == 8:
        fields.append(struct.pack("<4BQI", 0, *header.tile_log2, header.payload_bytes, header.payload_crc))
    else:
        fields.append(struct.pack("<4Bi", header.cell_depth, *header.tile_log2, header.offset))
        fields.append(b"\0" if header.padding is None else struct.pack("<Bi", 1, header.padding))
        flags = (header.dc_image is not None) + 2 * header.prediction + 4 * bool(header.slice_axis)
        flags += 8 * bool(header.channels)
        fields.append(bytes([flags]))
        fields.append(b"" if header.dc_image is None else struct.pack("<3b", *header.dc_image))
        fields.append(header.slice_axis.encode())
        fields.append(bytes([len(header.reversible)]))
        for kind, recon, steps in zip(header.reversible, header.recon, header.steps, strict=True):
            fields.append(struct.pack(f"<B3b{len(steps)}I", kind, *recon, *steps))
        fields.append(struct.pack(f"<B{len(header.cuts)}H", header.transform_stages, *header.cuts))
        fields.append(b"\0" if header.correction is None else struct.pack("<BI", 1, header.correction))
        fields += [struct.pack("<QI", *stage) for stage in header.stages]
        fields += channel_bytes(header, header.dtype == FLOAT) if header.channels else []
    body = b"".join(fields)
    body = struct.pack("<4sHH", b"MMIP", 1, 8 + len(body) + 4) + body
    return body + struct.pack("<I", crc32c(body))
