"""What a container holds, without decoding it.

Values: bytes in; a JSON-safe description out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmip_gpu.codecs import Wanted, codec_of
from mmip_gpu.container.header import Header
from mmip_gpu.container.loss_record import least_psnr, reached_bound
from mmip_gpu.container.reader import open_container
from mmip_gpu.reports import Report
from mmip_gpu.signatures import public
from mmip_gpu.volume.region import Region

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["describe", "inspect"]


@public()
def inspect(data: Buffer, *, stages: int | None = None, scale: int = 1, region: Region | None = None) -> Report:
    """Describe what a container holds, without decoding it.

    Parameters
    ----------
    stages, scale, region
        As for `decode`; ``bytes_needed`` tells what such a decode reads.

    Returns
    -------
    Report
        A dictionary, whose ``info`` is a text: ``shape dtype axes kind`` ..., ``config`` (``qstep`` is the step of the
        background, a list where channels have their own), ``loss`` (psnr in dB, max_error in sample units;
        ``channels``: the same of each that has a step of its own, its psnr on its own range) and ``stages``, a list of
        ``{"bytes", "bytes_to_here"}``; sizes in bytes.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> len(mmip.inspect(mmip.encode(mmip.phantom2d(64), quality=10))["stages"])
    3
    """
    header, read_part = open_container(data)
    report = Report(describe(header))
    spans, _ = codec_of(header).extent(header, read_part, Wanted(stages, scale, region))
    report["bytes_needed"] = report["header_bytes"] + sum(memoryview(read_part(*span)).nbytes for span in spans)
    return report


def describe(header: Header[Any]) -> dict[str, Any]:
    """JSON-safe description of a header: the part of `inspect` that needs no payload."""
    header_bytes = len(header.to_bytes())
    to_here, parts = header_bytes, []
    for size in header.payload_sizes:
        to_here += size
        parts.append({"bytes": size, "bytes_to_here": to_here})
    samples, ratio = header.layout.samples, header.raw_bytes / to_here
    report: dict[str, Any] = {
        "kind": header.fields.name,
        "shape": list(header.layout.shape),
        "dtype": header.dtype,
        "step": header.step,
        "axes": header.layout.axes,
        "colour": header.colour,
        "bytes": to_here,
        "header_bytes": header_bytes,
        "raw_bytes": header.raw_bytes,
        "ratio": ratio,
        "bits_per_sample": 8 * to_here / samples if samples else 0.0,
        "stages": parts,
        "loss": _described_loss(header, ratio),
    }
    if header.loss.is_labels:
        report["loss"]["labels"] = True
    return report | codec_of(header).describe(header)


def _described_loss(header: Header[Any], ratio: float) -> dict[str, Any]:
    loss, samples = header.loss, header.layout.samples
    found = loss.reached(samples)
    records = header.channel_losses
    channels = [{"requested": one.requested} | one.reached(samples // len(records)) for one in records]
    psnr = least_psnr(channels) if channels else found["psnr"]
    return {
        "mode": loss.mode,
        "requested": loss.requested,
        "reached": reached_bound(loss.mode, psnr, loss.largest, ratio),
        "verified": loss.verified,
        **found,
    } | ({"channels": channels} if channels else {})
