"""One list of options: functions, configuration, plug-in, schema, pages and command line have the same names."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

import mmip_gpu as mmip
import numcodecs_plugin
from mmip_gpu.cli.parser import build_parser
from mmip_gpu.cli.values import coding_options
from mmip_gpu.config import MODES, CodecConfig
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.options import CodingOptions, EncodeOptions, EncodeSettings, StoreOptions
from numcodecs_plugin import Mmip, MmipV2
from numcodecs_plugin.options import Options

CODING, ENCODING, STORING = (kind.__optional_keys__ for kind in (CodingOptions, EncodeOptions, StoreOptions))
OF_RUNS = {"threads", "device", "output"}  # of `encode`: where and how fast, which changes no byte
WITHOUT_FLAG = {
    "cuts",  # for who knows the order of coefficients
    "data_range",  # that of the file
}
WITHOUT_FLAG_OF_STORES = {
    "resume",  # a store that was begun is always resumed; --overwrite begins afresh
    "progress",  # a bar where stderr is a terminal
    "storage_options",  # fsspec has a configuration of its own, in files and in the environment
}
FLAGS_OF_THE_COMMANDS = {
    "input",
    "output",
    "store",
    "json",
    "check",
    "no_roi",
    "series",
    "volume",
    "help",
    "quiet",
}  # no options of functions
NEGATED = {"no_verify", "no_colour", "no_per_channel"}
PLUGIN = Path(numcodecs_plugin.__file__).parent


def parameters(function: Callable[..., Any], kind: Any = inspect.Parameter.KEYWORD_ONLY) -> dict[str, Any]:
    """Defaults of the keyword options that a function names."""
    return {name: p.default for name, p in inspect.signature(function).parameters.items() if p.kind == kind}


def flags(command: str) -> dict[str, list[str]]:
    """Flags of a command, by the option that they set."""
    (commands,) = (action for action in build_parser()._actions if action.choices and "encode" in action.choices)
    found: dict[str, list[str]] = {}
    for action in dict(commands.choices)[command]._actions:  # type: ignore[arg-type]
        name = action.dest.removeprefix("no_") if action.dest in NEGATED else action.dest
        found.setdefault(name, []).extend(action.option_strings)
    return found


# --- names


def test_lists_build_on_each_other() -> None:
    assert CODING < ENCODING < STORING
    assert not any(kind.__required_keys__ for kind in (CodingOptions, EncodeOptions, StoreOptions))


def test_configurations_have_the_names() -> None:
    assert parameters(CodecConfig.from_options).keys() - {"has_roi"} == CODING
    assert {f.name for f in fields(CodecConfig)} - {"mode", "value", "channel_values", "method"} | set(MODES) == CODING
    of_arrays = {f.name for f in fields(EncodeSettings)} - {"config", "is_part"}
    assert of_arrays == parameters(EncodeSettings.of).keys() == ENCODING - CODING


@pytest.mark.parametrize(
    ("function", "named", "listed"),
    [
        (mmip.encode, OF_RUNS, EncodeOptions),
        (mmip.encode_batch, OF_RUNS, EncodeOptions),
        (mmip.write_zarr, STORING - ENCODING, EncodeOptions),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_functions_take_the_list(function: Callable[..., Any], named: set[str], listed: type) -> None:
    assert parameters(function).keys() == named
    assert inspect.signature(function).parameters["options"].annotation == f"Unpack[{listed.__name__}]"


def test_hints_can_be_read_at_run_time() -> None:
    assert get_args(get_type_hints(mmip.encode)["options"]) == (EncodeOptions,)
    assert get_type_hints(StoreOptions).keys() == STORING


def test_pages_of_the_functions_name_every_option() -> None:
    for function, names in ((mmip.encode, ENCODING | OF_RUNS), (mmip.write_zarr, STORING)):
        told = (inspect.getdoc(function) or "").split("Parameters\n")[1].split("Returns\n")[0]
        assert names <= set(re.findall(r"\w+", told)), names - set(re.findall(r"\w+", told))


def test_plugin_has_the_names() -> None:
    """All but those of samples that Zarr has a dtype for; v2 adds the byte order, which decoded bytes do not say."""
    names = ENCODING - {"dtype", "nan"}
    assert {f.name for f in fields(Options)} == names
    assert {f.name for f in fields(Mmip)} == names
    assert {f.name for f in fields(MmipV2)} - {"endian"} == names
    schema = json.loads((PLUGIN / "schema.json").read_text())
    assert schema["properties"]["configuration"]["properties"].keys() == names
    page = (PLUGIN / "SPEC.md").read_text().split("# `mmip.stage`")[0]
    assert set(re.findall(r"^\| `(\w+)`", page, re.M)) == names


def test_plugin_has_the_defaults() -> None:
    defaults = parameters(CodecConfig.from_options) | parameters(EncodeSettings.of)
    assert all(field.default == defaults[field.name] for field in fields(Options))
    of_arrays = [f for f in fields(CodecConfig) if f.name != "per_channel"]  # which holds where there are channels
    assert all(f.default in (MISSING, defaults.get(f.name, f.default), 3) for f in of_arrays)


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("encode", ENCODING | {"threads", "overwrite", "max_bytes"}),
        ("demo", ENCODING | {"threads", "max_bytes"}),
        ("compress", STORING - WITHOUT_FLAG_OF_STORES),
    ],
)
def test_command_line_has_the_names(command: str, names: set[str]) -> None:
    found = flags(command)
    assert found.keys() - FLAGS_OF_THE_COMMANDS - {"out"} == names - WITHOUT_FLAG
    assert found["lossless"] == ["--lossless", "--lossless=small"]
    for name in (ENCODING & found.keys()) - {"verify", "colour", "lossless", "per_channel", "prediction"}:
        assert found[name] == ["--" + name.replace("_", "-")]
    assert [found[name] for name in ("verify", "colour")] == [["--no-verify"], ["--no-colour"]]
    assert found["per_channel"] == ["--no-per-channel"]
    assert found["prediction"] == ["--prediction", "--no-prediction"]


@pytest.mark.parametrize("target", MODES)
def test_command_line_hands_every_option_on(target: str) -> None:
    texts = {
        "roi_quality": "lossless",
        "cell_depth": "8",
        "padding": "none",
        "stages": "4",
        "step": "0.5",
        "effort": "3",
        "slice_axis": "z",
    }
    given = [text for name, value in texts.items() for text in ("--" + name.replace("_", "-"), value)]
    wanted = ["--" + target.replace("_", "-"), *([] if target in ("lossless", "labels") else ["7"])]
    off = ["--no-verify", "--no-per-channel", "--no-prediction"]
    args = build_parser().parse_args(["encode", "phantom", "-o", "a.mmip", *off, *wanted, *given])
    assert coding_options(args) == {
        target: True if target in ("lossless", "labels") else 7.0, "roi_quality": "lossless", "cell_depth": 8,
        "padding": None, "stages": 4, "step": 0.5, "effort": 3, "verify": False, "per_channel": False,
        "prediction": False, "slice_axis": "z",
    }  # fmt: skip
    assert set(coding_options(args)) == {target} | CODING - set(MODES) - WITHOUT_FLAG


def test_command_line_leaves_defaults_alone() -> None:
    parse = build_parser().parse_args
    assert coding_options(parse(["encode", "phantom", "-o", "a.mmip", "--quality", "3"])) == {"quality": 3.0}
    for flag, value in (("--lossless", True), ("--lossless=small", "small")):
        assert coding_options(parse(["encode", flag, "phantom", "-o", "a.mmip"])) == {"lossless": value}


# --- errors


IMAGE = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


@pytest.mark.parametrize(
    "call",
    [
        lambda **options: mmip.encode(IMAGE, **options),
        lambda **options: mmip.encode_batch([IMAGE], **options),
        lambda **options: mmip.write_zarr(IMAGE, MemoryStore(), **options),
        EncodeSettings.of,
    ],
    ids=["encode", "encode_batch", "write_zarr", "settings"],
)
def test_targets_that_do_not_fit_are_named(call: Callable[..., Any]) -> None:
    with pytest.raises(InvalidArgument, match="exactly one of"):
        call(quality=10, psnr=50)
    with pytest.raises(InvalidArgument, match="data_range=-1"):
        call(psnr=50, data_range=-1)


def test_cuts_may_come_one_by_one() -> None:
    assert CodecConfig.from_options(quality=10, cuts=iter((3, 9, 30))).cuts == (3, 9, 30)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="2 cuts make 4 stages, found stages=3"):
        CodecConfig.from_options(quality=10, cuts=np.array([9, 30]), stages=3)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="cuts=9: expected integers"):
        mmip.write_zarr(IMAGE, MemoryStore(), quality=10, cuts=9)  # type: ignore[arg-type]


@pytest.mark.slow
def test_type_checkers_know_the_options(tmp_path: Path) -> None:
    """A checker of types refuses what the list does not have, and accepts what it has."""
    pytest.importorskip("mypy")
    script = tmp_path / "calls.py"
    script.write_text(
        textwrap.dedent("""
        import numpy as np
        import mmip_gpu as mmip
        array = np.zeros((8, 8), np.uint8)
        mmip.encode(array, quality=10, roi="otsu", roi_quality={1: "lossless"}, cuts=[9], padding=None, threads=1)
        mmip.encode(array, output="device", lossless=True, stages=2)
        mmip.encode_batch([array], ratio=9.5, cell_depth=8, effort=3, device="cpu")
        mmip.write_zarr(array, "a.zarr", psnr=50, data_range=255, chunks=(8, 8), axes="yx")
        mmip.encode(array, qualty=10)
        mmip.encode_batch([array], quality="high")
        mmip.write_zarr(array, "a.zarr", quality=10, cell_depth=2)
        mmip.encode(array, quality=10, effort=4)
        """)
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=", str(script)]
    root = Path(mmip.__file__).parents[1]
    environment = {"MYPY_CACHE_DIR": str(tmp_path / "cache"), "PATH": ""}
    if root.name != "site-packages":  # where the type checker finds the package by itself
        environment["MYPYPATH"] = str(root)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    refused = [int(line) for line in re.findall(r"calls\.py:(\d+): error", done.stdout)]
    assert sorted(set(refused)) == [9, 10, 11, 12], done.stdout + done.stderr


# --- parsed once


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The options of every call of the parser."""
    seen: list[dict[str, Any]] = []
    parse = CodecConfig.from_options.__func__  # type: ignore[attr-defined]

    def counted(cls: type[CodecConfig], **options: Any) -> CodecConfig:
        seen.append(options)
        result: CodecConfig = parse(cls, **options)
        return result

    monkeypatch.setattr(CodecConfig, "from_options", classmethod(counted))
    return seen


