"""What a source states that is not carried on: said once, and recorded.

Values: metadata of a Source and short texts in; a warning, and metadata with the key `lost`, out. Implements no section
of FORMAT.md; a store keeps the key (section 10). Every reader and writer of files says here what it leaves out.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mmip_gpu.errors import MetadataWarning

__all__ = ["LOST", "warn_lost", "with_lost"]

LOST: Final = "lost"  # key of a Source's metadata: a list of texts


def with_lost(metadata: Mapping[str, Any], *texts: str) -> dict[str, Any]:
    """Give metadata that record what is left out, each text once.

    Examples
    --------
    >>> with_lost({"kind": "dicom"}, "overlays of 3 slices")
    {'kind': 'dicom', 'lost': ['overlays of 3 slices']}
    """
    lost = list(dict.fromkeys([*(metadata.get(LOST) or ()), *texts]))
    return dict(metadata) | ({LOST: lost} if lost else {})


def warn_lost(name: str, lost: Sequence[str]) -> None:
    """Warn that a file `name` does not keep, or did not give, what the texts say; nothing where there are none."""
    if lost:
        warnings.warn(f"{name}: not kept: {'; '.join(lost)}", MetadataWarning, stacklevel=3)
