"""The command line called from tests: a command that must succeed, and its reports."""

from __future__ import annotations

import json
from pathlib import Path

from mmip_gpu.cli import main

BONE = "threshold:9000"
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def run(*arguments):
    """Run a command that must succeed."""
    assert main([str(argument) for argument in arguments]) == 0


def load_json(path):
    def refuse(text):
        raise AssertionError(f"{text} is not JSON")

    return json.loads(Path(path).read_text(), parse_constant=refuse)
