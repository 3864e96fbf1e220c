"""Codecs of numcodecs that raise, crash, sleep or change samples, as a user's own may: found by an entry point.

`install` writes the entry points into a folder, which has to be in sys.path of whatever shall find them.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numcodecs
import numpy as np
from numcodecs.abc import Codec


class _Plain(Codec):
    """Stores samples as they are."""

    def encode(self, buf):
        return np.ascontiguousarray(buf).tobytes()

    def decode(self, buf, out=None):
        found = np.frombuffer(buf, np.uint8)
        if out is None:
            return found
        out.view(np.uint8).reshape(-1)[:] = found
        return out

    def get_config(self):
        return {"id": self.codec_id}

    @classmethod
    def from_config(cls, config):
        return cls()


class Plain(_Plain):
    codec_id = "bad_plain"


class Raises(_Plain):
    codec_id = "bad_raises"

    def encode(self, buf):
        raise ValueError("no such bits")


class Crashes(_Plain):
    codec_id = "bad_crashes"

    def encode(self, buf):
        os.write(2, b"double free or corruption\n")
        os.kill(os.getpid(), signal.SIGSEGV)


class Leaves(_Plain):
    codec_id = "bad_leaves"

    def encode(self, buf):
        os._exit(3)


class Sleeps(_Plain):
    codec_id = "bad_sleeps"

    def encode(self, buf):
        time.sleep(100)


class Changes(_Plain):
    codec_id = "bad_changes"

    def encode(self, buf):
        return np.ascontiguousarray(buf ^ 1).tobytes()


class Shortens(_Plain):
    codec_id = "bad_shortens"

    def decode(self, buf, out=None):
        return np.frombuffer(buf, np.uint8)[:-2]


CODECS = (Plain, Raises, Crashes, Leaves, Sleeps, Changes, Shortens)


def install(folder: Path) -> None:
    """Write the entry points, and register the codecs of this process."""
    place = folder / "bad_codecs-1.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-codecs\nVersion: 1\n")
    lines = [f"{codec.codec_id} = {__name__}:{codec.__name__}" for codec in CODECS]
    (place / "entry_points.txt").write_text("\n".join(["[numcodecs.codecs]", *lines]) + "\n")
    for codec in CODECS:
        numcodecs.register_codec(codec)


def text_of(codec: type[_Plain]) -> str:
    """How a command line names one of them, as a codec without loss."""
    asked = {"codecs": [{"id": codec.codec_id}], "lossless": True, "label": codec.codec_id}
    return f"numcodecs:{json.dumps(asked)}"
