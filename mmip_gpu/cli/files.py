"""The commands on files: phantom, encode, decode, info.

Values: parsed options in; files and printed tables out. Calls the public functions and knows no coding.
"""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

import mmip_gpu
from mmip_gpu.cli.outputs import Decoding, write_decoded
from mmip_gpu.cli.results import show
from mmip_gpu.cli.values import checked_suffix, coding_options, input_name, stated_options
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.quality.plane_blocks import progress
from mmip_gpu.reports import Report, shape_text, size_text, summary
from mmip_gpu.sinks import replacing, sink_of, write_image
from mmip_gpu.sources import open_source
from mmip_gpu.sources.masks import placed_roi, roi_of_text

__all__ = ["decode", "encode", "info", "phantom", "read_container"]


def phantom(args: Namespace) -> None:
    """Make a phantom; a volume slice by slice, in memory for one slice."""
    path = checked_suffix(args.output, ".npy")
    if args.volume is None:
        source = open_source(mmip_gpu.phantom2d(args.size))
    else:
        source = open_source(mmip_gpu.Phantom3D(args.volume))
    write_image(source, path, overwrite=args.overwrite, track=lambda blocks: progress(blocks, "pieces"))
    size = path.stat().st_size
    written = {"path": str(path), "shape": source.shape, "dtype": "uint16", "bytes": size}
    show(args, f"{path}: {shape_text(source.shape)} uint16, {size_text(size)}", written)


def encode(args: Namespace) -> None:
    """Compress an image into one file."""
    path = checked_suffix(args.output, ".mmip")
    roi, source = roi_of_text(args.roi), open_source(input_name(args), **stated_options(args))
    axes = args.axes or source.axes or None
    if path.exists() and not args.overwrite:
        raise StoreError(f"{path} exists: pass overwrite=True, or write to another name")
    colour = False if args.no_colour else source.colour if "c" in (axes or "") else None
    options = coding_options(args)
    classes = placed_roi(roi, source)
    blob = mmip_gpu.encode(source.read(), roi=classes, axes=axes, colour=colour, threads=args.threads, **options)
    with replacing(path, overwrite=args.overwrite) as partial:
        partial.write_bytes(blob)
    report = mmip_gpu.inspect(blob)
    show(args, f"{source.name} -> {path}\n{summary(report)}", report)


def decode(args: Namespace) -> None:
    """Decompress a file, or a part of it, to a file of another format or a DICOM folder."""
    sink_of(args.output)
    path = Path(args.input)
    blob = read_container(path)
    part = {"stages": args.stages, "scale": args.scale, "region": args.region, "max_bytes": args.max_bytes}
    image = mmip_gpu.decode(blob, threads=args.threads, **part)
    write_decoded(Decoding(path.name, image.__getitem__, image.dtype, mmip_gpu.inspect(blob)), args)


def info(args: Namespace) -> None:
    """Show what a container or a store holds."""
    path = Path(args.input)
    if path.is_dir() or path.suffix == ".zip" or "://" in args.input:
        volume = mmip_gpu.open_zarr(args.input)
        report = Report(volume.report | {"metadata": volume.metadata})

        def read(stages: int) -> Any:
            middle = next(islice(volume.grid.coordinates(), volume.grid.chunk_count // 2, None))
            return volume.at(stages=stages)[volume.grid.region(middle)]
    else:
        blob = read_container(path)
        report = mmip_gpu.inspect(blob)

        def read(stages: int) -> Any:
            return mmip_gpu.decode(blob, stages=stages)

    count = len(report["stages"] or ())
    if args.loss and report["loss"] is not None and report["raw_bytes"] and report.get("stages_held", count) == count:
        _estimate_stages(report, read)
    show(args, f"{args.input}\n{summary(report)}", report)


def _estimate_stages(report: Report, read: Callable[[int], Any]) -> None:
    """Give each stage before the last a PSNR: its difference from the last one, and the error that was recorded."""
    loss, stages = report["loss"], report["stages"]
    peak = float(loss["maximum"]) - float(loss["minimum"])
    error = 0.0 if loss["lossless"] or loss["psnr"] is None else peak**2 / 10 ** (loss["psnr"] / 10)
    last = np.asarray(read(len(stages)), np.float64)
    for number, stage in enumerate(stages[:-1], start=1):
        squares = float(np.mean((read(number) - last) ** 2)) + error
        stage["psnr"] = 10 * math.log10(peak**2 / squares) if squares and peak else None


def read_container(path: Path) -> bytes:
    """Return the bytes of an .mmip file."""
    if path.is_dir():
        raise InvalidArgument(f"{path} is a folder; expected an .mmip file (a store is read by mmip extract)")
    if not path.exists():
        raise StoreError(f"{path} does not exist")
    return path.read_bytes()
