"""What a target costs in a store: how often chunks are coded for a PSNR, and rates of writing and reading.

    python benchmarks/store_targets.py [--side 4] [--rates-only]

`count`: grey images and volumes of the shared data and two phantoms, written with `psnr=` in chunks of at most 16 x 96
x 96 samples (256 x 256 of images), effort 1: encodings against chunks, and the PSNR that was reached. `rates`: the T1
brain, repeated `side` times on y and x, in chunks of the default size, one thread, by processor time, each the median
of interleaved runs: `write_zarr` with `psnr=45`, the step that it found with and without verification, and `quality=`;
`open_zarr(..)[...]`, and decoding the same chunks out of memory: into one new array, as reading does, whose pages the
system clears, and into one that is at hand. Writes results/store_targets.csv.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from studies import Row, data_folder, write_rows
from tqdm import tqdm

import mmip_gpu as mmip
from mmip_gpu.codecs import Limits, Wanted, codec_of
from mmip_gpu.quality.metrics import format_table
from mmip_gpu.store.group.records import ChunkStore
from mmip_gpu.store.group.staged_form import StagedForm
from mmip_gpu.store.group.zarr_group import StoreGroup

TARGETS = (38.0, 43.0, 48.0, 53.0)
IMAGES = (
    "mr_uih_t1_brain", "ct_ge_head_4mm", "niivue_chris_t1", "niivue_ct_avm", "mr_cardiac_cine_u8", "em_isbi_train",
    "micro_bbbc034_aics", "micro_membrane_time", "micro_stardist3d", "xray_tooth_projections", "xray_chip_projections",
    "micro_worms", "nema_rg3", "nema_ct1", "nema_mr1", "nema_us1", "ct_picker_shoulder", "fluo_dsb2018_520",
)  # fmt: skip
_REPEATS = 4


def count_arrays(folder: Path | None) -> Iterator[tuple[str, NDArray[Any]]]:
    """Grey arrays by name: the phantoms, and those of the shared data that are at hand."""
    yield "phantom3d", mmip.phantom3d((64, 256, 256))
    yield "phantom2d", mmip.phantom2d(1024)
    for name in IMAGES if folder is not None else ():
        assert folder is not None
        array = np.load(folder / f"{name}.npy", mmap_mode="r")
        if array.ndim in (2, 3) and array.shape[-1] > 4:
            yield name, np.ascontiguousarray(array)


class Encodings:
    """Counts the chunks that are coded while it is entered."""

    def __enter__(self) -> Encodings:
        self.count, self._encode = 0, StagedForm.encode

        def counted(form: StagedForm, *arguments: Any) -> Any:
            self.count += 1
            return self._encode(form, *arguments)

        StagedForm.encode = counted  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        StagedForm.encode = self._encode  # type: ignore[method-assign]


def count_rows(name: str, array: NDArray[Any]) -> Iterator[Row]:
    """One row a target."""
    chunks = (16, 96, 96) if array.ndim == 3 else (256, 256)
    for psnr in TARGETS:
        with Encodings() as encodings:
            report = mmip.write_zarr(array, {}, psnr=psnr, effort=1, chunks=chunks, threads=1, progress=False)
        row: Row = {"study": "count", "image": name, "shape": "x".join(map(str, array.shape)), "what": f"psnr={psnr:g}"}
        row |= {"chunks": report["chunk_count"], "encodings": encodings.count}
        yield row | {"reached_db": report["loss"]["psnr"], "ratio": report["ratio"]}


def rate_rows(array: NDArray[Any], name: str) -> Iterator[Row]:
    """Rates of writing and reading one array."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.zarr"

        def written(**target: Any) -> Any:
            how: Any = {"effort": 1, "threads": 1, "progress": False, "overwrite": True} | target
            return mmip.write_zarr(array, path, **how)

        report = written(psnr=45)
        step = report["plan"]["qstep"]
        opened = mmip.open_zarr(path, threads=1)
        held, at_hand = _held_chunks(path), np.ones_like(array)

        def decode(out: NDArray[Any]) -> None:
            for region, header, read in held:
                codec_of(header).decode_into(out[region], header, read, Wanted(), Limits())

        work: dict[str, Callable[[], Any]] = {
            "read": lambda: opened[...],
            "decode": lambda: decode(np.empty_like(array)),
            "decode, into memory at hand": lambda: decode(at_hand),
            "psnr=45": lambda: written(psnr=45),
            "qstep=, its step": lambda: written(qstep=step),
            "the same, unverified": lambda: written(qstep=step, verify=False),
            "quality=20": lambda: written(quality=20),
        }
        seconds: dict[str, list[float]] = {what: [] for what in work}
        for number in range(_REPEATS):  # memory that was just given back is faster to get: each comes before and after
            for what, run in list(work.items())[:: -1 if number % 2 else 1]:
                start = time.process_time()
                run()
                seconds[what].append(time.process_time() - start)
    for what, found in seconds.items():
        rate = array.nbytes / 1e6 / statistics.median(found)
        facts = {"study": "rates", "image": name, "shape": "x".join(map(str, array.shape)), "what": what}
        yield facts | {"chunks": report["chunk_count"], "cpu_mb_s": rate, "reached_db": report["loss"]["psnr"]}


def _held_chunks(path: Path) -> list[tuple[Any, Any, Any]]:
    """Region and header of every chunk of a store, and what reads its payloads, which are in memory."""
    volume, group = mmip.open_zarr(path), StoreGroup(path, read_only=True)
    store = ChunkStore(group, volume._store.description)
    found = []
    for at in volume.grid.coordinates():
        header = store.header(at)
        payloads = [bytes(store.payload(at, header, stage)) for stage in range(1, len(header.payload_sizes) + 1)]
        found.append(
            (
                volume.grid.region(at),
                header,
                lambda stage, first, end, own=payloads: memoryview(own[stage - 1])[first:end],
            )
        )
    return found


def main() -> None:
    """All rows, a table, and in how many arrays chunks are coded once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=4, help="times that the T1 brain is repeated on y and x")
    parser.add_argument("--rates-only", action="store_true", help="leave the counts out, and write nothing")
    options = parser.parse_args()
    folder, rows = data_folder(), []
    for name, array in tqdm(() if options.rates_only else list(count_arrays(folder)), unit="array"):
        rows += count_rows(name, array)
    if folder is not None:
        brain = np.load(folder / "mr_uih_t1_brain.npy")
        rows += rate_rows(np.tile(brain, (1, options.side, options.side)), "mr_uih_t1_brain, tiled")
    print(format_table(rows, ("study", "image", "what", "chunks", "encodings", "reached_db", "cpu_mb_s")))
    counts = [row for row in rows if row["study"] == "count"]
    once = sum(row["encodings"] <= 1.05 * row["chunks"] for row in counts)
    print(f"coded once, or a twentieth more at most: {once} of {len(counts)}")
    if not options.rates_only:
        print(f"wrote {write_rows('store_targets', rows).name}")


if __name__ == "__main__":
    main()
