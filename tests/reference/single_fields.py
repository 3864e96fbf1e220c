"""The header's fields of kinds from 2 on: what all of them share, and those of each kind.

Values: a FieldReader and a Header in, which is filled.
FORMAT.md section 1. A kind adds a function and its line in OWN_FIELDS.
"""

from .fields import require


def read_single_fields(fields, header):
    state = fields.number("B", range(3), "resource")
    if state:
        (header.resource,) = fields.take("32s")
    if state == 2:
        header.embedded_bytes = fields.number("I", range(1, (1 << 26) + 1), "resource_bytes")
    require(header.samples > 0, "a container without samples")
    OWN_FIELDS[header.kind](fields, header)
    header.payload_bytes, header.payload_crc = fields.take("QI")
    require(header.payload_bytes > (header.embedded_bytes or 0), "payload_bytes")


def read_predictive_fields(fields, header):
    require(header.resource is None, "a resource of kind 2")
    header.colour_form = fields.number("B", range(4 if header.colour else 1), "colour_form")
    header.tile_log2, header.brick_log2 = fields.take("3B"), fields.take("3B")
    require(sum(header.tile_log2) <= 11 and sum(header.brick_log2) <= 17, "tile_log2, brick_log2")
    require(all(t <= b for t, b in zip(header.tile_log2, header.brick_log2, strict=True)), "brick_log2")
    read_value_fields(fields, header)


def read_value_fields(fields, header):
    least, most = header.limits
    header.offset = fields.number("i", range(least, most + 1), "origin")
    header.bits = fields.number("B", range(1, 20 if header.colour_form else 21), "bits")
    header.near = fields.number("I")
    require((2 * header.near + 1) << header.bits <= 1 << 22, "near")


def read_soft_fields(fields, header):
    require(header.resource is not None and header.dtype < 4 and not header.colour, "soft compression of these")
    header.tile_log2 = (0, *fields.take("2B"))
    y, x = header.tile_log2_yx
    require(y in range(3, 13) and x in range(3, 13) and y + x <= 18, f"tile_log2_yx {header.tile_log2_yx}")
    header.mixed = fields.number("B", range(2 if header.lengths[2] == 3 else 1), "mixed")


def read_mixed_fields(fields, header):
    require(header.resource is None, "a resource of kind 3")
    header.colour_form = fields.number("B", range(4 if header.colour else 1), "colour_form")
    header.tile_log2 = fields.take("3B")
    require(all(t <= most for t, most in zip(header.tile_log2, (4, 9, 9), strict=True)), "tile_log2")
    require(sum(header.tile_log2) <= 18, "tile_log2")
    read_value_fields(fields, header)


def read_jpeg_fields(fields, header):
    require(header.resource is None, "a resource of kind 5")
    require(header.dtype == 0, "dtype of kind 5")
    _, y, x = header.lengths[3:]
    require(max(y, x) <= 1 << 20, "Y, X")
    header.band_rows = fields.number("H", range(16, (1 << 15) + 1, 16), "band_rows")
    require(header.band_rows == 16 or header.band_rows * x <= 1 << 24, "band_rows")


def read_label_fields(fields, header):
    require(header.resource is None, "a resource of labels")
    header.tile_log2 = fields.take("3B")
    require(sum(header.tile_log2) <= 20, f"tile_log2 {header.tile_log2}")


OWN_FIELDS = {
    2: read_predictive_fields,
    3: read_mixed_fields,
    4: read_soft_fields,
    5: read_jpeg_fields,
    8: read_label_fields,
}
