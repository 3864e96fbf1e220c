"""The fields of channels in a header of kind 1, reader and writer side by side.

Values: bytes to fields of a Header, and back. FORMAT.md section 1.
"""

import math
import struct

from .fields import require


def read_channels(fields, header, count, is_float):
    header.channels = tuple(fields.take("ffdf" if is_float else "iiQI") for _ in range(count))
    for low, high, sse, error in header.channels:
        require(-math.inf < low <= high < math.inf and 0 <= sse < math.inf and error >= 0, "loss of a channel")
    lows, highs, sums, errors = zip(*header.channels, strict=True)
    total = math.fsum(sums) if is_float else sum(sums)
    require((header.minimum, header.maximum) == (min(lows), max(highs)), "limits of all channels")
    require((header.sse, header.max_error) == (total, max(errors)), "errors of all channels")
    if not fields.number("B", range(2 if header.mode in (2, 5) else 1), "listed"):
        return
    header.channel_requested = fields.take(f"{count}d")
    require(all(map(math.isfinite, header.channel_requested)), "channel_requested")
    require(max(header.channel_requested) == header.requested, "channel_requested")
    if header.correction is not None:
        header.channel_errors = fields.take(f"{count}I")
        require(max(header.channel_errors) == header.correction, "channel_errors")


def channel_bytes(header, is_float):
    form = "<ffdf" if is_float else "<iiQI"
    fields = [struct.pack(form, *channel) for channel in header.channels]
    fields.append(bytes([bool(header.channel_requested)]))
    fields.append(struct.pack(f"<{len(header.channel_requested)}d", *header.channel_requested))
    return [*fields, struct.pack(f"<{len(header.channel_errors)}I", *header.channel_errors)]
