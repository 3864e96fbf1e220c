"""Canonical codes, code families, the description of own codes and the built-in tables.

Values: a code is a list of lengths, one a symbol, 0 = no codeword, the last entry the escape.
FORMAT.md section 7. Only complete codes and codes of one symbol are accepted.
"""

import re
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from .bits import CorruptError

# family: classes, alphabet, raw bits of an escaped symbol
FAMILIES = {"DC": (13, 32, 5), "HEADER": (15, 256, 8), "TOKEN": (48, 416, 9), "CORRECTION": (48, 128, 7)}
FAMILIES["PREDICTION"] = 12, 6, 3
# what takes the place of a stage's number
CORRECTIONS, DC_IMAGE, PREDICTED = "corrections", "DC image", "stage 2 with predictions"
MARK, MARK_BITS = 1023, 10  # before the codes of PREDICTED
LONGEST = 12
WEIGHTS = (36, 26, -12, 14, 22, 26, -4, 4, 48, -14, -18)
UNLISTED = 14
BUCKETS = (
    (10, 10, 10, 9, 6, 4, 2, 2, 3, 4, 4, 5, 7, 9, 10, 3),
    (10, 10, 8, 6, 5, 4, 3, 3, 4, 5, 5, 8, 8, 10, 10, 1),
    (7, 7, 5, 5, 4, 3, 3, 4, 5, 7, 10, 10, 9, 9, 9, 1),
)
RULES = Path(__file__).parents[2] / "mmip_gpu" / "rules"
BUILTIN_CODES = (
    RULES / "tokens" / "builtin_codes.h",
    RULES / "corrections" / "correction_codes.h",
    RULES / "prediction" / "prediction_codes.h",
)
TABLE_SHAPES = {
    "kDcLengths": (13, 33),
    "kHeaderLengths": (2, 15, 257),
    "kTokenLengths": (48, 417),
    "kTokenClass": (560,),
    "kCorrectionLengths": (48, 129),
    "kPredictionLengths": (12, 7),
}


class Code:
    """A canonical code. With `alphabet` set, the entry after the alphabet is the escape."""

    def __init__(self, lengths, raw_bits=0, escape=True):
        self.lengths = [int(length) for length in lengths]
        self.raw_bits = raw_bits
        self.alphabet = len(self.lengths) - 1 if escape else len(self.lengths)
        listed = [length for length in self.lengths if length]
        if any(length not in range(1, LONGEST + 1) for length in listed):
            raise CorruptError("a code length outside 1..12")
        if not listed or (len(listed) == 1 and listed[0] != 1):
            raise CorruptError("a code without symbols, or of one symbol with another length than 1")
        if escape and not any(self.lengths[:-1]):
            raise CorruptError("a code with no symbol but an escape")
        if len(listed) > 1 and sum(1 << (LONGEST - length) for length in listed) != 1 << LONGEST:
            raise CorruptError("a code that is not complete")

    @cached_property
    def words(self):
        """symbol -> (codeword, its bits), ascending with (length, symbol)."""
        listed = sorted((length, symbol) for symbol, length in enumerate(self.lengths) if length)
        if len(listed) == 1:
            return {listed[0][1]: (0, 0)}
        words, position = {}, 0
        for length, symbol in listed:
            words[symbol] = (position >> (LONGEST - length), length)
            position += 1 << (LONGEST - length)
        return words

    @cached_property
    def table(self):
        """(symbol, codeword bits) for every value of the next 12 bits."""
        table = []
        for symbol, (_, bits) in self.words.items():
            table += [(symbol, bits)] * (1 << (LONGEST - bits))
        return table

    def read(self, reader):
        symbol, bits = self.table[reader.peek(LONGEST)]
        reader.skip(bits)
        if symbol < self.alphabet:
            return symbol
        symbol = reader.raw(self.raw_bits)
        if symbol >= self.alphabet:
            raise CorruptError(f"escaped symbol {symbol}, alphabet {self.alphabet}")
        return symbol

    def write(self, writer, symbol):
        escaped = symbol not in self.words
        word, bits = self.words[self.alphabet if escaped else symbol]
        writer.raw(bits, word)
        if escaped:
            writer.raw(self.raw_bits, symbol)


@cache
def known_code(lengths, raw_bits):
    """The code of these lengths (a tuple), made once."""
    return Code(lengths, raw_bits)


FIXED_CODES = [Code(lengths, escape=False) for lengths in BUCKETS]


def reference_length(builtin, symbol):
    return int(builtin[symbol]) or UNLISTED


def fixed_code(ref):
    return FIXED_CODES[0 if ref <= 6 else 1 if ref <= 9 else 2]


def own_order(builtin):
    return sorted(range(len(builtin) - 1), key=lambda symbol: (reference_length(builtin, symbol), symbol))


