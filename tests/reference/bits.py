"""Bit strings, gamma and the split of counts into symbol and raw bits.

Values: Python integers in and out; bytes at the edges.
FORMAT.md sections 0 and 8.2 (N). A reader never reads past its end and reports unused bits.
"""


class CorruptError(ValueError):
    """The bytes break a rule of FORMAT.md."""


class UnsupportedError(ValueError):
    """The bytes are of a version or a kind that this decoder does not know."""


class TruncatedError(CorruptError):
    """The bytes end early."""


def bitlen(value):
    return int(value).bit_length()


class BitWriter:
    def __init__(self):
        self.pieces = []

    def raw(self, count, value):
        if count:
            self.pieces.append(format(value & ((1 << count) - 1), f"0{count}b"))

    def gamma(self, value):
        assert value >= 1
        self.raw(bitlen(value) - 1, 0)
        self.raw(bitlen(value), value)

    def append(self, data):
        """Zero bits to the next byte, then bytes."""
        self.raw(-sum(map(len, self.pieces)) % 8, 0)
        for byte in data:
            self.raw(8, byte)

    def to_bytes(self, at_least=0):
        bits = "".join(self.pieces)
        size = max((len(bits) + 7) // 8, at_least)
        return int(bits.ljust(8 * size, "0") or "0", 2).to_bytes(size, "big")


class BitReader:
    def __init__(self, data, start_byte=0):
        self.data = bytes(data) + bytes(8)
        self.position = 8 * start_byte
        self.end = 8 * len(data)

    def peek(self, count):
        """The next count <= 32 bits; zeros after the end."""
        first = self.position >> 3
        window = int.from_bytes(self.data[first : first + 8], "big")
        return (window >> (64 - (self.position & 7) - count)) & ((1 << count) - 1)

    def skip(self, count):
        self.position += count
        if self.position > self.end:
            raise TruncatedError(f"a bit string of {self.end} bits is read to bit {self.position}")

    def raw(self, count):
        value = self.peek(count)
        self.skip(count)
        return value

    def gamma(self):
        zeros = 0
        while not self.raw(1):
            zeros += 1
            if zeros > 31:
                raise CorruptError("gamma: more than 31 zero bits")
        return (1 << zeros) | self.raw(zeros)

    def align(self):
        """Skip the zero padding of the last byte; the byte position after it."""
        if self.raw(-self.position % 8):
            raise CorruptError("the padding of a bit string is not zero")
        return self.position // 8

    def rest(self):
        """The bytes after the padding of the one at hand, all of which count as used."""
        start, self.position = self.align(), self.end
        return self.data[start : self.end // 8]

    def finish(self):
        """A sub-stream is used up exactly; one without bits is one zero byte."""
        if self.position == 0:
            self.raw(1)
        if 8 * self.align() != self.end:
            raise CorruptError(f"sub-stream of {self.end // 8} bytes, {self.position // 8} used")


def split_count(n):
    """N(n), then how many raw bits follow and their value."""
    if n < 8:
        return n, 0, 0
    e = n.bit_length() - 1
    return 8 + 2 * (e - 3) + ((n >> (e - 1)) & 1), e - 1, n & ((1 << (e - 1)) - 1)


def read_count(reader, symbol):
    if symbol < 8:
        return symbol
    e, bit = 3 + (symbol - 8) // 2, (symbol - 8) % 2
    return (1 << e) | (bit << (e - 1)) | reader.raw(e - 1)
