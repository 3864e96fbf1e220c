"""The error kind that only the command line has.

Values: a message. Leaves printing and exit codes to ``cli/__init__.py``.
"""

from __future__ import annotations

from mmip_gpu.errors import MmipError

__all__ = ["VerificationError"]


class VerificationError(MmipError):
    """What was written does not decode to what its record promises."""
