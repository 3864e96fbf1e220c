"""What a command tells: a text for people, or JSON for programs.

Values: parsed options, a text and a report in; lines on stdout, or a JSON file, out.
"""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from mmip_gpu.quality.metrics import json_ready
from mmip_gpu.sinks import replacing

__all__ = ["is_told", "show", "write_json"]

STDOUT = "-"


def is_told(args: Namespace) -> bool:
    """Whether lines for people are printed: neither --quiet, nor JSON in their place."""
    return not args.quiet and args.json not in (True, STDOUT)


def show(args: Namespace, text: str, report: Any) -> None:
    """Print the text, unless --quiet; the report as JSON where --json says."""
    if is_told(args):
        print(text, flush=True)  # of a server, too, which does not end
    if args.json in (True, STDOUT):
        print(json.dumps(json_ready(report), indent=2), flush=True)
    elif args.json:
        write_json(args.json, report)


def write_json(path: str, report: Any) -> None:
    """Write a report; numbers that are not finite become null."""
    with replacing(Path(path)) as partial:
        partial.write_text(json.dumps(json_ready(report), indent=2) + "\n", encoding="utf-8")
