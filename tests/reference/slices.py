"""Which axis slices follow each other along.

Values: the letter in a header, "" without one; the order of all axes. FORMAT.md section 1.
"""

from .fields import require

AXES = "tnczyx"


def slice_order(letter):
    """t, n, c, z, y, x; another letter than z and z take each other's places."""
    return AXES if letter in ("", "z") else AXES.translate(str.maketrans({letter: "z", "z": letter}))


def read_slice_axis(fields, header):
    letter = chr(fields.number("B"))
    require(letter == "z" or (letter in ("t", "n") and header.cell_depth == 1), f"slice_axis {letter}")
    require(letter in header.axes and header.shape[header.axes.index(letter)] > 1, f"slice_axis {letter}")
    return letter
