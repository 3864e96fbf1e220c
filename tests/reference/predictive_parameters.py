"""Parameters of kind 2: the map of values or the palette, predictor sets, weights between components, codes.

Values: the bytes of the parameters in; a list of values, or of colours, and a dict for each component out.
FORMAT.md sections 6.1 and 7.3.
"""

from .bits import BitReader, bitlen
from .fields import require

PALETTE = 3  # colour_form
LONGEST, ALPHABET = 10, 86
FIRST = ["N", "NW", "NE", "WW", "NN", "NWW", "NEE", "NNW", "NNE"]
LATER = [*FIRST, *["P", "PW", "PE", "PN", "PS", "PNW", "PNE", "PP"]]


def signed(reader, bits):
    value = reader.raw(bits)
    return value - (1 << bits) if value >> (bits - 1) else value


def read_all_parameters(data, header, count, bricks):
    reader = BitReader(data)
    values = read_palette(reader, header) if header.colour_form == PALETTE else read_values(reader, header)
    components = [read_component(reader, header, i, bricks) for i in range(count)]
    reader.align()
    require(reader.position == reader.end, "bytes after the parameters")
    return values, components


def read_values(reader, header):
    if not reader.raw(1):
        return []
    k, n = reader.raw(5), reader.gamma()
    require(n <= 1 << header.bits, "more values than there are ranks")
    values = [header.offset]
    while len(values) < n:
        values.append(values[-1] + 1 + ((reader.gamma() - 1) << k) + reader.raw(k))
        require(values[-1] < 1 << 31, "a value")
    return values


def read_palette(reader, header):
    n = reader.gamma()
    require(n <= min(4096, 1 << header.bits), "colours of a palette")
    channels = []
    for _ in range(3):
        k, sample, samples = reader.raw(5), header.offset, []
        for _ in range(n):
            u = ((reader.gamma() - 1) << k) + reader.raw(k)
            sample += u >> 1 if u & 1 else -(u >> 1)
            require(-1 << 31 <= sample < 1 << 31, "a colour")
            samples.append(sample)
        channels.append(samples)
    return list(zip(*channels, strict=True))


def read_weights(reader, names):
    weights = {name: signed(reader, 10) for name in names}
    return {"W": 256 - sum(weights.values()), **weights}


def read_component(reader, header, index, bricks):
    component = {"bits": header.bits + (header.colour_form > 0 and index > 0), "index": index}
    component["sets"] = [read_set(reader, header.lengths[3] > 1) for _ in range(reader.raw(3) + 1)]
    count = len(component["sets"])
    component["numbers"] = [reader.raw(bitlen(count - 1)) for _ in range(bricks)]
    require(all(number < count for number in component["numbers"]), "number of a set")
    component["numbers"] = iter(component["numbers"])
    component["cross"] = [signed(reader, 8) for _ in range(index)]
    component["least"], component["decay"], component["m"] = reader.raw(4), 1 + reader.raw(3), reader.raw(2)
    component["codes"] = read_codes(reader, component["bits"])
    return component


def read_set(reader, deep):
    found = {"bound_ne": reader.raw(1), "first": read_weights(reader, FIRST)}
    found["later"] = read_weights(reader, LATER) if deep and reader.raw(1) else None
    return found


def least_z(number, symbol):
    """Of a code's symbol; of a run 0."""
    if number == 0 and symbol >= 60:
        return 0
    k, half = divmod(symbol - 24, 2)
    least = symbol if symbol < 24 else (1 << (k + 2) | half << (k + 1)) + 20
    return least + (number in (0, 16))


def read_codes(reader, bits):
    rows = []
    for number in range(17):
        guesses = [0] * ALPHABET if number < 2 else rows[0 if number == 16 else number - 1]
        n = reader.raw(7)
        require(n <= ALPHABET, "symbols of a code")
        lengths = [read_length(reader, guess) for guess in guesses[:n]] + [0] * (ALPHABET - n)
        require(all(length <= LONGEST for length in lengths) and (n == 0 or lengths[n - 1]), "lengths of a code")
        require(all(least_z(number, s) <= 1 << bits for s in range(n) if lengths[s]), "a symbol of large residuals")
        rows.append(lengths)
    return [codewords(lengths) for lengths in rows]


def read_length(reader, guess):
    if not guess:
        return reader.raw(4) if reader.raw(1) else 0
    if reader.raw(1):
        return guess
    form = reader.raw(2)
    return reader.raw(4) if form == 0 else (0, guess + 1, guess - 1)[form - 1]


def codewords(lengths):
    """Symbols by (length, codeword)."""
    used = sorted((length, symbol) for symbol, length in enumerate(lengths) if length)
    if len(used) < 2:
        require(all(length == 1 for length, _ in used), "a code of one symbol")
        return {(0, 0): used[0][1] if used else 0}
    found, code = {}, 0
    for length, symbol in used:
        found[length, code >> (LONGEST - length)] = symbol
        code += 1 << (LONGEST - length)
    require(code == 1 << LONGEST, "a code that is not complete")
    return found
