"""The error kinds of mmip_gpu: every failure a caller can meet is one of these, and one kind of warning.

Values: a message that says what was expected and what was found. Raised by every module; the core (C++)
reports status codes of ``rules/format.h`` which ``bindings/core.cpp`` turns into the same kinds.
"""

from __future__ import annotations

__all__ = [
    "BackendUnavailable",
    "CorruptData",
    "InvalidArgument",
    "LimitExceeded",
    "MetadataWarning",
    "MissingResource",
    "MmipError",
    "MmipWarning",
    "NoMemory",
    "StoreError",
    "TruncatedData",
    "UnsupportedVersion",
]


class MmipError(Exception):
    """Base of all errors raised by mmip_gpu."""


class MmipWarning(UserWarning):
    """What was asked for was done, and is perhaps not what was meant; the message says what to ask for instead."""


class InvalidArgument(MmipError, ValueError):
    """An option, array, mask or region that cannot be coded; the message says what is accepted."""


class CorruptData(MmipError, ValueError):
    """Bytes that are not a valid stream: a field out of range, a crc that differs, an impossible code."""


class TruncatedData(CorruptData):
    """A stream that ends before the data that was asked for."""


class UnsupportedVersion(MmipError, ValueError):
    """A stream or store of a format version that this library does not read."""


class BackendUnavailable(MmipError, RuntimeError):
    """A device was asked for that is not there."""


class LimitExceeded(MmipError, ValueError):
    """A valid request that is larger than the limit in force (decoded bytes, dimensions)."""


class NoMemory(LimitExceeded, MemoryError):
    """Work for which the memory of this machine is not enough."""


class StoreError(MmipError, OSError):
    """A file or a Zarr store that cannot be read or written, is incomplete, or belongs to another job."""


class MissingResource(MmipError, RuntimeError):
    """A file, optional package, codebook or weights that is needed and not installed."""


class MetadataWarning(MmipWarning):
    """Something that a file states of its samples is not kept; stores record it as ``lost`` in their metadata."""
