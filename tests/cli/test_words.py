"""The command line: its errors speak of its options, and what it prints is for people or for programs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import zarr
from helpers.commands import load_json, run

import mmip_gpu
from mmip_gpu.cli import main
from mmip_gpu.cli.failures import in_flags


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with an array of each kind, a container and a store."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.save("float.npy", rng.normal(0, 4, (32, 32)).astype(np.float32))
    np.save("six.npy", np.zeros((2,) * 6, np.uint8))
    np.save("rgb.npy", rng.integers(0, 255, (40, 40, 3)).astype(np.uint8))
    run("encode", "phantom", "-o", "a.mmip", "--quality", 10, "--quiet")
    run("compress", "phantom3d:16x64x64", "a.zarr", "--quality", 10, "--quiet")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("encode phantom -o b.mmip --qualty 10", "unknown option --qualty; did you mean --quality?"),
        ("encode phantom -o b.mmip --quality 9 --cell_depth 8", "did you mean --cell-depth?"),
        ("compress phantom b.zarr --psnr 50 --chunk 3", "unknown option --chunk; did you mean --chunks?"),
        ("verify a.zarr --jsn", "did you mean --json?"),
        ("plot rate a.json --out b.png", "did you mean --output?"),
        ("serve a.zarr --frobnicate 3", "unknown option --frobnicate; see mmip serve --help"),
        ("encode phantom -o b.mmip --quality 9 --stages 9", "--stages 9: expected 2 to 5 (stage 1 is the 1/8 image)"),
        ("encode float.npy -o b.mmip --quality 9 --series x", "FILE.tif:series=1,level=2"),
        ("encod phantom", "unknown command encod; did you mean encode?"),
        ("plot progresive", "unknown command progresive; did you mean progressive?"),
        (
            "encode float.npy -o b.mmip --quality 10",
            "pass --step, what samples are rounded to multiples of (--step 0.5 ",
        ),
        ("compress float.npy b.zarr --quality 10", "(--step 0.5 is about a quarter of the noise of these)"),
        ("encode six.npy -o b.mmip --quality 10", "6 axes have no default: pass --axes, such as --axes tnczyx"),
        ("compress six.npy b.zarr --quality 10", "pass --axes, such as --axes tnczyx"),
        ("encode phantom -o b.mmip --quality 10 --step 0.5", "--step 0.5: is for float32 samples"),
        ("encode rgb.npy -o b.mmip --quality 9 --axes yxc --padding 3", "pass --no-colour or --padding none"),
        ("encode phantom -o a.mmip --quality 10", "a.mmip exists: pass --overwrite"),
        ("phantom -o float.npy", "float.npy exists: pass --overwrite"),
        ("decode a.mmip -o b.npy --region 0:600,0:9", "found 0:600"),
        ("decode a.mmip -o b.npy --stages 9", "--stages 9: expected at most 3"),
        ("compress phantom3d:16x64x64 a.zarr --quality 12", "pass --overwrite or another path"),
        ("compress phantom3d:16x64x64 b.zarr --quality 12 --chunks 3,4", "--chunks 3,4: expected one positive integer"),
        ("encode phantom -o - --quality 10", "is not streamed"),
        ("compress phantom - --quality 10", "is not streamed"),
        ("export a.zarr -", "is not streamed"),
        ("fetch a.zarr no/b.zarr", "mkdir -p"),
        ("encode phantom -o no/b.mmip --quality 10", "mkdir -p"),
        ("compress phantom no/b.zarr --quality 10", "mkdir -p"),
        ("export a.zarr no/b.ome.zarr", "mkdir -p"),
        ("evaluate phantom a.mmip --json no/b.json", "mkdir -p"),
    ],
)
def test_errors_speak_of_options(arguments, said, here, capsys):
    before = sorted(here.iterdir())
    assert main(arguments.split()) == 2
    message = capsys.readouterr().err
    assert said in message
    assert not re.search(r"(?<![a-z:,])[a-z_]+=|slice\(|None|dtype\(|write_zarr", message), message
    assert sorted(here.iterdir()) == before


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("step=, what", "--step, what"),
        ("chunks=(64, 256, 256): expected", "--chunks 64,256,256: expected"),
        ("axes='zyx' names", "--axes zyx names"),
        ("region: found slice(None, 4, None)", "region: found :4"),
        ("a store of write_zarr", "a store of mmip compress"),
        ("FILE.tif:axes=1,step=2", "FILE.tif:axes=1,step=2"),
        ("expected 2 to 5, or cuts=", "expected 2 to 5"),
    ],
)
def test_words_of_the_library(message, said):
    flags = {"step": "--step", "chunks": "--chunks", "axes": "--axes", "region": "--region"}
    assert in_flags(message, flags) == said


QUIET = [
    "phantom --size 32 -o b.npy",
    "encode phantom -o b.mmip --quality 10",
    "decode a.mmip -o b.npy",
    "compress phantom3d:16x64x64 b.zarr --quality 10 --check",
    "extract a.zarr -o b.npy",
    "fetch a.zarr b.zarr",
    "export a.zarr b.ome.zarr",
    "verify a.zarr",
    "info a.zarr",
    "info a.mmip",
    "evaluate phantom a.mmip",
    "upgrade a.zarr",
]


@pytest.mark.parametrize("arguments", QUIET)
def test_quiet_and_json(arguments, here, capsys):
    run(*arguments.split(), "--quiet")
    assert capsys.readouterr() == ("", "")
    for place in (here / "b.zarr", here / "b.ome.zarr"):
        shutil.rmtree(place, ignore_errors=True)
    again = ["--overwrite"] if re.match("phantom|encode|decode|extract", arguments) else []
    prints = ["--json", "-"] if re.match("compress|evaluate", arguments) else ["--json"]
    run(*arguments.split(), *again, *prints)
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    assert found


@pytest.mark.parametrize(
    ("command", "chunks"),
    [("compress phantom3d:80x80x80 b.zarr --quality 9", (64, 64, 64)), ("export a.zarr b.zarr", None)],
)
def test_one_size_of_chunks(command, chunks, here):
    run(*command.split(), "--chunks", "64" if chunks else "16")
    if chunks:
        assert mmip_gpu.open_zarr("b.zarr").chunks == chunks
    else:
        assert zarr.open_array("b.zarr/0", mode="r").chunks == (16, 16, 16)


def test_report_file_and_rate(here, capsys):
    run("compress", "phantom3d:16x64x64", "b.zarr", "--quality", 10, "--json", "b.json")
    assert re.search(r"131\.1 kB in \d+\.\d s, \d+\.\d MB/s", capsys.readouterr().out)
    assert load_json("b.json")["complete"]


def test_overwrite_replaces(here):
    before = Path("a.mmip").read_bytes()
    run("encode", "phantom", "-o", "a.mmip", "--quality", 3, "--overwrite")
    assert Path("a.mmip").read_bytes() != before


def test_info_of_a_scan(here, capsys):
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.Nifti1Image(mmip_gpu.phantom3d((8, 32, 32)).astype(np.int16), np.diag([-0.5, -0.5, 3, 1]))
    image.header.set_slope_inter(2, -1000)
    nibabel.save(image, "scan.nii")
    run("compress", "scan.nii", "scan.zarr", "--quality", 10, "--quiet")
    run("info", "scan.zarr")
    lines = capsys.readouterr().out.splitlines()
    assert "voxel 3 x 0.5 x 0.5 millimeter (z, y, x)" in lines
    assert "orientation LPS (to which x, y, z grow)" in lines
    assert "value = 2 * sample - 1000" in lines
    assert any(line.startswith("1 chunks of ") for line in lines)


@pytest.mark.parametrize("name", ["a.mmip", "a.zarr", "exact.zarr", "lossless.mmip"])
def test_info_estimates_the_loss_of_each_stage(name, here, capsys):
    """Within half a decibel of what evaluate measures."""
    run("compress", "phantom3d:16x64x64", "exact.zarr", "--lossless", "--quiet")
    run("encode", "phantom", "-o", "lossless.mmip", "--lossless", "--quiet")
    original = "phantom" if name.endswith(".mmip") else "phantom3d:16x64x64"
    run("evaluate", original, name, "--json", "e.json", "--quiet")
    run("info", name, "--loss", "--json")
    estimates = [stage.get("psnr") for stage in json.loads(capsys.readouterr().out)["stages"]]
    measured = [row["psnr_range"] for row in load_json("e.json")["stages"]]
    assert estimates[:-1] == pytest.approx(measured[:-1], abs=0.5)


def test_three_channels_one_by_one(here):
    run("encode", "rgb.npy", "-o", "c.mmip", "--lossless", "--axes", "yxc", "--no-colour")
    assert mmip_gpu.inspect(Path("c.mmip").read_bytes())["colour"] is False
    run("compress", "rgb.npy", "c.zarr", "--lossless", "--axes", "yxc", "--no-colour")
    assert mmip_gpu.open_zarr("c.zarr").report["colour"] is False


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", {"encode", "compress", "completion"}),
        ("enc", {"encode"}),
        ("encode a.npy --qu", {"--quality", "--quiet"}),
        ("plot ", {"progressive", "rate"}),
        ("plot rate --o", {"--output"}),
        ("completion ", {"bash", "zsh"}),
    ],
)
def test_completion(words, expected, tmp_path, capsys):
    run("completion", "bash")
    script = capsys.readouterr().out
    typed = ["mmip", *words.split(" ")]
    line = f"COMP_WORDS=({' '.join(map(repr, typed))}); COMP_CWORD={len(typed) - 1}"
    call = f"{line}; _mmip; echo ${{COMPREPLY[@]}}"
    found = subprocess.run(
        ["bash", "-c", f"{script}\n{call}"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert expected <= set(found.stdout.split())
    run("completion", "zsh")
    assert capsys.readouterr().out.startswith("autoload -U +X bashcompinit")
