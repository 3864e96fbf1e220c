"""The decisions of a band of a JPEG image: mixed probabilities, values and numbers, and what contexts are made of.

Values: the bytes of a band in; integers out. FORMAT.md section 8.10 (decisions).
"""

from collections import defaultdict

import numpy as np

from .mask import Decoder
from .mixed import SQ, ST


def wrapped(v):
    """As a number of 32 bits, two's complement."""
    return (v + 2**31) % 2**32 - 2**31


class Stated:
    """A model of one probability, for the range decoder of section 8.1."""

    def __init__(self):
        self.p = [0]

    def adapt(self, *_):
        pass


class Decisions:
    """The decisions of a band; contexts are set for a value."""

    def __init__(self, data):
        self.stated = Stated()
        self.coder = Decoder(data, self.stated)
        self.nodes = defaultdict(lambda: (1 << 21, 0))  # probability in 1/2^22, how often seen
        self.weights = defaultdict(lambda: [12000] * 8 + [0])
        self.chroma = self.kind = self.set = 0
        self.contexts = [0] * 8

    def bit(self, n):
        m = self.chroma
        keys = [
            (m, i, ((64 * (8 * v + self.kind) + n) * 2654435761 % 2**32) >> 16) for i, v in enumerate(self.contexts)
        ]
        first, second = self.weights[m, "A", self.kind, n], self.weights[m, "B", self.set, n]
        inputs = [ST[self.nodes[key][0] >> 10] for key in keys] + [256]
        total = sum((a + b) * x for a, b, x in zip(first, second, inputs, strict=True)) >> 17
        p = self.stated.p[0] = SQ[max(-2816, min(2816, total)) + 2816]
        bit = self.coder.decide(0, 0)
        error = 10 * (65536 * bit - p)
        for i, x in enumerate(inputs):
            step = (x * error + 131072) >> 18
            first[i], second[i] = wrapped(first[i] + step), wrapped(second[i] + step)
        for key in keys:
            q, seen = self.nodes[key]
            target = 2**22 - 1 if bit else 0
            self.nodes[key] = (q + ((target - q) * (655360 // (10 * seen + 16)) >> 16), min(seen + 1, 255))
        return bit

    def value(self):
        size = 0
        while size < 12 and self.bit(size):
            size += 1
        if size == 0:
            return 0
        negative, magnitude = self.bit(12), 1
        for left in range(size - 1, 0, -1):
            magnitude = 2 * magnitude + self.bit(13 + size if left == size - 1 else 26)
        return -magnitude if negative else magnitude

    def number(self, bits):
        node = 1
        for _ in range(bits):
            node = 2 * node + self.bit(node)
        return node - (1 << bits)


def lg(v):
    return abs(int(v)).bit_length()


def lv(v):
    return int(np.clip(v, -2, 2)) + 2


def quotient(a, b):
    """Toward zero; b > 0."""
    return a // b if a >= 0 else -(-a // b)


def around(w, n, d):
    return lg((13 * (abs(w) + abs(n)) + 6 * abs(d)) // 4)
