"""Rules in physical values: ``hu:300..3000`` of a source that states how its stored values are rescaled.

Values: ``roi=`` and a Source in; a rule that compares stored values, or what was passed, out.
Implements no section of FORMAT.md.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.sources.source import Source
from mmip_gpu.volume.roi_rule import PHYSICAL, RoiRule

__all__ = ["stored_rule"]

_STATING = ("dicom", "nifti")  # kinds of files whose slope 1 and intercept 0 are a statement
_NEAR = 1e-7  # of a stored value: files hold slopes in binary32


def stored_rule(roi: Any, source: Source) -> Any:
    """Return a rule on stored values for ``hu:LOW..HIGH``, of which both are included; anything else as it is.

    Raises
    ------
    InvalidArgument
        For a source that does not state one rescale for all its samples.

    Examples
    --------
    >>> import numpy as np
    >>> from dataclasses import replace
    >>> from mmip_gpu.sources import open_source
    >>> ct = replace(open_source(np.zeros((8, 8), np.uint16)), metadata={"slope": 0.5, "intercept": -1024.0})
    >>> stored_rule("hu:300..3000", ct), stored_rule("otsu", ct)
    ('range:2648..8048', 'otsu')
    """
    if not (isinstance(roi, str) and roi.strip().startswith(PHYSICAL)):
        return roi
    bounds = RoiRule.parse(roi.strip().replace(PHYSICAL, "range:", 1))
    metadata = source.metadata
    slope, intercept = metadata.get("slope"), metadata.get("intercept")
    if not slope or intercept is None:
        raise InvalidArgument(
            f"roi={roi!r}: {source.name} has no single rescale (slope {slope}, intercept {intercept})"
        )
    if (slope, intercept) == (1, 0) and metadata.get("kind") not in _STATING:
        raise InvalidArgument(
            f"roi={roi!r}: {source.name} does not state a rescale (DICOM and NIfTI files do); "
            "give stored values: range:LOW..HIGH or threshold:VALUE"
        )
    low, high = sorted(_stored(value, slope, intercept) for value in (bounds.low, bounds.high))
    return str(RoiRule("range", low, high))


def _stored(value: Any, slope: float, intercept: float) -> int | float:
    """Stored value of a physical one; the integer where it is one but for rounding."""
    exact: Fraction = (Fraction(value) - Fraction(intercept)) / Fraction(slope)
    return round(exact) if abs(exact - round(exact)) < _NEAR * float(1 + abs(exact)) else float(exact)
