"""The head of a stage's payload and its sub-streams, reader and writer side by side.

Values: a payload's bytes to codes and the bytes of sub-streams, and back.
FORMAT.md section 6. Sizes are checked before anything is taken; sub-streams are opened elsewhere.
"""

import struct

from .bits import BitReader, BitWriter
from .codes import read_codes, write_codes
from .container import require
from .crc import crc32c

GROUP = 4  # sub-streams that share a crc


def read_payload(payload, stage, head_crc, count, tables):
    """(codes, the bytes of every sub-stream) of a whole payload."""
    reader = open_head(payload, head_crc)
    codes = read_codes(reader, stage, tables)
    reader.align()
    return codes, read_substreams(payload, reader, count)


def read_parameters(payload, head_crc, count):
    """(parameters, the bytes of every sub-stream) of a whole payload of a kind from 2 on."""
    reader = open_head(payload, head_crc)
    require(reader.end >= 64, "a head without parameters")
    (size,) = struct.unpack_from("<I", payload, 4)
    require(8 * (8 + size) < reader.end, f"{size} bytes of parameters")
    reader.position = 8 * (8 + size)
    return payload[8 : 8 + size], read_substreams(payload, reader, count)


def open_head(payload, head_crc):
    """Reader of the head after its first field, without its crc."""
    require(len(payload) >= 8, "a payload without a head")
    head_bytes = struct.unpack_from("<I", payload)[0]
    require(8 <= head_bytes <= len(payload), f"head_bytes {head_bytes}")
    stated = struct.unpack_from("<I", payload, head_bytes - 4)[0]
    require(stated == head_crc == crc32c(payload[: head_bytes - 4]), "head crc")
    return BitReader(payload[: head_bytes - 4], 4)


def read_substreams(payload, reader, count):
    """The bytes of every sub-stream; the reader stands at index_bits."""
    head_bytes, width = reader.end // 8 + 4, reader.raw(8)
    require(width <= 32, f"index_bits {width}")
    sizes = [1 + reader.raw(width) for _ in range(count)]
    position = reader.align()
    groups = -(-count // GROUP)
    require(position + 4 * groups == head_bytes - 4, "head_bytes")
    require(head_bytes + sum(sizes) == len(payload), "the index does not add up to the payload")
    crcs = struct.unpack_from(f"<{groups}I", payload, position)
    substreams, position = [], head_bytes
    for size in sizes:
        substreams.append(payload[position : position + size])
        position += size
    for group, stated in enumerate(crcs):
        require(crc32c(b"".join(substreams[GROUP * group : GROUP * group + GROUP])) == stated, "group crc")
    return substreams


def write_payload(stage, tables, own, write_substreams):
    """(payload, crc of its head); write_substreams(codes) gives the list of sub-streams."""
    writer = BitWriter()
    substreams = write_substreams(write_codes(writer, stage, tables, own))
    width = max(len(substream) - 1 for substream in substreams).bit_length()
    index = BitWriter()
    for substream in substreams:
        index.raw(width, len(substream) - 1)
    head = writer.to_bytes() + bytes([width]) + index.to_bytes()
    for first in range(0, len(substreams), GROUP):
        head += struct.pack("<I", crc32c(b"".join(substreams[first : first + GROUP])))
    head = struct.pack("<I", 4 + len(head) + 4) + head
    crc = crc32c(head)
    return head + struct.pack("<I", crc) + b"".join(substreams), crc
