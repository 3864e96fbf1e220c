"""Kind 2: values predicted from their neighbours, read a sample at a time.

Values: a payload in; NumPy array out.
FORMAT.md sections 2.1, 3.1, 7.3 (numbers), 8.6 and 8.7. Parameters are checked before a sub-stream is read.
"""

from itertools import product

import numpy as np

from .bits import BitReader, CorruptError, TruncatedError, bitlen
from .container import DTYPES, FLOAT, require
from .payload import read_parameters
from .predictive_parameters import FIRST, LONGEST, PALETTE, read_all_parameters
from .synthesis import in_own_axes

FIRST_RUN = 60


def decode_predictive(payload, header):
    if len(payload) < header.payload_bytes:
        raise TruncatedError("the payload is not whole")
    require(len(payload) == header.payload_bytes, "bytes after the payload")
    count = 3 if header.colour and header.colour_form != PALETTE else 1
    planes, volume = int(np.prod(header.lengths[:3])), header.lengths[3:]
    planes //= 3 if header.colour_form == PALETTE else 1
    tiles = [len(range(0, n, 1 << log2)) for n, log2 in zip(volume, header.tile_log2, strict=True)]
    parameters, substreams = read_parameters(payload, header.payload_crc, planes * int(np.prod(tiles)))
    streams = iter(substreams)
    bricks = list(boxes([0, 0, 0], volume, header.brick_log2))
    values, components = read_all_parameters(parameters, header, count, planes // count * len(bricks))
    coded = [[open_brick(header, box, streams) for box in bricks] for _ in range(planes)]
    channels = 3 if header.colour else 1
    out = np.zeros((planes // count * channels, *volume), np.int64)
    for group, (number, box) in product(range(planes // count), enumerate(bricks)):
        window = tuple(slice(a, b) for a, b in box)
        restored = restore_group([coded[group * count + i][number] for i in range(count)], components, header)
        for i, samples in enumerate(to_channels(restored, header)):
            table = [colour[i] for colour in values] if header.colour_form == PALETTE else values
            out[(group * channels + i, *window)] = samples_of(samples, table, header)
    return in_type(out, header)


def boxes(low, high, log2):
    """Boxes of a size within another one, in raster order: (from, to) on z, y, x."""
    axes = [
        [(a, min(a + (1 << k), b)) for a in range(first, b, 1 << k)]
        for first, b, k in zip(low, high, log2, strict=True)
    ]
    return product(*axes)


def samples_of(values, table, header):
    least, most = header.limits
    if table:
        values = np.array(table)[np.minimum(values, len(table) - 1)]
    else:
        values = header.offset + values * (2 * header.near + 1)
    return np.clip(values, least, most)


def in_type(samples, header):
    if header.dtype == FLOAT:
        samples = samples.astype(np.float64) * header.value_step
    return in_own_axes(samples.reshape(header.lengths).astype(DTYPES[header.dtype]), header.axes)


# --- residuals


def read_symbol(reader, code):
    word = 0
    for length in range(LONGEST + 1):
        if (length, word) in code:
            return code[length, word]
        word = word << 1 | reader.raw(1)
    raise CorruptError("a codeword that is not there")


def number_of(reader, symbol, direct):
    if symbol < direct:
        return symbol
    k, half = divmod(symbol - direct, 2)
    u = 1 << (k + 2) | half << (k + 1) | reader.raw(k + 1)
    return u + direct - 4


def class_of(e, least):
    if e < 2:
        return e
    k = bitlen(e) - 1
    h = 2 * k + (e >> (k - 1) & 1)
    return min(max(h - least, 1), 15)


def unfolded(z):
    return (z + 1) // 2 if z & 1 else -(z // 2)


def open_brick(header, box, streams):
    """Room for the residuals of a brick of one plane, and its tiles with their sub-streams."""
    shape = [b - a for a, b in box]
    tiles = [(tile, next(streams)) for tile in boxes([0, 0, 0], shape, header.tile_log2)]
    return {"coded": np.zeros(shape, np.int64), "tiles": tiles}


def read_tile(data, component, coded, earlier, tile):
    """Fill a tile of `coded`; `earlier` are the coded residuals of the components before."""
    window = tuple(slice(a, b) for a, b in tile)
    out, others = coded[window], [e[window] for e in earlier]
    felt = np.zeros(out.shape, np.int64)
    reader, run = BitReader(data), 0
    ends = False
    for place in np.ndindex(out.shape):
        if run:
            run -= 1
            ends = run == 0
            felt[place] = felt_at(out, felt, place, component["decay"])
            continue
        if ends:
            r, ends = unfolded(1 + number_of(reader, read_symbol(reader, component["codes"][16]), 24)), False
        else:
            e = context(out, felt, place) + component["m"] * sum(abs(int(o[place])) for o in others)
            c = class_of(e, component["least"])
            symbol = read_symbol(reader, component["codes"][c])
            if c == 0 and symbol >= FIRST_RUN:
                run = number_of(reader, symbol - FIRST_RUN, 8)
                ends = run == 0
                felt[place] = felt_at(out, felt, place, component["decay"])
                continue
            r = unfolded(number_of(reader, symbol, 24) + (c == 0))
        out[place] = r
        felt[place] = felt_at(out, felt, place, component["decay"])
    require(run == 0, "a run past the end of its tile")
    reader.finish()


def felt_at(out, felt, place, decay):
    """What later rows and slices see of a residual: its magnitude and a part of what stands above."""
    z, y, x = place
    own = abs(int(out[place]))
    return own + (int(felt[z, y - 1, x] if y else own) >> decay)


def context(out, felt, place):
    z, y, x = place
    rows, columns = felt.shape[1:]
    here = felt[z]
    before = felt[z - 1] if z else None
    start = here[y - 1, 0] if y else before[0, 0] if z else 4
    w, ww = (abs(int(out[z, y, x - k])) if x >= k else None for k in (1, 2))
    w = start if w is None else w
    ww = start if ww is None else ww
    if y:
        n = here[y - 1, x]
        e = 2 * (w + n) + here[y - 1, max(x - 1, 0)] + here[y - 1, min(x + 1, columns - 1)] + ww
    else:
        e = 6 * w + ww
    if z:
        east, south = before[y, min(x + 1, columns - 1)], before[min(y + 1, rows - 1), x]
        e += before[y, x] + (east + south) // 2
    return int(e)


# --- values


def restore_group(bricks, components, header):
    """Values of the components of one brick."""
    coded, residuals, values = [], [], []
    for brick, component in zip(bricks, components, strict=True):
        for tile, data in brick["tiles"]:
            read_tile(data, component, brick["coded"], coded, tile)
        coded.append(brick["coded"])
        r = brick["coded"]
        if component["index"]:
            said = sum(w * e for w, e in zip(component["cross"], residuals, strict=True))
            half = 1 << (component["bits"] - 1)
            r = (r + ((said + 32) >> 6) + half) % (2 * half) - half
        residuals.append(r)
        values.append(restore(r, component["sets"][next(component["numbers"])], 1 << component["bits"]))
    return values


def restore(residuals, chosen, modulus):
    values = np.zeros(residuals.shape, np.int64)
    for place in np.ndindex(residuals.shape):
        near = neighbours(values, place)
        weights = chosen["later"] if place[0] and chosen["later"] else chosen["first"]
        p = (128 + sum(weight * near[name] for name, weight in weights.items())) >> 8
        bounds = [near["W"], near["N"]] + [near["NE"]] * chosen["bound_ne"]
        bounds += [near["P"]] if weights is chosen["later"] else []
        values[place] = (min(max(p, min(bounds)), max(bounds)) + residuals[place]) % modulus
    return values


SIDES = {"W": -1, "": 0, "E": 1}


def neighbours(values, place):
    z, y, x = place
    rows, columns = values.shape[1:]

    def at(z, y, x):
        """A value, with what stands before and after the rows."""
        if x < 0:
            return int(values[z, max(y - 1, 0), 0])
        return int(values[z, y, min(x, columns - 1)])

    def before(k):
        if x >= k or y:
            return at(z, y, x - k)
        return at(z - 1, 0, 0) if z else 0

    w = before(1)
    near = dict.fromkeys(FIRST, w) | {"W": w, "WW": before(2)}
    if y:
        row = {"": 1, "N": 2 if y > 1 else 1}
        near |= {f"N{far}{side}": at(z, y - up, x + dx) for far, up in row.items() for side, dx in SIDES.items()}
        near |= {"NWW": at(z, y - 1, x - 2), "NEE": at(z, y - 1, x + 2)}
    if z:
        p = at(z - 1, y, x)
        near |= dict.fromkeys(("PN", "PNW", "PNE"), p) | {"P": p, "PW": at(z - 1, y, x - 1), "PE": at(z - 1, y, x + 1)}
        if y:
            near |= {"PN": at(z - 1, y - 1, x), "PNW": at(z - 1, y - 1, x - 1), "PNE": at(z - 1, y - 1, x + 1)}
        near["PS"] = at(z - 1, min(y + 1, rows - 1), x)
        near["PP"] = at(z - 2, y, x) if z > 1 else p
    return near


def to_channels(components, header):
    if len(components) == 1:
        return components * (3 if header.colour else 1)
    a, b, c = components
    middle = 1 << header.bits
    if header.colour_form == 0:
        return [b, a, c]
    b, c = b - middle, c - middle
    if header.colour_form == 2:
        return [b + a, a, c + a]
    t = a - (c >> 1)
    blue = t - (b >> 1)
    return [blue + b, c + t, blue]