def read_own(reader, builtin):
    """The lengths of an own code of the class whose built-in lengths are given."""
    alphabet = len(builtin) - 1
    count, escape = reader.raw(9), reader.raw(4)
    if count > alphabet:
        raise CorruptError(f"own code: {count} entries, alphabet {alphabet}")
    lengths = [0] * alphabet + [escape]
    for symbol in own_order(builtin)[:count]:
        ref = reference_length(builtin, symbol)
        index = fixed_code(ref).read(reader)
        if index == 15:
            continue
        lengths[symbol] = ref + index - 7 if index else reader.raw(4)
        if lengths[symbol] not in range(1, LONGEST + 1):
            raise CorruptError(f"own code: length {lengths[symbol]}")
    return lengths


def write_own(writer, lengths, builtin):
    order = own_order(builtin)
    count = max((i + 1 for i, symbol in enumerate(order) if lengths[symbol]), default=0)
    writer.raw(9, count)
    writer.raw(4, lengths[-1])
    for symbol in order[:count]:
        ref = reference_length(builtin, symbol)
        index = lengths[symbol] - ref + 7 if lengths[symbol] else 15
        if index not in range(1, 16) or (index == 15 and lengths[symbol]):
            index = 0
        fixed_code(ref).write(writer, index)
        if not index:
            writer.raw(4, lengths[symbol])


class Tables:
    """The built-in codes: arrays of TABLE_SHAPES."""

    def __init__(self, arrays):
        self.arrays = arrays
        self.token_class = arrays["kTokenClass"].tolist()
        self.lists = {name: array.tolist() for name, array in arrays.items()}

    def lengths(self, family, stage):
        if family == "HEADER":
            return self.lists["kHeaderLengths"][0 if stage in (2, DC_IMAGE, PREDICTED) else 1]
        return self.lists[f"k{family.capitalize()}Lengths"]


@cache
def load_tables(paths=BUILTIN_CODES):
    text = "".join(path.read_text() for path in paths)
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
    arrays = {}
    for name, shape in TABLE_SHAPES.items():
        body = re.search(rf"\b{name}\s*(?:\[[^\]]*\]\s*)+=\s*(\{{.*?\}})\s*;", text, flags=re.DOTALL).group(1)
        arrays[name] = np.array([int(value) for value in re.findall(r"\d+", body)]).reshape(shape)
    return Tables(arrays)


def stage_families(stage):
    """`stage` is 1, 2, .., DC_IMAGE (instead of 1), PREDICTED (instead of 2) or CORRECTIONS."""
    if stage == CORRECTIONS:
        return ("CORRECTION",)
    if stage == DC_IMAGE:
        return ("DC", "HEADER", "TOKEN")
    if stage == PREDICTED:
        return ("PREDICTION", "HEADER", "TOKEN")
    return ("DC",) if stage == 1 else ("HEADER", "TOKEN")


def by_token_context(codes, tables):
    if "TOKEN" in codes:
        codes["TOKEN"] = [codes["TOKEN"][index] for index in tables.token_class]
    return codes


def read_codes(reader, stage, tables):
    """Codes of the classes of each family; TOKEN: those of the 560 contexts; WEIGHTS of stage 1."""
    codes = {}
    if stage in (1, DC_IMAGE):
        own = reader.raw(1)
        codes["WEIGHTS"] = [(reader.raw(8) ^ 128) - 128 for _ in WEIGHTS] if own else WEIGHTS
    if stage == PREDICTED and reader.raw(MARK_BITS) != MARK:
        raise CorruptError("no predictions where the header announces some")
    for family in stage_families(stage):
        raw_bits = FAMILIES[family][2]
        codes[family] = []
        for builtin in tables.lengths(family, stage):
            lengths = read_own(reader, builtin) if reader.raw(1) else builtin
            codes[family].append(known_code(tuple(lengths), raw_bits))
    return by_token_context(codes, tables)


def write_codes(writer, stage, tables, own):
    """As read_codes; own is {(stage, family, class): lengths}, and maybe "WEIGHTS"."""
    codes = {}
    if stage in (1, DC_IMAGE):
        writer.raw(1, "WEIGHTS" in own)
        for weight in own.get("WEIGHTS", ()):
            writer.raw(8, weight & 255)
        codes["WEIGHTS"] = own.get("WEIGHTS", WEIGHTS)
    if stage == PREDICTED:
        writer.raw(MARK_BITS, MARK)
    for family in stage_families(stage):
        codes[family] = []
        for index, builtin in enumerate(tables.lengths(family, stage)):
            lengths = own.get((stage, family, index))
            writer.raw(1, lengths is not None)
            if lengths is not None:
                write_own(writer, lengths, builtin)
            code = known_code(tuple(builtin if lengths is None else lengths), FAMILIES[family][2])
            codes[family].append(code)
    return by_token_context(codes, tables)
