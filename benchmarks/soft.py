"""Soft compression by codebooks of other images of the same kind, against PNG, lossless JPEG, JPEG 2000 and others.

    python benchmarks/soft.py

Sets: blood smears, 200 to train with and 60 to test with; of the others every image is coded by a codebook of all the
rest of its set. A ratio is that of all bytes of a set; mean, minimum, maximum and variance are those of its images. The
codebook is not in the bytes: its size has a column. Lossless JPEG (SOF3, libjpeg-turbo) takes the best of its seven
predictors for each image, JPEG 2000 its reversible transforms, PNG level 9. Every result is decoded and compared. Rates
are of one thread in processor time, over all test images once. Writes results/soft.csv.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import imagecodecs as ic
import numpy as np
from numpy.typing import NDArray
from studies import data_folder, write_rows

import mmip_gpu as mmip
from mmip_gpu.bench.measure import Row, cpu_seconds
from mmip_gpu.soft import Codebook, Evaluation, encode, evaluate, train_codebook
from mmip_gpu.sources import open_source

Image = NDArray[Any]
STACKS = {  # name: (file, axes of an image)
    "fundus": ("fundus_drive.npy", "yxc"),
    "H&E": ("he_dsb2018.npy", "yxc"),
    "nuclei, fluorescence": ("fluo_dsb2018_256.npy", "yx"),
    "EM": ("em_isbi_train.npy", "yx"),
    "head CT": ("ct_ge_head_4mm.npy", "yx"),
}


@dataclass(frozen=True)
class Task:
    """Images of a set that one codebook codes, and those that it is trained on."""

    train: Sequence[Image]
    test: Sequence[Image]
    axes: str


@dataclass(frozen=True)
class Coder:
    """A rival: bytes of an image, and back."""

    name: str
    version: str
    encode: Callable[[Image, str], bytes]
    decode: Callable[[bytes], Image]
    takes: Callable[[Image], bool] = lambda image: True


def folder_images(folder: Path) -> list[Image]:
    """Images of a folder, in order of their names."""
    return [open_source(path).read() for path in sorted(folder.glob("*.jpg"))]


def sets(data: Path) -> Iterator[tuple[str, list[Task]]]:
    """Every set, as the tasks that it is divided into."""
    train, test = (folder_images(data / "bccd" / part) for part in ("train", "test"))
    yield "blood smears", [Task(train, test, "yxc")]
    yield "dermoscopy", left_out(folder_images(data / "derm"), "yxc")
    for name, (file, axes) in STACKS.items():
        yield name, left_out(list(np.load(data / file)), axes)


def left_out(images: list[Image], axes: str) -> list[Task]:
    """Each image by a codebook of all the others."""
    return [Task(images[:i] + images[i + 1 :], [image], axes) for i, image in enumerate(images)]


def unsigned(image: Image) -> Image:
    """Samples from 0, for codecs that take nothing else."""
    dtype = np.uint8 if image.itemsize == 1 else np.uint16
    return (image.astype(np.int32) - min(int(image.min()), 0)).astype(dtype)


def depth(image: Image) -> int:
    """Bits that the samples need."""
    return max(8, int(image.max()).bit_length())


def sof3(image: Image, _: str) -> bytes:
    """Lossless JPEG by the best of its predictors."""
    options = {"lossless": True, "bitspersample": depth(image)}
    return min((ic.jpeg8_encode(image, predictor=p, **options) for p in range(1, 8)), key=len)


def rivals() -> list[Coder]:
    """The rivals of the original first."""
    eight: Callable[[Image], bool] = lambda image: image.itemsize == 1  # noqa: E731
    return [
        Coder("PNG", ic.png_version(), lambda image, _: ic.png_encode(image, level=9), ic.png_decode),
        Coder("lossless JPEG (SOF3)", ic.jpeg8_version(), sof3, ic.jpeg8_decode),
        Coder(
            "JPEG 2000 5/3 (OpenJPEG)",
            ic.jpeg2k_version(),
            lambda image, _: ic.jpeg2k_encode(
                image, codecformat="j2k", reversible=True, level=0, bitspersample=depth(image), numthreads=1
            ),
            lambda blob: ic.jpeg2k_decode(blob, numthreads=1),
        ),
        Coder("JPEG-LS (CharLS)", ic.jpegls_version(), lambda image, _: ic.jpegls_encode(image), ic.jpegls_decode),
        Coder("WebP", ic.webp_version(), lambda image, _: ic.webp_encode(image, lossless=True), ic.webp_decode,
              lambda image: eight(image) and image.ndim == 3),
        Coder("JPEG XL e7", ic.jpegxl_version(),
              lambda image, _: ic.jpegxl_encode(
                  image, lossless=True, effort=7, bitspersample=depth(image), numthreads=1),
              lambda blob: ic.jpegxl_decode(blob, numthreads=1)),
        Coder("mmip lossless", mmip.__version__,
              lambda image, axes: mmip.encode(image, lossless=True, axes=axes, threads=1),
              lambda blob: mmip.decode(blob, threads=1)),
    ]  # fmt: skip


def measured(name: str, tasks: Sequence[Task], coder: Coder) -> Row:
    """A rival on the test images of a set."""
    images = [(unsigned(image), task.axes) for task in tasks for image in task.test]
    blobs, encoding = cpu_seconds(lambda: [coder.encode(*item) for item in images])
    decoded, decoding = cpu_seconds(lambda: list(map(coder.decode, blobs)))
    if not all(np.array_equal(a, b) for a, (b, _) in zip(decoded, images, strict=True)):
        raise RuntimeError(f"{coder.name} is not exact on {name}")
    sizes = [(image.nbytes, len(blob)) for (image, _), blob in zip(images, blobs, strict=True)]
    return _row(name, tasks, coder.name, coder.version, sizes) | _rates(sizes, encoding, decoding)


def soft_row(name: str, tasks: Sequence[Task]) -> Row:
    """Soft compression on the test images of a set."""
    whole, encoding, decoding, training, books = Evaluation(()), 0.0, 0.0, 0.0, list[Codebook]()
    for task in tasks:
        book, seconds = cpu_seconds(lambda: train_codebook(task.train, axes=task.axes))  # noqa: B023
        training += seconds
        books.append(book)
        found = evaluate(task.test, book, axes=task.axes, threads=1)
        whole = whole.joined(replace(found))
        blobs, seconds = cpu_seconds(lambda: [encode(i, book, axes=task.axes, threads=1) for i in task.test])  # noqa: B023
        encoding += seconds
        decoding += cpu_seconds(lambda: [mmip.decode(blob, threads=1) for blob in blobs])[1]  # noqa: B023
    sizes = [(image.raw_bytes, image.coded_bytes) for image in whole.images]
    summary = whole.summary()
    if summary["rmse"]:
        raise RuntimeError(f"soft compression is not exact on {name}")
    row = _row(name, tasks, "mmip soft", mmip.__version__, sizes) | _rates(sizes, encoding, decoding)
    return row | {
        "train_s": training / len(tasks),
        "codebook_bytes": max(len(book.data) for book in books),
        "shapes": summary["shapes"],
        "indicator_bits": summary["indicator"],
        "location_bits": summary["bits_per_location"],
    }


def _row(name: str, tasks: Sequence[Task], codec: str, version: str, sizes: Sequence[tuple[int, int]]) -> Row:
    ratios = np.array([raw / coded for raw, coded in sizes])
    return {
        "set": name,
        "trained": len(tasks[0].train),
        "tested": len(sizes),
        "codec": codec,
        "version": version,
        "coded_bytes": sum(coded for _, coded in sizes),
        "corpus_ratio": sum(raw for raw, _ in sizes) / sum(coded for _, coded in sizes),
        "mean_ratio": ratios.mean(),
        "minimum_ratio": ratios.min(),
        "maximum_ratio": ratios.max(),
        "variance": ratios.var(),
    }


def _rates(sizes: Sequence[tuple[int, int]], encoding: float, decoding: float) -> Row:
    megabytes = sum(raw for raw, _ in sizes) / 1e6
    return {"encode_mb_s": megabytes / encoding, "decode_mb_s": megabytes / decoding}


def main() -> None:
    """All sets and codecs; rows."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    os.nice(5)
    data = data_folder()
    if data is None:
        raise SystemExit("no images: name their folder by MMIP_DATA")
    rows: list[Row] = []
    empty = dict.fromkeys(("train_s", "codebook_bytes", "shapes", "indicator_bits", "location_bits"))
    for name, tasks in sets(data):
        rows.append(soft_row(name, tasks))
        rows += [measured(name, tasks, coder) | empty for coder in rivals() if coder.takes(unsigned(tasks[0].test[0]))]
        for row in (row for row in rows if row["set"] == name):
            rates = f"{row['encode_mb_s']:.1f} {row['decode_mb_s']:.1f}"
            print(f"{name:22} {row['codec']:26} {row['corpus_ratio']:.3f} {rates}", flush=True)
    print(f"wrote {write_rows('soft', rows).name}")


if __name__ == "__main__":
    main()
