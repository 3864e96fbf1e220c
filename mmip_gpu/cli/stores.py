"""The commands on Zarr stores: compress, append and extract.

Values: parsed options in; a store, a file and printed tables out.
Guarantees memory for a piece of the volume.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import mmip_gpu
from mmip_gpu.cli.failures import VerificationError
from mmip_gpu.cli.outputs import Decoding, write_decoded
from mmip_gpu.cli.results import is_told, show
from mmip_gpu.cli.tables import rate_text
from mmip_gpu.cli.values import coding_options, input_name, stated_options
from mmip_gpu.errors import StoreError
from mmip_gpu.quality.decoded import Decoded
from mmip_gpu.quality.stage_errors import evaluate_stages
from mmip_gpu.reports import summary
from mmip_gpu.sinks import sink_of
from mmip_gpu.sources import Source
from mmip_gpu.sources.masks import roi_of_text
from mmip_gpu.volume.region import checked_region

__all__ = ["append", "compress", "extract"]

_PSNR_SLACK = 1e-6  # dB: the sums are added in another order


def compress(args: Namespace) -> None:
    """Compress a volume into a store."""
    from mmip_gpu.store.write.store_source import any_source

    roi, path = roi_of_text(args.roi), args.store
    source = any_source(input_name(args), **stated_options(args), voxel_size=args.voxel_size, units=args.units)
    report = mmip_gpu.write_zarr(
        source,
        path,
        roi=roi,
        axes=args.axes or None,
        colour=False if args.no_colour else None,
        chunks=args.chunks,
        overwrite=args.overwrite,
        threads=args.threads,
        client=args.client,
        device=args.device,
        durable=args.durable,
        **coding_options(args),
    )
    show(args, f"{source.name} -> {path}\n{summary(report)}\n{rate_text(report)}", report)
    if args.check:
        _check(source, path, report, args.threads)
        if is_told(args):
            print("checked: the store decodes to what its record says")


def append(args: Namespace) -> None:
    """Append a volume to a store."""
    report = mmip_gpu.append_zarr(args.input, args.store, axis=args.axis, threads=args.threads)
    show(args, f"{args.input} -> {args.store}\n{summary(report)}\n{rate_text(report)}", report)


def extract(args: Namespace) -> None:
    """Decompress a store, or a part of it, to a file or a DICOM folder, block by block."""
    store = args.input
    sink_of(args.output)
    volume = mmip_gpu.open_zarr(store, stages=args.stages, scale=args.scale, threads=args.threads)
    if not volume.report["complete"]:
        raise StoreError(f"{store} is not complete: run its mmip compress again")
    chunks = dict(zip(volume.axes, volume.chunks, strict=True))
    bounds = checked_region(args.region, tuple(volume.shape))

    def read(part: tuple[slice, ...]) -> Any:
        whole = (slice(b.start + p.start, b.start + p.stop) for p, b in zip(part, bounds, strict=True))
        return volume[tuple(whole)]

    write_decoded(Decoding(Path(store).name, read, volume.dtype, volume.report, volume.metadata, chunks), args)


def _check(source: Source, path: str, report: dict[str, Any], threads: int | None) -> None:
    """Read a store back; raise unless its error is at most the recorded one."""
    recorded = report["loss"]
    volume = mmip_gpu.open_zarr(path, threads=threads)
    whole = Decoded(Path(path).name, report["axes"], [None], lambda _: volume, chunk_rows=int(volume.chunks[0]))
    (found,) = evaluate_stages(source, whole, structural=False)["stages"]
    is_exact = found["max_error"] in (0, None)
    if recorded["lossless"] and not is_exact:
        raise VerificationError(f"{path}: recorded as lossless, found a largest error of {found['max_error']:g}")
    if recorded["max_error"] is not None and not is_exact and found["max_error"] > recorded["max_error"]:
        expected = f"a largest error of {recorded['max_error']:g}"
        raise VerificationError(f"{path}: recorded {expected}, found {found['max_error']:g}")
    if recorded["verified"] and recorded["psnr"] is not None and found["psnr_range"] < recorded["psnr"] - _PSNR_SLACK:
        raise VerificationError(f"{path}: recorded {recorded['psnr']:.3f} dB, found {found['psnr_range']:.3f} dB")
