"""What compression took from a volume before: one entry a coding, the oldest first.

Values: metadata of a Source in; JSON-safe entries, and DICOM's terms for them, out. Implements no section of FORMAT.md.
Guarantees that what was lossy once stays in the list, whatever coded it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

__all__ = ["HISTORY", "METHOD", "dicom_terms", "loss_history"]

HISTORY: Final = "mmip_loss"  # attribute of the arrays that we export
METHOD: Final = "MMIP"  # in LossyImageCompressionMethod, for which DICOM has no defined term for this codec


def loss_history(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the codings that metadata tell of: their own list, or what a file says of lossy ones.

    Examples
    --------
    >>> loss_history({"lossy": True, "lossy_methods": ["ISO_10918_1"], "lossy_ratios": [9.5]})
    [{'lossy': True, 'method': 'ISO_10918_1', 'ratio': 9.5}]
    """
    known = metadata.get("history")
    if isinstance(known, Sequence) and not isinstance(known, str):
        return [dict(entry) for entry in known if isinstance(entry, Mapping)]
    if not metadata.get("lossy"):
        return []
    methods, ratios = metadata.get("lossy_methods") or [None], metadata.get("lossy_ratios") or []
    return [{"lossy": True, "method": m, "ratio": r} for m, r in zip_longest(methods, ratios)]


def dicom_terms(history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Give the keys ``lossy lossy_ratios lossy_methods`` of a Source's metadata; none where nothing was lossy.

    Examples
    --------
    >>> dicom_terms([{"lossy": True, "method": "MMIP", "ratio": 12.0}, {"lossy": False}])
    {'lossy': True, 'lossy_ratios': [12.0], 'lossy_methods': ['MMIP']}
    """
    lossy = [entry for entry in history if entry.get("lossy")]
    if not lossy:
        return {}
    ratios, methods = ([entry[key] for entry in lossy if entry.get(key)] for key in ("ratio", "method"))
    return {"lossy": True, "lossy_ratios": ratios, "lossy_methods": methods}
