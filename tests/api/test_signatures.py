"""Calls of the public functions: unknown options, wrong types, what is missing; and what the checks cost."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import zarr

import mmip_gpu as mmip
from mmip_gpu.errors import InvalidArgument, MmipError
from mmip_gpu.options import DecodeOptions, EncodeOptions
from mmip_gpu.quality.metrics import evaluate
from mmip_gpu.quality.plot import plot_progressive
from mmip_gpu.quality.plot_charts import plot_rate
from mmip_gpu.signatures import nearest, public
from mmip_gpu.sources import open_source
from numcodecs_plugin import Mmip, MmipV2, StageCodec

IMAGE = mmip.phantom2d(32)
BLOB = mmip.encode(IMAGE, quality=10)
VOLUME = mmip.phantom3d((4, 32, 32))
STORE: dict[str, Any] = {}
mmip.write_zarr(VOLUME, STORE, quality=10)
SETTINGS = mmip.EncodeSettings.of(quality=10)
STAGE = {"stage": 1, "cell_depth": 1, "tile_log2": (0, 4, 4), "cuts": (0, 9, 63), "steps": ((2560,),)}

# What every function needs; a place to write to is made anew for each call.
CALLS: dict[Callable[..., Any], dict[str, Any]] = {
    mmip.encode: {"array": IMAGE, "quality": 10},
    mmip.decode: {"data": BLOB},
    mmip.encode_batch: {"chunks": [IMAGE], "quality": 10},
    mmip.decode_batch: {"blobs": [BLOB]},
    mmip.encode_configured: {"array": IMAGE, "settings": SETTINGS},
    mmip.encode_batch_configured: {"chunks": [IMAGE], "settings": SETTINGS},
    mmip.inspect: {"data": BLOB},
    mmip.max_encoded_size: {"shape": (3, 4), "dtype": "u1"},
    mmip.phantom2d: {"size": 8},
    mmip.phantom3d: {"shape": (2, 8, 8)},
    mmip.phantom_roi: {"array": IMAGE},
    mmip.Phantom3D: {"shape": (2, 8, 8)},
    mmip.CodecConfig: {"mode": "quality", "value": 10},
    mmip.CodecConfig.from_options: {"quality": 10},
    mmip.CodecConfig.from_dict: {"data": {"mode": "quality", "value": 10}},
    mmip.EncodeSettings: {"config": SETTINGS.config},
    mmip.EncodeSettings.of: {"quality": 10},
    mmip.write_zarr: {"source": VOLUME, "path": dict, "quality": 10},
    mmip.open_zarr: {"path": STORE},
    mmip.append_zarr: {"source": VOLUME, "path": dict},
    mmip.export_ome_zarr: {"path": STORE, "target": dict},
    mmip.serve_zarr: {"path": STORE, "port": 0},
    mmip.verify_zarr: {"path": STORE},
    mmip.repair_zarr: {"path": STORE, "source": VOLUME},
    mmip.fetch_zarr: {"source": STORE, "target": dict},
    mmip.upgrade_zarr: {"target": STORE},
    mmip.open_zarr(STORE).at: {},
    mmip.open_zarr(STORE).upgrade: {},
    Mmip: {"quality": 10},
    MmipV2: {"quality": 10},
    StageCodec: STAGE,
}
WRONG = (object(), (64, 64), 1.5, True, None, {"a": 1}, b"ab", np.array([1, 2]), [], float("nan"), 10**30, slice(0, 3))
LISTS = {"options": EncodeOptions, "coding": EncodeOptions}
CASES = pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__qualname__)


def call(function: Callable[..., Any], **changed: Any) -> Any:
    needed = {name: value() if value is dict else value for name, value in CALLS[function].items()}
    found = function(**(needed | changed))
    if hasattr(found, "close"):
        found.close()
    return found


def options(function: Callable[..., Any]) -> Iterator[str]:
    for name in inspect.signature(function).parameters:
        kind = DecodeOptions if function is mmip.decode_batch else LISTS.get(name)
        yield from kind.__annotations__ if name in LISTS and kind else [name]


@CASES
@pytest.mark.parametrize("wrong", ["stagess", "qualty", "nonsense", "Thread"])
def test_unknown_options(function: Callable[..., Any], wrong: str) -> None:
    known = set(options(function))
    with pytest.raises(InvalidArgument, match=rf"{function.__name__}.*: unknown option '{wrong}'; ") as raised:
        call(function, **{wrong: 3})
    like = re.search(r"did you mean '(\w+)'", str(raised.value))
    assert like is None or like[1] in known
    expected = {"stagess": "stages", "qualty": "quality", "Thread": "threads"}.get(wrong)
    assert expected not in known or (like is not None and like[1] == expected)


@CASES
def test_wrong_types_are_our_errors(function: Callable[..., Any]) -> None:
    """Whatever is passed: what comes of it, or one of our errors that says where."""
    for name in set(options(function)) - {"client"}:
        for value in WRONG:
            if name in ("path", "target", "source") and isinstance(value, dict):
                continue  # a store in memory
            with suppress(MmipError):
                call(function, **{name: value})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: mmip.phantom2d((64, 64)), r"phantom2d: size=\(64, 64\): expected a whole number"),
        (lambda: mmip.phantom3d(64), "phantom3d: shape=64: expected whole numbers"),
        (lambda: mmip.encode(IMAGE, quality="high"), "encode: quality='high': expected a finite number"),
        (lambda: mmip.encode(IMAGE, 10), r"encode\(\) takes 1 positional argument but 2 were given"),
        (lambda: mmip.encode(quality=10), r"encode\(\) missing 1 required positional argument: 'array'"),
        (lambda: mmip.decode(BLOB, scale="2"), "decode: scale='2': expected 1, 2, 4 or 8"),
        (lambda: mmip.decode(BLOB, region=(3, 4)), r"decode: region=\(3, 4\): expected one slice per axis"),
        (lambda: mmip.decode_batch(3), "decode_batch: blobs=3: expected a list"),
        (lambda: mmip.decode_batch([BLOB], stage=1), "did you mean 'stages'"),
        (lambda: mmip.write_zarr(VOLUME, {}, quality=10, overwrite="no"), "overwrite='no': expected True or False"),
        (lambda: mmip.write_zarr(VOLUME, {}, quality=10, chunks="64"), "chunks='64': expected a whole number, or one"),
        (lambda: mmip.open_zarr(STORE, stages="1"), "open_zarr: stages='1': expected a whole number or None"),
        (lambda: mmip.serve_zarr(STORE, port="80"), "serve_zarr: port='80': expected a whole number"),
        (lambda: mmip.CodecConfig.from_dict({"mode": "quality", "value": 1, "stage": 3}), "did you mean 'stages'"),
        (lambda: MmipV2.from_config({"quality": 10, "stage": 3}), "did you mean 'stages'"),
        (
            lambda: zarr.create_array(
                {},
                shape=(8, 8),
                dtype="u1",
                serializer={"name": "mmip", "configuration": {"qualty": 10}},
                compressors=None,
            ),
            "mmip: unknown option 'qualty'; did you mean 'quality'",
        ),
    ],
)
def test_messages(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        make()


@pytest.mark.parametrize(
    ("axes", "shape", "chunks", "found"),
    [
        ("zyx", (80, 80, 80), 64, (64, 64, 64)),
        ("yx", (80, 80), 64, (64, 64)),
        ("tzyx", (2, 40, 80, 80), 32, (1, 32, 32, 32)),
        ("zyx", (80, 80, 80), np.int64(64), (64, 64, 64)),
    ],
)
def test_one_number_is_the_length_of_chunks_on_all_spatial_axes(axes, shape, chunks, found) -> None:
    store: dict[str, Any] = {}
    options: dict[str, Any] = {"quality": 10, "cell_depth": 1, "axes": axes}
    mmip.write_zarr(np.zeros(shape, "u1"), store, chunks=chunks, **options)
    assert mmip.open_zarr(store).chunks == found
    spatial = found[-sum(letter in "zyx" for letter in axes) :]
    again = mmip.write_zarr(np.zeros(shape, "u1"), store, chunks=spatial, **options)
    assert again["complete"]  # the same job
    if axes != "tzyx":
        image: dict[str, Any] = {}
        mmip.export_ome_zarr(store, image, chunks=chunks)
        assert zarr.open_array(image, path="0", mode="r").chunks == tuple(map(min, found, shape))


@pytest.mark.parametrize("wrong", [*WRONG, "x", -1], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(
    "call",
    [
        open_source,
        mmip.migrate_zarr,
        mmip.open_zarr(STORE).record,
        mmip.open_zarr(STORE).__getitem__,
        mmip.Phantom3D((2, 4, 4)).__getitem__,
        lambda wrong: evaluate(wrong, wrong),
        lambda wrong: plot_rate(wrong, "none/a.png"),
        lambda wrong: plot_progressive(wrong, [wrong], ["a"], "none/a.png"),
        MmipV2.from_config,
        Mmip.from_dict,
    ],
)
def test_wrong_types_elsewhere(call: Callable[..., Any], wrong: Any) -> None:
    with suppress(MmipError, IndexError):
        call(wrong)


def test_errors_inside_of_a_function_stay_what_they_are() -> None:
    @public()
    def broken(stages: int) -> int:
        return len(stages)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="has no len"):
        broken(3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("qualty", "quality"), ("max-error", "max_error"), ("MaxError", "max_error"), ("roiquality", "roi_quality")],
)
def test_nearest(name: str, expected: str) -> None:
    assert nearest(name, EncodeOptions.__annotations__) == expected


def test_a_call_costs_microseconds() -> None:
    @public(EncodeOptions)
    def nothing(array: Any, *, threads: int | None = None, **_: Any) -> None: ...

    def seconds(function: Callable[..., Any]) -> float:
        started = time.perf_counter()
        for _ in range(2000):
            function(IMAGE, threads=1, quality=10, stages=3, axes="yx", effort=1)
        return time.perf_counter() - started

    plain = inspect.unwrap(nothing)
    assert min(seconds(nothing) for _ in range(5)) - min(seconds(plain) for _ in range(5)) < 2000 * 20e-6


def test_importing_takes_no_difflib() -> None:
    code = "import sys, mmip_gpu; print('difflib' in sys.modules, 'zarr' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.split() == ["False", "False"]
