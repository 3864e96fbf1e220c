"""The own fields of kinds from 2 on.

Values: a reader of fields and a Header, whose fields are filled in. FORMAT.md section 1.
"""

from .bits import require


def read_predictive_fields(fields, header):
    require(header.resource is None, "a resource of kind 2")
    header.colour_form = fields.number("B", range(4 if header.colour else 1), "colour_form")
    header.tile_log2, header.brick_log2 = fields.take("3B"), fields.take("3B")
    require(sum(header.tile_log2) <= 11 and sum(header.brick_log2) <= 17, "tile_log2, brick_log2")
    require(all(t <= b for t, b in zip(header.tile_log2, header.brick_log2, strict=True)), "brick_log2")
    least, most = header.limits
    header.offset = fields.number("i", range(least, most + 1), "origin")
    header.bits = fields.number("B", range(1, 20 if header.colour_form else 21), "bits")
    header.near = fields.number("I")
    require((2 * header.near + 1) << header.bits <= 1 << 22, "near")


def read_label_fields(fields, header):
    require(header.resource is None, "a resource of labels")
    header.tile_log2 = fields.take("3B")
    require(sum(header.tile_log2) <= 20, f"tile_log2 {header.tile_log2}")


OWN_FIELDS = {2: read_predictive_fields, 8: read_label_fields}
