"""Random codes, for tests: lengths of complete codes, and files of built-in ones.

Values: a generator in, lengths or a text out.
FORMAT.md section 7. All lengths are used, and symbols are left out.
"""

import numpy as np

from .codes import TABLE_SHAPES


def random_lengths(rng, count):
    """Lengths of a complete code of `count` symbols."""
    if count == 1:
        return [1]
    lengths = [0]
    while len(lengths) < count:
        short = [i for i, length in enumerate(lengths) if length < 12]
        i = short[min(int(rng.exponential(len(short) / 4)), len(short) - 1)]
        lengths[i] += 1
        lengths.append(lengths[i])
    return lengths


def random_code(rng, alphabet, most=60):
    """A code of some symbols, the small ones first, and the escape."""
    count = int(rng.integers(1, min(alphabet, most)))
    symbols = np.unique(np.minimum(rng.exponential(alphabet / 4, count).astype(int), alphabet - 1))
    lengths = [0] * (alphabet + 1)
    for symbol, length in zip([*symbols, alphabet], random_lengths(rng, len(symbols) + 1), strict=True):
        lengths[symbol] = length
    return lengths


def stand_in_text(rng):
    text = "// stand-in\n#pragma once\n"
    for name, shape in TABLE_SHAPES.items():
        if len(shape) == 1:
            body = ", ".join(str(int(i)) for i in rng.integers(0, 48, shape[0]))
        else:
            rows = [random_code(rng, shape[-1] - 1) for _ in range(int(np.prod(shape[:-1])))]
            body = ",\n".join("{" + ", ".join(map(str, row)) + "}" for row in rows)
        dimensions = "".join(f"[{n}]" for n in shape)
        text += f"/* rows = {len(shape)} */\nconstexpr uint8_t {name}{dimensions} = {{\n{body}\n}};\n"
    return text
