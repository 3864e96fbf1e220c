"""Fields of a header, taken one after the other; and what is raised for one out of its range.

Values: bytes in, numbers out.
FORMAT.md sections 0 and 1.
"""

import struct

from .bits import CorruptError


class FieldReader:
    def __init__(self, data):
        self.data, self.position = data, 0

    def take(self, form):
        size = struct.calcsize("<" + form)
        if self.position + size > len(self.data):
            raise CorruptError("the header is longer than header_bytes")
        values = struct.unpack_from("<" + form, self.data, self.position)
        self.position += size
        return values

    def number(self, form, allowed=None, name="field"):
        value = self.take(form)[0]
        require(allowed is None or value in allowed, f"{name} {value}")
        return value


def require(condition, what):
    if not condition:
        raise CorruptError(what)