def test_a_batch_parses_once(parses: list[dict[str, Any]]) -> None:
    arrays = [np.full((16, 16), value, np.uint8) for value in range(5)]
    found = mmip.encode_batch(arrays, quality=10)
    assert len(parses) == 1
    assert found == [mmip.encode(array, quality=10) for array in arrays]
    assert len(parses) == 6


def test_settings_serve_any_array() -> None:
    settings = EncodeSettings.of(psnr=50, roi="threshold:30", roi_quality="lossless", axes="yx", data_range=63)
    options: Any = {"psnr": 50, "roi": "threshold:30", "roi_quality": "lossless", "axes": "yx", "data_range": 63}
    arrays = [IMAGE % 64, IMAGE[:9, :7] // 8]
    expected = [mmip.encode(array, **options) for array in arrays]
    assert [mmip.encode_configured(array, settings).to_bytes() for array in arrays] == expected
    assert mmip.encode_batch_configured(arrays, settings) == expected
    with pytest.raises(FrozenInstanceError):
        settings.axes = "xy"  # type: ignore[misc]


@pytest.mark.parametrize("options", [{"quality": 10}, {"psnr": 50, "data_range": 4095, "roi": "threshold:900"}])
def test_zarr_codecs_parse_once(options: dict[str, Any], parses: list[dict[str, Any]]) -> None:
    array = zarr.create_array(
        MemoryStore(), shape=IMAGE.shape, chunks=(24, 24), dtype="uint16", serializer=Mmip(**options), compressors=None
    )
    parses.clear()
    array[...] = IMAGE
    assert array.nchunks_initialized == 9
    assert parses == []
    assert array[...].shape == IMAGE.shape


def test_zarr_v2_codecs_parse_once(parses: list[dict[str, Any]]) -> None:
    codec = MmipV2(lossless=True, stages=2)
    assert len(parses) == 1
    for array in (IMAGE, IMAGE[:9], IMAGE[0], IMAGE[0, 0]):
        assert np.array_equal(codec.decode(codec.encode(array)).reshape(array.shape), array)
        assert np.array_equal(codec.decode(codec.encode(array.T)).reshape(array.shape), array)  # coded as it lies
    assert len(parses) == 1
