"""The commands on files: phantom, encode, decode, info.

Values: parsed options in; files and printed tables out. Calls the public functions and knows no coding.
"""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import mmip_gpu
from mmip_gpu.cli.pieces import progress, replacing, write_npy
from mmip_gpu.cli.tables import shape_text, size_text, stage_table
from mmip_gpu.cli.values import checked_suffix, coding_options, load_roi
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.metrics import json_ready
from mmip_gpu.sources import open_source

__all__ = ["decode", "encode", "info", "phantom", "read_container", "write_json"]


def phantom(args: Namespace) -> None:
    """Make a phantom; a volume slice by slice, in memory for one slice."""
    path = checked_suffix(args.output, ".npy")
    if args.volume is None:
        image = mmip_gpu.phantom2d(args.size)
        write_npy(path, image.shape, image.dtype, [image])
        shape = image.shape
    else:
        volume = mmip_gpu.Phantom3D(args.volume)
        shape = volume.shape
        write_npy(path, shape, volume.dtype, (volume[z] for z in progress(range(shape[0]), "slices")))
    print(f"{path}: {shape_text(shape)} uint16, {size_text(path.stat().st_size)}")


def encode(args: Namespace) -> None:
    """Compress an image into one file."""
    path = checked_suffix(args.output, ".mmip")
    roi, source = load_roi(args.roi), open_source(args.input)
    axes = args.axes or source.axes
    blob = mmip_gpu.encode(source.read(), roi=roi, axes=axes, threads=args.threads, **coding_options(args))
    with replacing(path) as partial:
        partial.write_bytes(blob)
    print(f"{source.name} -> {path}")
    print(summary(mmip_gpu.inspect(blob)))


def decode(args: Namespace) -> None:
    """Decompress a file, or a part of it, to .npy."""
    path = checked_suffix(args.output, ".npy")
    blob = read_container(Path(args.input))
    image = mmip_gpu.decode(blob, stages=args.stages, scale=args.scale, region=args.region, threads=args.threads)
    write_npy(path, image.shape, image.dtype, [image])
    print(f"{path}: {shape_text(image.shape)} {image.dtype}, {size_text(path.stat().st_size)}")


def info(args: Namespace) -> None:
    """Show what a container or a store holds."""
    path = Path(args.input)
    report = mmip_gpu.open_zarr(path).report if path.is_dir() else mmip_gpu.inspect(read_container(path))
    if args.json:
        print(json.dumps(json_ready(report), indent=2))
    else:
        print(path)
        print(summary(report))


def summary(report: dict[str, Any]) -> str:
    """Return what a report says, as lines of text and the table of stages."""
    image = f"{shape_text(report['shape'])} {report['dtype']}, axes {report['axes']}"
    loss = report["loss"]
    if loss is None:
        return f"{image}\nnot complete: run its mmip compress again"
    target = loss["mode"] if loss["mode"] == "lossless" else f"{loss['mode']} {loss['requested']:g}"
    if loss["lossless"]:
        reached = "lossless"
    else:
        psnr, error = loss["psnr"], loss["max_error"]
        reached = "PSNR undefined" if psnr is None else f"PSNR {psnr:.2f} dB (range of the data)"
        reached += "" if error is None else f", largest error {error:g}"
    padding = report.get("plan", report.get("config", {})).get("padding")  # of a store, or of a container
    if padding is not None:
        image += f", padding {padding}"
    lines = [
        f"{image}, target {target}",
        f"reached: {reached} ({'measured' if loss['verified'] else 'estimated'})",
        stage_table(report),
    ]
    return "\n".join(lines)


def read_container(path: Path) -> bytes:
    """Return the bytes of an .mmip file."""
    if path.is_dir():
        raise InvalidArgument(f"{path} is a folder; expected an .mmip file (a store is read by mmip extract)")
    if not path.exists():
        raise StoreError(f"{path} does not exist")
    return path.read_bytes()


def write_json(path: str, report: Any) -> None:
    """Write a report; numbers that are not finite become null."""
    with replacing(Path(path)) as partial:
        partial.write_text(json.dumps(json_ready(report), indent=2) + "\n", encoding="utf-8")
