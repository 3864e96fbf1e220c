"""Commands on every kind of container and store: verify, the demo, and what they say of options."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.single_stores import jpeg_image, objects
from helpers.stores import textured

import mmip_gpu as mmip
from mmip_gpu import soft
from mmip_gpu.cli import main

IMAGE = textured((40, 64))
CONTAINERS = {
    "raw": lambda: mmip.encode(np.random.default_rng(0).integers(0, 255, (5, 5)).astype("u1"), lossless=True),
    "transform": lambda: mmip.encode(IMAGE, quality=10),
    "predictive": lambda: mmip.encode(IMAGE, lossless=True),
    "mixed": lambda: mmip.encode(IMAGE, lossless="small"),
    "soft": lambda: soft.encode(IMAGE, soft.train_codebook([IMAGE]), embed=True),
    "jpeg origin": lambda: mmip.encode(jpeg_image((64, 96)), lossless="small"),
    "labels": lambda: mmip.encode(objects((20, 40, 50)), labels=True),
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_containers(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blob, path = CONTAINERS[kind](), tmp_path / "a.mmip"
    assert mmip.inspect(blob)["kind"] == kind
    path.write_bytes(blob)
    assert main(["verify", str(path)]) == 0
    assert "a.mmip: whole" in capsys.readouterr().out
    assert main(["info", str(path)]) == 0
    capsys.readouterr()
    for damaged in (blob[:-1], blob[:20], blob[:-2] + bytes([blob[-2] ^ 8]) + blob[-1:]):
        path.write_bytes(damaged)
        assert main(["verify", str(path), "--json"]) == 1
        out, err = capsys.readouterr()
        found = json.loads(out)
        assert not found["ok"]
        assert found["problem"] in err
    assert main(["verify", str(tmp_path / "b.mmip")]) == 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            ["--lossless=small", "--stages", "3"],
            "--lossless=small: gives one payload (--lossless has parts); it excludes",
        ),
        (
            ["--labels", "--roi", "threshold:9000"],
            "--labels: keeps all samples exactly, in one piece; it excludes --roi",
        ),
    ],
)
def test_flags_are_said_as_they_are_given(
    asked: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["encode", "phantom", "-o", str(tmp_path / "a.mmip")], ["demo", "--out", str(tmp_path / "demo")]):
        assert main([*command, *asked]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("asked", ["--labels", "--lossless=small"])
def test_the_demo_of_what_has_no_region(asked: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "phantom3d:16x32x32", asked, "--out", str(tmp_path / "demo")]) == 0
    assert "volume.zarr" in capsys.readouterr().out
