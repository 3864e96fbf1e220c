"""Options of commands on what is there: fetch, upgrade, export, serve, verify, repair, info, migrate, doctor.

Values: an ArgumentParser of a command in; its arguments added. Imports no command.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from mmip_gpu.cli.values import architecture, byte_count, chunk_shape, place

__all__ = [
    "add_cluster",
    "add_doctor",
    "add_export",
    "add_fetch",
    "add_info",
    "add_migrate",
    "add_repair",
    "add_serve",
    "add_source_limit",
    "add_threads",
    "add_upgrade",
    "add_verify",
]

_STORE = "a store of mmip compress: a folder, a .zip or a URL"


def add_fetch(parser: ArgumentParser) -> None:
    """Add the arguments of ``mmip fetch``."""
    parser.add_argument("source", metavar="SOURCE", help=_STORE)
    parser.add_argument("target", type=place, metavar="TARGET", help="nothing, or a copy of the same store")
    parser.add_argument("--stages", type=int, default=1, metavar="K", help="how many stages (default 1)")


def add_upgrade(parser: ArgumentParser) -> None:
    """Add the arguments of ``mmip upgrade``."""
    parser.add_argument("target", metavar="COPY", help="what mmip fetch made")
    parser.add_argument("--stages", type=int, metavar="K", help="how many stages it shall hold (default all)")
    parser.add_argument("--source", metavar="SOURCE", help="where from (default: where it was fetched from)")


def add_export(parser: ArgumentParser) -> None:
    """Add the arguments of ``mmip export``."""
    parser.add_argument("store", metavar="STORE.zarr", help=_STORE)
    parser.add_argument("target", type=place, metavar="OUT.ome.zarr")
    _add_levels(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace another export")


def add_serve(parser: ArgumentParser) -> None:
    """Add the arguments of ``mmip serve``."""
    parser.add_argument("store", metavar="STORE.zarr", help=_STORE)
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="default 8000; 0 for any that is free")
    parser.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1; anyone who reaches it can read")
    _add_levels(parser)
    parser.add_argument(
        "--cache", dest="cache_bytes", type=byte_count, default=2**28, metavar="256M", help="memory for chunks"
    )
    parser.add_argument("--allow-origin", default="*", metavar="ORIGIN", help="web pages that may read (default all)")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="another name of this host, as of a proxy"
    )


def add_verify(parser: ArgumentParser) -> None:
    """Add the arguments of ``mmip verify``."""
    parser.add_argument("store", metavar="STORE", help="a store, or an .mmip file")
    add_threads(parser)
    add_cluster(parser)


def add_repair(parser: ArgumentParser, inputs: str) -> None:
    """Add the arguments of ``mmip repair``; `inputs` says what a source may be."""
    parser.add_argument("store", metavar="STORE.zarr")
    parser.add_argument("--source", metavar="INPUT", required=True, help="what it was written from: " + inputs)
    parser.add_argument("--roi", metavar="MASK", help="the mask it was written with; a rule is in the store")
    add_source_limit(parser)
    add_threads(parser)
    add_cluster(parser)


def add_info(parser: ArgumentParser) -> None:
    """Add the arguments of ``mmip info``."""
    parser.add_argument("input", metavar="FILE.mmip|STORE.zarr")
    text = "decode (of a store the middle chunk) and estimate the PSNR of the stages before the last"
    parser.add_argument("--loss", action="store_true", help=text)


def add_doctor(parser: ArgumentParser) -> None:
    """Add the arguments of ``mmip doctor``."""
    text = "compile all kernels for the device now, about two minutes once, in place of when they are first used"
    parser.add_argument("--compile", action="store_true", help=text)
    text = "the same for devices such as 90 (an H100), also where there is none"
    parser.add_argument("--architecture", type=architecture, metavar="N", help=text)


def add_migrate(parser: ArgumentParser) -> None:
    """Add the arguments of ``mmip migrate``."""
    parser.add_argument("path", metavar="OLD.zarr", help="an array or a group of Zarr v2; no chunk is touched")
    parser.add_argument("--remove-old", action="store_true", help="delete the metadata of Zarr v2 afterwards")


def add_cluster(parser: Any) -> None:
    """Add where tasks run: on a Dask cluster instead of threads."""
    group = parser.add_argument_group("cluster, one of").add_mutually_exclusive_group()
    group.add_argument("--workers", dest="client", type=int, metavar="N", help="worker processes on this machine")
    group.add_argument("--scheduler", dest="client", metavar="ADDRESS", help="of a running Dask cluster, tcp://..")


def add_threads(parser: Any) -> None:
    """Add how many threads work."""
    parser.add_argument("--threads", type=int, metavar="N", help="default: all cores")


def add_source_limit(parser: ArgumentParser) -> None:
    """Add how large a source may be."""
    text = "refuse inputs whose headers state more bytes of samples, before they are read"
    parser.add_argument("--max-bytes", type=byte_count, metavar="8G", help=text)


def _add_levels(parser: ArgumentParser) -> None:
    parser.add_argument("--stages", type=int, metavar="K", help="decode only the first K stages")
    parser.add_argument("--chunks", type=chunk_shape, metavar="64,256,256", help="samples per chunk and axis")
    add_threads(parser)
