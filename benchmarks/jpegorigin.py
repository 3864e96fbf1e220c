"""Images that were JPEG files before: which are found, how small they get, in what time; and which must not be found.

    python benchmarks/jpegorigin.py [--again]

Every uint8 image of the shared folder (of stacks two slices, of BCCD six of the test part), and some of them changed:
cut, brightened, scaled, saved once more. `stated` is what the manifest says of their past. The rival is JPEG XL (effort
7, lossless) on the pixels. A false accept, which makes the exit status 1, is an image that was never a JPEG file at
this size, as far as its source states it, or that JPEG XL makes smaller. One thread, processor time. Writes
results/jpegorigin.csv row by row: a run that stopped goes on where it was; --again measures every row anew.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from itertools import chain

import imagecodecs
import numpy as np
from studies import Row, data_folder, kept_rows, write_rows

import mmip_gpu as mmip
from mmip_gpu._core import jpeg_probe
from mmip_gpu.bench.images import BenchImage, UnusableImage
from mmip_gpu.bench.measure import cpu_seconds
from mmip_gpu.bench.shared_images import shared_images
from mmip_gpu.quality.metrics import format_table

CHANGED = ("BloodImage_00042", "ISIC_0024311", "fundus_drive-00", "he_dsb2018-00")
MOST_SLICES = 2
BCCD_STEP = 10
Pixels = np.ndarray


def planes(image: BenchImage) -> Pixels:
    """The image as (Y, X) or (Y, X, 3), of a volume its middle slice."""
    array = image.array
    return np.ascontiguousarray(array[array.shape[0] // 2] if image.axes.startswith(("z", "t")) else array)


def images() -> Iterator[BenchImage]:
    """Those of 8 bits; a few of each stack."""
    folder, seen = data_folder(), dict[str, int]()
    if folder is None:
        raise SystemExit("no folder of real images: see MMIP_DATA")
    names = ("*", "bccd_test", "derm_ham10000")
    for image in chain.from_iterable(shared_images(folder, name) for name in names):
        if isinstance(image, UnusableImage) or image.array.dtype != np.uint8 or "labels" in image.name:
            continue
        stack = image.name.split("_0")[0].rsplit("-", 1)[0]
        seen[stack] = seen.get(stack, 0) + 1
        is_bccd = stack == "BloodImage"
        if seen[stack] <= MOST_SLICES or (is_bccd and seen[stack] % BCCD_STEP == 1):
            yield image


def saved(pixels: Pixels, quality: int) -> Pixels:
    """Through libjpeg-turbo once more, 4:2:0."""
    options = {"subsampling": "420"} if pixels.ndim == 3 else {}
    found: Pixels = imagecodecs.jpeg8_decode(imagecodecs.jpeg8_encode(pixels, level=quality, **options))
    return found


def halved(pixels: Pixels) -> Pixels:
    """Mean of 2 x 2."""
    even = pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2].astype(np.int64)
    total = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    return ((total + 2) // 4).astype(np.uint8)


def scaled(pixels: Pixels) -> Pixels:
    """To three quarters, each sample between two."""
    found = pixels.astype(np.float64)
    for axis in (0, 1):
        at = np.arange(pixels.shape[axis] * 3 // 4) * (4 / 3) + 1 / 6
        low = np.floor(at).astype(np.int64)
        share = (at - low).reshape([-1 if a == axis else 1 for a in range(pixels.ndim)])
        high = np.minimum(low + 1, pixels.shape[axis] - 1)
        found = (1 - share) * found.take(low, axis) + share * found.take(high, axis)
    return np.floor(found + 0.5).astype(np.uint8)


def variants(image: BenchImage) -> Iterator[tuple[str, str, Pixels]]:
    """Name of the change, whether the last step was a JPEG file, and the pixels."""
    pixels = planes(image)
    yield "", image.jpeg_origin, pixels
    if image.name not in CHANGED:
        return
    yield "cut", image.jpeg_origin, np.ascontiguousarray(pixels[3:-5, 5:-7])
    yield "halved", "no", halved(pixels)
    yield "scaled by 3/4", "no", scaled(pixels)
    brighter = np.where(pixels[2:, 3:] < 255, pixels[2:, 3:] + 1, 255).astype(np.uint8)
    yield "cut, brighter", image.jpeg_origin, brighter  # blocks with another mean
    yield "saved at 90", "yes", saved(pixels, 90)
    yield "cut, saved at 75", "yes", saved(np.ascontiguousarray(pixels[3:, 5:]), 75)
    yield "saved at 60, cut, saved at 85", "yes", saved(np.ascontiguousarray(saved(pixels, 60)[9:, 6:]), 85)


def measured_row(image: BenchImage, change: str, stated: str, pixels: Pixels) -> Row:
    """One image."""
    axes = "yxc" if pixels.ndim == 3 else "yx"
    stacked = pixels.reshape(1, *pixels.shape[:2], -1)
    _, probe = cpu_seconds(lambda: jpeg_probe(stacked))
    origin, search = cpu_seconds(lambda: mmip.is_jpeg_origin(pixels))
    blob, encode = cpu_seconds(lambda: mmip.encode(pixels, lossless="small", axes=axes, threads=1))
    decoded, decode = cpu_seconds(lambda: mmip.decode(blob, threads=1))
    if not np.array_equal(decoded, pixels):
        raise RuntimeError(f"{image.name} {change}: not exact")
    rival = len(imagecodecs.jpegxl_encode(pixels, lossless=True, effort=7))
    kind = mmip.inspect(blob)["kind"]
    return {
        "image": image.name,
        "dataset": image.group,
        "change": change,
        "stated": stated,
        "kind": kind,
        "recovered": round(origin.recovered, 4) if origin else "",
        "sampling": (origin and origin.sampling) or "",
        "offset": " ".join(map(str, origin.offset)) if origin and origin.offset else "",
        "qualities": " ".join(map(str, origin.qualities)) if origin and origin.qualities else "",
        "ratio": round(pixels.nbytes / len(blob), 3),
        "jxl_ratio": round(pixels.nbytes / rival, 3),
        "probe_ms": round(1000 * probe, 2),
        "search_s": round(search, 3),
        "encode_s": round(encode, 3),
        "decode_s": round(decode, 3),
        "false_accept": kind == "jpeg origin" and (stated == "no" or len(blob) > rival),
    }


def key_of(row: Row) -> tuple[str, str]:
    """What tells rows apart."""
    return row["image"], row["change"]


def main() -> int:
    """All images; rows, a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--again", action="store_true", help="measure every row anew")
    again = parser.parse_args().again
    os.nice(5)
    kept = {} if again else kept_rows("jpegorigin", key_of)
    rows: dict[tuple[str, str], Row] = {}
    for image in images():
        for variant in variants(image):
            key = image.name, variant[0]
            rows[key] = kept.get(key) or measured_row(image, *variant)
            write_rows("jpegorigin", [*(kept | rows).values()])
    path = write_rows("jpegorigin", [*rows.values()])
    names = ("image", "change", "stated", "kind", "recovered", "ratio", "jxl_ratio", "encode_s", "decode_s")
    print(format_table([*rows.values()], names))
    false = sum(str(row["false_accept"]) == "True" for row in rows.values())
    print(f"wrote {path.name}: {false} false accepts")
    return int(false > 0)


if __name__ == "__main__":
    sys.exit(main())
