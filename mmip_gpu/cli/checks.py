"""The commands that check stores and containers: verify and repair.

Values: parsed options in; printed findings out. Guarantees exit code 1 where a store or container is not whole in the
end.
"""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from mmip_gpu import decode
from mmip_gpu.cli.failures import VerificationError
from mmip_gpu.cli.files import read_container
from mmip_gpu.cli.results import is_told
from mmip_gpu.errors import CorruptData, TruncatedData
from mmip_gpu.sources.masks import open_mask

__all__ = ["repair", "verify"]

_MOST_LINES = 20


def verify(args: Namespace) -> None:
    """Say which chunks of a store are missing or damaged, or whether a container is whole."""
    from mmip_gpu import verify_zarr

    if Path(args.store).suffix == ".mmip":
        _verify_container(args)
        return
    _print_report(args, verify_zarr(args.store, threads=args.threads, client=args.client))


def _verify_container(args: Namespace) -> None:
    """Decode a container, which checks its crcs; raise unless it is whole."""
    try:
        decode(read_container(Path(args.store)), threads=args.threads)
    except (CorruptData, TruncatedData) as error:
        problem = str(error)
    else:
        problem = ""
    if args.json:
        print(json.dumps({"ok": not problem, "problem": problem}, indent=2))
    if problem:
        raise VerificationError(f"{args.store}: {problem}")
    if is_told(args):
        print(f"{args.store}: whole")


def repair(args: Namespace) -> None:
    """Code again what is missing or damaged in a store."""
    from mmip_gpu import repair_zarr

    mask = None if args.roi is None else open_mask(args.roi)
    found = repair_zarr(args.store, args.source, roi=mask, threads=args.threads, client=args.client)
    if is_told(args):
        for at in found["repaired"][:_MOST_LINES]:
            print(f"repaired: chunk {tuple(at)}")
        print(f"{len(found['repaired'])} chunks repaired")
    _print_report(args, found)


def _print_report(args: Namespace, found: dict[str, Any]) -> None:
    """Print what was found; raise unless the store is whole."""
    if args.json:
        print(json.dumps(found, indent=2))
    elif not args.quiet:
        for chunk in found["chunks"][:_MOST_LINES]:
            region = ", ".join(f"{start}:{stop}" for start, stop in chunk["region"])
            print(f"{chunk['state']}: chunk {tuple(chunk['chunk'])}, samples [{region}]: {chunk['problem']}")
        if len(found["chunks"]) > _MOST_LINES:
            print(f".. and {len(found['chunks']) - _MOST_LINES} more; --json names all")
        for problem in found["arrays"] + found["report"]:
            print(problem)
    if found["ok"]:
        if is_told(args):
            print(f"{args.store}: {found['chunk_count']} chunks, all whole")
        return
    if found["arrays"]:
        raise VerificationError(f"{args.store}: arrays are missing or damaged: mmip repair makes them anew")
    if found["report"]:
        raise VerificationError(
            f"{args.store}: its report differs from its records: mmip repair compares both with the source"
        )
    if found["chunks"]:
        broken = f"{len(found['chunks'])} of {found['chunk_count']} chunks are missing or damaged"
        advice = "" if found["complete"] else ", and its job did not end: run mmip compress again"
        raise VerificationError(f"{args.store}: {broken}{advice}")
    raise VerificationError(f"{args.store}: all chunks are whole, but its job did not end: run mmip compress again")
