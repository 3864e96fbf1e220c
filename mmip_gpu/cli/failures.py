"""Errors of the command line: one kind of its own, and messages in the words of its options.

Values: a message of the library and the flags of a command in; the message with ``--step 0.5`` in the place of
``step=0.5`` out. Leaves printing and exit codes to ``cli/__init__.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mmip_gpu.errors import MmipError

__all__ = ["VerificationError", "in_flags"]

_SLICE = re.compile(r"slice\((\w+), (\w+), None\)")
_OPTION = re.compile(r"(?<![\w:,])(\w+)=('[^']*'|\([^()]*\)|[^\s:;,()']+)?")
_TWICE = re.compile(r"(--[\w-]+(?: [\w.]+)?) \(\1\)")  # what the library says with its flag
_ELSE = re.compile(r", or (\w+)=$")  # an option that the command may lack
_FUNCTIONS = {
    "append_zarr": "mmip append",
    "write_zarr": "mmip compress",
    "open_zarr": "mmip extract",
    "export_ome_zarr": "mmip export",
    "serve_zarr": "mmip serve",
    "fetch_zarr": "mmip fetch",
    "upgrade_zarr": "mmip upgrade",
    "verify_zarr": "mmip verify",
    "repair_zarr": "mmip repair",
}


class VerificationError(MmipError):
    """What was written does not decode to what its record promises."""


def in_flags(message: str, flags: Mapping[str, str]) -> str:
    """Say a message of the library in the words of a command, whose flags are given by the names of options.

    Examples
    --------
    >>> in_flags("chunks=(8, 9): pass overwrite=True or step=", {"chunks": "--chunks", "overwrite": "--overwrite"})
    '--chunks 8,9: pass --overwrite or step='
    >>> in_flags("found (slice(0, 9, None), slice(None, None, None))", {})
    'found (0:9, :)'
    >>> in_flags("lossless='small': or lossless=True", {"lossless": "--lossless=small"})
    '--lossless=small: or --lossless'
    >>> in_flags("pass labels=True (--labels)", {"labels": "--labels"})
    'pass --labels'
    """

    def flag(found: re.Match[str]) -> str:
        name, value = found[1], (found[2] or "").strip("()'").replace(", ", ",")
        if name not in flags:
            return found[0]
        plain, has_value, _ = flags[name].partition("=")  # one that may stand without a value
        if value in ("", "True", "False"):
            return plain
        return f"{plain}{has_value or ' '}{'none' if value == 'None' else value}"

    message = _ELSE.sub(lambda found: found[0] if found[1] in flags else "", message)
    message = _SLICE.sub(lambda found: f"{found[1]}:{found[2]}".replace("None", ""), message)
    for function, command in _FUNCTIONS.items():
        message = message.replace(function, command)
    return _TWICE.sub(r"\1", _OPTION.sub(flag, message))
