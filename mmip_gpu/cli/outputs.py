"""What decode and extract write: the decoded part with all that is known about it, as a source for a sink.

Values: parsed options, the report of a container or a store, and something that slices, in; a file out, and one
line on stdout. Guarantees that the record of loss goes along: what was lossy before, and what this coding did.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import mmip_gpu
from mmip_gpu.cli.results import show
from mmip_gpu.quality.plane_blocks import progress
from mmip_gpu.reports import shape_text, size_text
from mmip_gpu.sinks import region_metadata, write_image
from mmip_gpu.sources import Source
from mmip_gpu.volume.axes import PlaneLayout, shrinking_axes
from mmip_gpu.volume.region import checked_region

__all__ = ["Decoding", "write_decoded"]


@dataclass(frozen=True)
class Decoding:
    """A part of a container or a store, decoded when it is read.

    `read` takes slices of the part; `report` is that of `inspect` or of the store; `metadata` is what is known of
    the original; `chunks` are lengths that are best read together.
    """

    name: str
    read: Callable[[tuple[slice, ...]], Any]
    dtype: np.dtype[Any]
    report: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    chunks: Mapping[str, int] = field(default_factory=dict)


def write_decoded(decoding: Decoding, args: Namespace) -> None:
    """Write a decoded image, or a part of it, and say what was written."""
    path, source = Path(args.output), _source(decoding, args)
    write_image(
        source,
        path,
        template=args.template,
        overwrite=args.overwrite,
        chunks=decoding.chunks,
        track=lambda blocks: progress(blocks, "pieces"),
    )
    size = sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path]))
    written = {"path": str(path), "shape": source.shape, "dtype": source.dtype.name, "axes": source.axes, "bytes": size}
    show(args, f"{path}: {shape_text(source.shape)} {source.dtype}, {size_text(size)}", written)


def _source(decoding: Decoding, args: Namespace) -> Source:
    """Describe the part that was asked for as a source."""
    report = decoding.report
    layout = PlaneLayout.of(tuple(report["shape"]), report["axes"])
    depth = (report.get("plan") or report.get("config") or {}).get("cell_depth", 8)
    bounds = checked_region(args.region, layout.scaled(args.scale, depth).shape)
    steps = [args.scale if letter in shrinking_axes(depth) else 1 for letter in layout.axes]
    known = {"spacing": None, "slope": 1.0, "intercept": 0.0} | dict(decoding.metadata)
    starts = [part.start for part in bounds]
    shape = tuple(part.stop - part.start for part in bounds)
    metadata = region_metadata(known | {"kind": "mmip"}, layout.axes, layout.shape, starts, steps, shape)
    metadata["coding"] = _coding(report, args.stages, args.scale)
    colour = bool(report["colour"]) if "c" in layout.axes else None
    return Source(shape, decoding.dtype, layout.axes, metadata, decoding.name, "", decoding.read, colour)


def _coding(report: Mapping[str, Any], stages: int | None, scale: int) -> dict[str, Any]:
    """Tell what coding did to the samples: whether it lost anything, its ratio, and a line of text."""
    loss, parts = report["loss"], report["stages"]
    read = min(stages or len(parts), len(parts))
    is_exact = loss["lossless"] and read == len(parts) and scale == 1
    target = loss["mode"] if loss["mode"] in ("lossless", "labels") else f"{loss['mode']} {loss['requested']:g}"
    text = f"mmip_gpu {mmip_gpu.__version__}: {target}, stage {read} of {len(parts)}"
    text += "" if scale == 1 else f", scale 1/{scale}"
    if is_exact:
        text += ", no loss"
    elif read == len(parts) and scale == 1 and loss["psnr"] is not None:
        text += f", PSNR {loss['psnr']:.2f} dB"
    raw_bytes, coded = int(report["raw_bytes"]), int(parts[read - 1]["bytes_to_here"])
    return {"lossy": not is_exact, "ratio": raw_bytes / max(coded, 1), "text": text}
