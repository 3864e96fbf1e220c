"""A second mmip codec in plain Python and NumPy, written from FORMAT.md alone: slow, obvious, the oracle.

It imports nothing of mmip_gpu; it reads the tables of
rules/tokens/builtin_codes.h as text.
"""

from .bits import CorruptError, TruncatedError, UnsupportedError
from .codes import Tables, load_tables
from .coefficients import Coefficients
from .container import Header
from .decode import decode, decode_coefficients
from .encode import encode, encode_raw

__all__ = [
    "Coefficients",
    "CorruptError",
    "Header",
    "Tables",
    "TruncatedError",
    "UnsupportedError",
    "decode",
    "decode_coefficients",
    "encode",
    "encode_raw",
    "load_tables",
]
