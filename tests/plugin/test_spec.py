"""SPEC.md, its schemas and the codecs say the same; the commands of the plug-in's README run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from helpers.codec_options import EXACT, FULL, REFUSED
from helpers.entry_points import installed_like

import numcodecs_plugin
from mmip_gpu.errors import InvalidArgument
from numcodecs_plugin import Mmip, MmipSoft, StageCodec
from numcodecs_plugin.options import Options

FOLDER = Path(numcodecs_plugin.__file__).parent
SCHEMAS = {
    "mmip": json.loads((FOLDER / "schema.json").read_text()),
    "mmip.soft": json.loads((FOLDER / "soft.schema.json").read_text()),
    "mmip.stage": json.loads((FOLDER / "stage.schema.json").read_text()),
}
CODECS: dict[str, Any] = {"mmip": Mmip, "mmip.soft": MmipSoft, "mmip.stage": StageCodec}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (FOLDER / page).read_text(), re.S)


def test_examples_of_the_page_are_valid() -> None:
    entries = [entry for block in blocks("SPEC.md", "json") for entry in json.loads(block)["codecs"]]
    assert {entry["name"] for entry in entries} == set(CODECS)
    for entry in entries:
        jsonschema.validate(entry, SCHEMAS[entry["name"]])
        codec = CODECS[entry["name"]].from_dict(entry)
        assert codec.to_dict() == entry


def test_page_and_schemas_have_the_keys_of_the_codecs() -> None:
    page = (FOLDER / "SPEC.md").read_text()
    for name, kind in (("mmip", Options), ("mmip.soft", MmipSoft), ("mmip.stage", StageCodec)):
        keys = {field.name for field in fields(kind)}
        assert set(SCHEMAS[name]["properties"]["configuration"]["properties"]) == keys
        part = page[page.index(f"# `{name}`") :].split("\n# ")[0]
        assert keys <= set(re.findall(r"^\| `(\w+)`", part, re.M))


@pytest.mark.parametrize(
    "options",
    [
        {"quality": 10},
        {"lossless": True},
        {"lossless": "small"},
        {"labels": True},
        EXACT,
        FULL,
        {"ratio": 5, "roi": "range:-1.5..3e2"},
    ],
)
def test_what_codecs_write_is_valid(options: dict[str, Any]) -> None:
    written = Mmip(**options).to_dict()
    jsonschema.validate(written, SCHEMAS["mmip"])
    assert Mmip.from_dict(written) == Mmip(**options)


# The relations of cuts, and rules, are more than the schema says.
@pytest.mark.parametrize("options", [options for options, _ in REFUSED if "cuts" not in options])
def test_what_codecs_refuse_is_not_valid(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        Mmip(**options)
    if options.get("colour") is True or options.get("data_range") == float("inf") or options.get("stages") in (3.0, 9):
        return  # depends on other keys; infinity is no JSON, 3.0 is an integer of JSON, 9 stages need cuts
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "mmip", "configuration": options}, SCHEMAS["mmip"])


@pytest.mark.parametrize(
    "change", [{"steps": []}, {"stage": 2, "padding": True}, {"stage": 2, "dc_image": True}], ids=str
)
def test_what_stage_codecs_refuse_is_not_valid(change: dict[str, Any]) -> None:
    good = {"stage": 1, "cell_depth": 1, "tile_log2": [0, 4, 4], "cuts": [0, 9, 63], "steps": [[2560]]}
    jsonschema.validate({"name": "mmip.stage", "configuration": good}, SCHEMAS["mmip.stage"])
    entry = {"name": "mmip.stage", "configuration": good | change}
    with pytest.raises(InvalidArgument):
        StageCodec.from_dict(entry)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(entry, SCHEMAS["mmip.stage"])


def test_commands_of_the_readme_run(tmp_path: Path) -> None:
    """All examples in one process, with the entry points of an installed package."""
    code = "\n".join(blocks("README.md", "python"))
    command = [sys.executable, "-W", "error::UserWarning:numcodecs_plugin", "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env=installed_like(tmp_path), check=False
    )
    assert done.returncode == 0, done.stderr
