"""The commands that carry stores to other places and to viewers: fetch, upgrade, export, serve.

Values: parsed options in; copies, OME-Zarr pyramids and a running server out, and one line each on stdout.
"""

from __future__ import annotations

import signal
from argparse import Namespace
from typing import Any

import mmip_gpu
from mmip_gpu.cli.results import is_told, show
from mmip_gpu.reports import shape_text, size_text

__all__ = ["export", "fetch", "migrate", "serve", "upgrade"]


def fetch(args: Namespace) -> None:
    """Copy the first stages of a store."""
    _show_copy(args, mmip_gpu.fetch_zarr(args.source, args.target, stages=args.stages))


def upgrade(args: Namespace) -> None:
    """Fetch the stages that a copy lacks."""
    _show_copy(args, mmip_gpu.upgrade_zarr(args.target, stages=args.stages, source=args.source))


def export(args: Namespace) -> None:
    """Write a store as an OME-Zarr pyramid."""
    found = mmip_gpu.export_ome_zarr(
        args.store,
        args.target,
        stages=args.stages,
        chunks=args.chunks,
        overwrite=args.overwrite,
        threads=args.threads,
    )
    levels = ", ".join(shape_text(shape) for shape in found["levels"])
    show(args, f"{args.target}: {levels}; {found['written']} of {found['chunk_count']} chunks written", found)


def migrate(args: Namespace) -> None:
    """Give arrays of Zarr v2 the metadata of Zarr v3."""
    names = mmip_gpu.migrate_zarr(args.path, remove_old=args.remove_old)
    show(args, f"{args.path}: {len(names)} arrays are of Zarr v3 now", {"arrays": names})


def serve(args: Namespace) -> None:
    """Serve a store until the process is told to stop."""
    server = mmip_gpu.serve_zarr(
        args.store,
        host=args.host,
        port=args.port,
        stages=args.stages,
        chunks=args.chunks,
        cache_bytes=args.cache_bytes,
        threads=args.threads,
        allow_origin=args.allow_origin,
        allow_host=args.allow_host,
    )
    before = signal.signal(signal.SIGTERM, _interrupted)
    try:
        show(args, f"{server.url} (stop with Ctrl-C)", {"url": server.url})
        server.wait()
    except KeyboardInterrupt:
        if is_told(args):
            print("stopped")
    finally:
        signal.signal(signal.SIGTERM, before)
        server.close()


def _show_copy(args: Namespace, found: dict[str, Any]) -> None:
    held = f"{found['stages']} of {found['stage_count']} stages"
    show(args, f"{args.target}: {held}, {size_text(found['bytes_read'])} read", found)


def _interrupted(*_: Any) -> None:
    raise KeyboardInterrupt
