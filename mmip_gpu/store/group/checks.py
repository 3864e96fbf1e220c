"""One check of a field in the attributes of a store."""

from __future__ import annotations

from mmip_gpu.errors import InvalidArgument

__all__ = ["check_field"]


def check_field(field: str, found: object, condition: bool) -> None:
    """Raise InvalidArgument, which names the field, unless the condition holds."""
    if not condition:
        raise InvalidArgument(f"{field} out of range: {found!r}")
