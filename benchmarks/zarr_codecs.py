"""Throughput of codecs inside of Zarr: ours against its own `encode_batch`, and against the codecs of others.

    python benchmarks/zarr_codecs.py [--megabytes 64] [--db 45] [--threads 2] [--repeats 5]

One volume in memory stores, written and read whole. Image codecs of slices get slices as chunks, the others
16 x 256 x 256 samples. Rivals are set to the PSNR of ours (bisection on the middle chunk), each with one thread a
chunk; Zarr's pool has `--threads`. Rates in MB/s (1e6 bytes of the 16-bit volume) are medians of wall time, the spread
is (max - min) / median; `write_share` is the rate through Zarr over that of `encode_batch` on the same chunks, run in
turns with it (`read_share`: of `decode_batch` and putting the chunks into one array, which is what Zarr gives), `_cpu`
the same of processor time. Every round trip is checked outside the clock. Writes results/zarr_codecs.csv.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import imagecodecs.numcodecs as ic
import numcodecs
import numpy as np
import zarr
from imagecodecs import ZFP
from studies import data_folder, write_rows
from zarr.codecs import BloscCodec
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.bench.rows import checksum, psnr
from mmip_gpu.quality.metrics import format_table
from numcodecs_plugin import Mmip

BLOCKS, SLICES = (16, 256, 256), (1, 256, 256)
_BISECTIONS = 9
Timed = tuple[float, float]
"""Seconds of wall time, and of all cores."""


@dataclass(frozen=True)
class Rival:
    """A codec of numcodecs; a larger parameter of `make` is better. `kind` is the dtype that it codes."""

    name: str
    make: Callable[[float], Any]
    low: float
    high: float
    chunks: tuple[int, ...] = SLICES
    kind: str = "uint16"


RIVALS = (
    Rival("JPEG 2000 (OpenJPEG)", lambda p: ic.Jpeg2k(level=p, codecformat="j2k", numthreads=1), 20, 120),
    Rival("JPEG XL e3", lambda p: ic.Jpegxl(effort=3, lossless=False, distance=10 ** (-p / 20), numthreads=1), -24, 40),
    Rival(
        "zfp",
        lambda p: ic.Zfp(mode=int(ZFP.MODE.FIXED_ACCURACY), level=10 ** (-p / 20), numthreads=1),
        -80,
        0,
        BLOCKS,
        "float32",
    ),
)


def volume(megabytes: float) -> tuple[str, np.ndarray]:
    """(name, uint16 volume of about this size and of whole chunks): a real one, repeated, where it is at hand."""
    folder = data_folder()
    path = folder / "mr_uih_t1_brain.npy" if folder else None
    if path and path.exists():
        name, image = path.stem, np.load(path)
    else:
        name, image = "phantom3d", mmip.phantom3d((32, 512, 512))
    whole = tuple(slice(0, n // c * c) for n, c in zip(image.shape, BLOCKS, strict=True))
    image = (image - image.min()).astype(np.uint16)[whole]
    times = max(round(megabytes * 1e6 / image.nbytes), 1)
    return name, np.tile(image, (times, 1, 1))


def measured(work: Callable[[], Any]) -> Timed:
    """What one run takes."""
    wall, cores = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cores


def in_turns(works: list[Callable[[], Any]], repeats: int) -> list[list[Timed]]:
    """Runs of each in turn, after one that is not counted."""
    rounds = [[measured(work) for work in works] for _ in range(repeats + 1)][1:]
    return [list(runs) for runs in zip(*rounds, strict=True)]


def rates(label: str, nbytes: int, runs: list[Timed]) -> dict[str, float]:
    """Median rate and spread."""
    seconds = [wall for wall, _ in runs]
    middle = statistics.median(seconds)
    spread = (max(seconds) - min(seconds)) / middle
    return {f"{label}_mb_s": nbytes / 1e6 / middle, f"{label}_spread": spread}


def share(label: str, direct: list[Timed], through: list[Timed]) -> dict[str, float]:
    """Rate through Zarr over the direct one: of wall time and of processor time."""
    wall, cores = (statistics.median(a[i] for a in direct) / statistics.median(b[i] for b in through) for i in (0, 1))
    return {f"{label}_share": wall, f"{label}_share_cpu": cores}


def created(data: np.ndarray, chunks: tuple[int, ...], codec: dict[str, Any]) -> zarr.Array:
    """An empty array in memory; all chunks are written, whatever they hold."""
    options = {"compressors": None, "filters": None, "config": {"write_empty_chunks": True}} | codec
    return zarr.create_array(MemoryStore(), shape=data.shape, chunks=chunks, dtype=data.dtype, **options)


def row_of(
    name: str, data: np.ndarray, chunks: tuple[int, ...], codec: dict[str, Any], repeats: int, bound: float | None
) -> dict[str, Any]:
    """Ratio, PSNR and rates of a codec; `bound` is the PSNR that it has to reach, None for a lossless one."""
    kind = codec.pop("kind", data.dtype)
    typed = data.astype(kind)
    array = created(typed, chunks, codec)
    write, read = in_turns([lambda: array.__setitem__(..., typed), lambda: array[...]], repeats)
    found = psnr(data, np.clip(np.rint(array[...]), 0, 65535).astype(np.uint16))
    if (bound is None and np.isfinite(found)) or (bound is not None and found < bound - 0.5):
        raise RuntimeError(f"{name}: expected {bound or 'no loss'}, found {found:.2f} dB")
    stored = array.nbytes_stored()
    return {
        "codec": name, "chunks": "x".join(map(str, chunks)), "ratio": data.nbytes / stored, "psnr_db": found,
        **rates("write", data.nbytes, write), **rates("read", data.nbytes, read),
    }  # fmt: skip


def our_row(
    name: str, data: np.ndarray, options: dict[str, Any], threads: int, repeats: int, bound: float
) -> dict[str, Any]:
    """A row with the shares of `encode_batch` and `decode_batch` on the same chunks; `bound` is for lossy options."""
    reached = None if options.get("lossless") else bound
    row = row_of(name, data, BLOCKS, {"serializer": Mmip(**options)}, 1, reached)
    starts = itertools.product(*(range(0, n, c) for n, c in zip(data.shape, BLOCKS, strict=True)))
    boxes = [tuple(slice(a, a + c) for a, c in zip(start, BLOCKS, strict=True)) for start in starts]
    pieces = [data[box] for box in boxes]
    blobs = mmip.encode_batch(pieces, threads=threads, **options)
    array = created(data, BLOCKS, {"serializer": Mmip(**options)})

    def assembled() -> np.ndarray:
        whole = np.empty_like(data)
        for box, chunk in zip(boxes, mmip.decode_batch(blobs, threads=threads), strict=True):
            whole[box] = chunk
        return whole

    write, direct_write, read, direct_read = in_turns(
        [
            lambda: array.__setitem__(..., data),
            lambda: mmip.encode_batch(pieces, threads=threads, **options),
            lambda: array[...],
            assembled,
        ],
        repeats,
    )
    return (
        row
        | rates("write", data.nbytes, write)
        | rates("read", data.nbytes, read)
        | share("write", direct_write, write)
        | share("read", direct_read, read)
    )


def known(data: np.ndarray, options: dict[str, Any]) -> dict[str, Any]:
    """The options with the step that they find on one layer of blocks, instead of the search in each chunk."""
    found = mmip.inspect(mmip.encode(data[: BLOCKS[0]], **options))["config"]
    rest = {key: value for key, value in options.items() if key not in ("psnr", "data_range")}
    return rest | {"qstep": found["qstep"], "padding": found["padding"]}


def at_psnr(rival: Rival, data: np.ndarray, target: float) -> float:
    """The smallest parameter that reaches the PSNR on the middle chunk, by bisection."""
    middle = tuple(slice(n // 2 // c * c, n // 2 // c * c + c) for n, c in zip(data.shape, rival.chunks, strict=True))
    piece = np.ascontiguousarray(data[middle])
    peak = float(data.max()) - float(data.min())
    low, high = rival.low, rival.high
    for _ in range(_BISECTIONS):
        parameter = (low + high) / 2
        codec = rival.make(parameter)
        decoded = codec.decode(codec.encode(piece.astype(rival.kind))).reshape(piece.shape)
        low, high = (low, parameter) if psnr(piece, decoded, peak) >= target else (parameter, high)
    return high


def main() -> None:
    """Run all codecs and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=64)
    parser.add_argument("--db", type=float, default=45)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    zarr.config.set({"threading.max_workers": given.threads, "async.concurrency": 2 * given.threads})
    numcodecs.blosc.use_threads = False
    ic.register_codecs(verbose=False)
    name, data = volume(given.megabytes)
    peak = float(data.max()) - float(data.min())
    lossy = {"psnr": given.db, "data_range": peak, "verify": False}
    ours = {
        "mmip effort 1, cell_depth 8": lossy | {"effort": 1, "cell_depth": 8},
        "mmip effort 1": lossy | {"effort": 1},
        "mmip effort 2": lossy,
        "mmip effort 1, its step known": known(data, lossy | {"effort": 1, "cell_depth": 8}),
        "mmip lossless, effort 1": {"lossless": True, "stages": 2, "effort": 1, "verify": False},
    }
    rows = [our_row(label, data, options, given.threads, given.repeats, given.db) for label, options in ours.items()]
    bound = max(rows[2]["psnr_db"], given.db)
    blosc = {"compressors": BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle", typesize=2)}
    rows.append(row_of("Blosc zstd 5, bitshuffle", data, BLOCKS, blosc, given.repeats, None))
    for rival in RIVALS:
        codec = {"compressors": rival.make(at_psnr(rival, data, bound)), "zarr_format": 2, "kind": rival.kind}
        rows.append(row_of(rival.name, data, rival.chunks, codec, given.repeats, bound - 1))
    common = {"image": name, "threads": given.threads, "megabytes": data.nbytes / 1e6, "data": checksum(data)}
    rows = [common | row | {"zarr": zarr.__version__, "numcodecs": numcodecs.__version__} for row in rows]
    path = write_rows("zarr_codecs", rows)
    shown = ("codec", "ratio", "psnr_db", "write_mb_s", "read_mb_s", "write_share", "read_share", "write_share_cpu",
             "read_share_cpu", "write_spread", "read_spread")  # fmt: skip
    print(format_table(rows, shown))
    print(path)


if __name__ == "__main__":
    main()
