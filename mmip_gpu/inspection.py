"""What a container holds, without decoding it.

Values: bytes in; the parsed Header, a reader of stage payloads, and JSON-safe descriptions out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mmip_gpu.container.header import Header
from mmip_gpu.container.loss_record import reached_bound
from mmip_gpu.container.reader import open_container
from mmip_gpu.transform.chunk import read_extent
from mmip_gpu.transform.plan import sample_step

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "describe",
    "inspect",
]


def inspect(
    data: Buffer, *, stages: int | None = None, scale: int = 1, region: tuple[slice, ...] | None = None
) -> dict[str, Any]:
    """What a container holds, without decoding it.

    Parameters
    ----------
    stages, scale, region
        As for `decode`; ``bytes_needed`` tells what such a decode reads.

    Returns
    -------
    dict
        ``shape dtype axes kind`` ..., ``config`` (``qstep`` is the step of the background), ``loss`` (psnr in dB,
        max_error in sample units) and ``stages``, a list of ``{"bytes", "bytes_to_here"}``; sizes in bytes.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> len(mmip.inspect(mmip.encode(mmip.phantom2d(64), quality=10))["stages"])
    3
    """
    header, reader = open_container(data)
    report = describe(header)
    report["bytes_needed"] = report["header_bytes"] + read_extent(header, reader, stages, scale, region)
    return report


def describe(header: Header) -> dict[str, Any]:
    """JSON-safe description of a header: the part of `inspect` that needs no payload."""
    header_bytes = len(header.to_bytes())
    to_here, parts = header_bytes, []
    for size in header.payload_sizes:
        to_here += size
        parts.append({"bytes": size, "bytes_to_here": to_here})
    loss, samples = header.loss, header.layout.samples
    psnr = loss.psnr(samples) if samples else math.inf
    known_psnr = psnr if math.isfinite(psnr) else None
    report: dict[str, Any] = {
        "kind": "raw" if header.transform is None else "transform",
        "shape": list(header.layout.shape),
        "dtype": header.dtype,
        "step": header.step,
        "axes": header.layout.axes,
        "colour": header.colour,
        "bytes": to_here,
        "header_bytes": header_bytes,
        "raw_bytes": header.raw_bytes,
        "ratio": header.raw_bytes / to_here,
        "bits_per_sample": 8 * to_here / samples if samples else 0.0,
        "stages": parts,
        "loss": {
            "mode": loss.mode,
            "requested": loss.requested,
            "reached": reached_bound(loss.mode, known_psnr, loss.largest, header.raw_bytes / to_here),
            "verified": loss.verified,
            "psnr": known_psnr,
            "max_error": loss.largest,
            "lossless": loss.verified and loss.sse == 0,
            "minimum": loss.minimum,
            "maximum": loss.maximum,
        },
    }
    if header.transform is not None:
        t = header.transform
        report["config"] = {
            "cell_depth": t.depth,
            "tile_log2": list(t.tile_log2),
            "cuts": list(t.cuts),
            "qstep": sample_step(t.steps[0], header.colour) * (header.step or 1.0),
            "steps": [[s / 256 for s in row] for row in t.steps],
            "reversible": [bool(r) for r in t.reversible],
            "offset": t.offset,
            "padding": t.padding,
            "dc_image": t.dc_image is not None,
            "correction": t.correction,
            "recon": [[d / 64 for d in row] for row in t.recon],
        }
    return report
