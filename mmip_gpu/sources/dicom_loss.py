"""What DICOM files say of earlier lossy compression, in their attributes or by their transfer syntax.

Values in: headers as pydicom gives them, and their files. Values out: keys of a Source's metadata. Implements no
section of FORMAT.md; follows DICOM PS3.3 C.7.6.1.1.5. Guarantees that ratios and methods stay lists, the
oldest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from mmip_gpu.sources.dicom_headers import frame_count, layout_of, syntax_of
from mmip_gpu.sources.source import finite

__all__ = ["loss_record"]

_METHODS: Final = {
    "ISO_10918_1": (50, 51),
    "ISO_14495_1": (81,),
    "ISO_15444_1": (91, 93),
    "ISO_18181_1": (111, 112),
    "ISO_15444_15": (203,),
}  # JPEG, JPEG-LS, JPEG 2000, JPEG XL, HTJ2K, by the last number of the syntaxes that are not lossless by definition
_METHOD_OF: Final = {f"1.2.840.10008.1.2.4.{n}": name for name, numbers in _METHODS.items() for n in numbers}


def loss_record(files: Iterable[tuple[Any, Path]]) -> dict[str, Any]:
    """Tell whether any file was compressed with loss before, and what the one that tells most says of it."""
    told = [entry for header, file in files if (entry := _told(header, file)) is not None]
    if not told:
        return {}
    methods, ratios = max(told, key=lambda entry: (len(entry[0]), len(entry[1])))
    return {"lossy": True, "lossy_ratios": ratios, "lossy_methods": methods}


def _told(header: Any, file: Path) -> tuple[list[str], list[float]] | None:
    """Methods and ratios of one file; None where nothing was lost."""
    mark = str(header.get("LossyImageCompression") or "")
    method = _METHOD_OF.get(syntax_of(header))
    if mark == "00" or not (mark == "01" or method):
        return None
    methods = [str(name) for name in _values(header.get("LossyImageCompressionMethod"))]
    found = (finite(ratio) for ratio in _values(header.get("LossyImageCompressionRatio")))
    ratios = [ratio for ratio in found if ratio is not None]
    if method and method not in methods:
        methods.append(method)
        layout, frames = layout_of(header), frame_count(header)
        if len(ratios) < len(methods):
            raw_bytes = layout.rows * layout.columns * layout.samples * frames * layout.bits_allocated / 8
            ratios.append(raw_bytes / file.stat().st_size)
    return methods, ratios


def _values(found: Any) -> list[Any]:
    """Return the values of an element of any multiplicity."""
    if found is None or found == "":
        return []
    return list(found) if isinstance(found, Sequence) and not isinstance(found, str) else [found]
