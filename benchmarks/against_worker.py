"""Worker of against.py: makes calls of the public face with the mmip_gpu of its own interpreter, and times them.

    python -P benchmarks/against_worker.py FOLDER

Values: one JSON object a line in, one a line out, until the input ends. FOLDER has the images as .npy and takes stores.
`{"about": true}` asks for versions; `{"prepare": case}` makes one call that is not timed, the answer has the digest of
its result; `{"run": number, "calls": n}` answers with processor seconds a call, those of child processes included.
It imports only what every version of the package has, so that old and new builds run the same file.
"""

from __future__ import annotations

import gc
import hashlib
import importlib.metadata
import json
import math
import platform
import resource
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.registry import register_codec

import mmip_gpu as mmip
from numcodecs_plugin import Mmip

Call = Callable[[], Any]
Options = dict[str, Any]

FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
SLICES = 8  # of a chunk in a batch
STORE_CHUNK = (32, 128, 128)
METADATA = "zarr.json"
KNOWS_FLUSHES = "durable" in signature(mmip.write_zarr).parameters


@cache
def image(name: str) -> np.ndarray:
    """An image of the folder."""
    array: np.ndarray = np.load(FOLDER / f"{name}.npy")
    return array


def middle(shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Half of each axis, and no tile's border in particular."""
    return tuple(slice(n // 4, max(3 * n // 4, n // 4 + 1)) for n in shape)


def reading(name: str, options: Options) -> Options:
    """Options of a decoding call, with the region as slices of the array at its scale."""
    if options.get("region") != "middle":
        return options
    scale = options.get("scale", 1)
    return options | {"region": middle(tuple(math.ceil(n / scale) for n in image(name).shape))}


def encode(name: str, options: Options, _: Options) -> Call:
    """`mmip_gpu.encode`."""
    return lambda: mmip.encode(image(name), threads=1, **options)


def decode(name: str, options: Options, how: Options) -> Call:
    """`mmip_gpu.decode` of what `encode` gives."""
    blob, chosen = mmip.encode(image(name), threads=1, **options), reading(name, how)
    return lambda: mmip.decode(blob, threads=1, **chosen)


def chunks_of(name: str) -> list[np.ndarray]:
    """Pieces of a volume along its first axis."""
    volume = image(name)
    return [volume[z : z + SLICES] for z in range(0, len(volume), SLICES)]


def encode_batch(name: str, options: Options, _: Options) -> Call:
    """`mmip_gpu.encode_batch`."""
    chunks = chunks_of(name)
    return lambda: mmip.encode_batch(chunks, threads=1, **options)


def decode_batch(name: str, options: Options, how: Options) -> Call:
    """`mmip_gpu.decode_batch`."""
    blobs = mmip.encode_batch(chunks_of(name), threads=1, **options)
    return lambda: mmip.decode_batch(blobs, threads=1, **how)


def written(path: Path, name: str, options: Options, is_flushed: bool = False) -> Path:
    """A store of this image; builds that can wait for the disk do so only where that is asked for."""
    how = {"threads": 1, "progress": False, "overwrite": True, "resume": False}
    how |= {"durable": is_flushed} if KNOWS_FLUSHES else {}
    mmip.write_zarr(image(name), path, chunks=STORE_CHUNK, **how, **options)
    return path


def new_path() -> Path:
    """A place for one more store."""
    return FOLDER / f"{len(list(FOLDER.iterdir()))}.zarr"


def write_zarr(name: str, options: Options, how: Options) -> Call:
    """`mmip_gpu.write_zarr` into a folder, over the store of the call before."""
    path = new_path()
    return lambda: written(path, name, options, **how)


def open_zarr(name: str, options: Options, how: Options) -> Call:
    """`mmip_gpu.open_zarr` and reading it; nothing is kept between calls."""
    path, chosen = written(new_path(), name, options), reading(name, how)
    region = chosen.pop("region", ...)
    return lambda: np.asarray(mmip.open_zarr(path, threads=1, **chosen)[region])


def created(name: str, options: Options) -> dict[str, Any]:
    """A Zarr array in memory, coded by our codec: key to bytes."""
    held: dict[str, Any] = {}
    chunks = tuple(map(min, STORE_CHUNK, image(name).shape))
    zarr.create_array(held, data=image(name), chunks=chunks, serializer=Mmip(**options), compressors=None)
    return held


def write_codec(name: str, options: Options, _: Options) -> Call:
    """Zarr writes through the codec."""
    return lambda: created(name, options)


def read_codec(name: str, options: Options, how: Options) -> Call:
    """Zarr reads through the codec."""
    held, region = created(name, options), reading(name, how).get("region", ...)
    return lambda: np.asarray(zarr.open_array(held, mode="r")[region])


def inspect(name: str, options: Options, _: Options) -> Call:
    """`mmip_gpu.inspect`; what it tells may grow from version to version, so it has no digest."""
    blob = mmip.encode(image(name), threads=1, **options)

    def call() -> None:
        mmip.inspect(blob)

    return call


def python(_: str, __: Options, how: Options) -> Call:
    """A fresh interpreter with these arguments."""

    def call() -> None:
        subprocess.run([sys.executable, "-P", *how["arguments"]], check=True, stdout=subprocess.DEVNULL, cwd=FOLDER)

    return call


KINDS: dict[str, Callable[[str, Options, Options], Call]] = {
    kind.__name__: kind
    for kind in (
        encode, decode, encode_batch, decode_batch, write_zarr, open_zarr, write_codec, read_codec, inspect, python,
    )
}  # fmt: skip


def digest(result: Any) -> str:
    """SHA-256 of a result: bytes, an array, many of them, the chunks of a store in memory or a folder; empty for none.

    Metadata have the time of the job, and new versions tell more in them.
    """
    if result is None:
        return ""
    if isinstance(result, list):
        return hashlib.sha256("".join(map(digest, result)).encode()).hexdigest()
    if isinstance(result, dict):
        chunks = sorted(key for key in result if not key.endswith(METADATA))
        return digest([text for key in chunks for text in (key.encode(), result[key].to_bytes())])
    if isinstance(result, Path):
        files = sorted(path for path in result.rglob("*") if path.is_file() and path.name != METADATA)
        return digest([part for file in files for part in (str(file.relative_to(result)).encode(), file.read_bytes())])
    if isinstance(result, np.ndarray):
        return digest([f"{result.shape} {result.dtype.str}".encode(), result.tobytes()])
    return hashlib.sha256(result).hexdigest()


def processor_seconds() -> float:
    """What this process and its ended children have used."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def seconds_a_call(call: Call, calls: int) -> float:
    """Processor time of a call, the mean of these."""
    gc.collect()
    start = processor_seconds()
    for _ in range(calls):
        call()
    return (processor_seconds() - start) / calls


def about() -> dict[str, Any]:
    """Versions, where the package lies, and the folder that it was installed from, if pip noted one."""
    package, installed_from = Path(mmip.__file__).parent, ""
    try:
        distribution = importlib.metadata.distribution("mmip-gpu")
        if Path(str(distribution.locate_file("mmip_gpu"))).resolve() == package.resolve():
            noted = json.loads(distribution.read_text("direct_url.json") or "{}")
            installed_from = noted.get("url", "").removeprefix("file://")
    except importlib.metadata.PackageNotFoundError:
        pass
    versions = {"Python": platform.python_version(), "NumPy": np.__version__, "Zarr": zarr.__version__}
    return {
        "version": mmip.__version__,
        "versions": versions,
        "package": str(package),
        "installed_from": installed_from,
    }


def answer(message: dict[str, Any], prepared: dict[int, Call]) -> dict[str, Any]:
    """What a message asks for."""
    if "about" in message:
        return about()
    if "run" in message:
        return {"seconds": seconds_a_call(prepared[message["run"]], message["calls"])}
    case = message["prepare"]
    call = prepared[case["number"]] = KINDS[case["kind"]](case["image"], case["options"], case["how"])
    return {"digest": digest(call())}


def main() -> None:
    """Answer until the input ends; the package may print, but not into the answers."""
    register_codec("mmip", Mmip)  # the entry point does this for an installed package; a checkout has none
    answers, sys.stdout = sys.stdout, sys.stderr
    prepared: dict[int, Call] = {}
    for line in sys.stdin:
        try:
            found = answer(json.loads(line), prepared)
        except Exception:
            found = {"error": traceback.format_exc()}
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main()
