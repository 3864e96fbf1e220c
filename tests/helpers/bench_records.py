"""Records of a benchmark as its runner writes them, made up: known curves, a failure, an image that was JPEG before."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from mmip_gpu.bench.records import RECORDS, as_stored, record_key

ANCHOR = "JPEG 2000 (OpenJPEG)"
# Bits at the same PSNR against the anchor, and how far the curve of Dice lies above its.
CODECS = {ANCHOR: (1.0, 1.0), "mmip effort 3": (0.8, 1.5), "rival <&>": (1.25, 0.5)}
RATES = (0.25, 0.5, 1.0, 2.0, 4.0)
SAMPLES = 64 * 64


def image_facts(name: str = "em1", group: str = "EM", **more: Any) -> dict[str, Any]:
    facts = {
        "name": name,
        "dataset": "phantoms",
        "checksum": f"{sum(map(ord, name)):016x}",
        "shape": [64, 64],
        "dtype": "uint16",
        "axes": "yx",
        "bits": 12,
        "group": group,
        "jpeg_origin": "no",
        "licence": "CC0",
        "stand_in": None,
    }
    return facts | more


def metrics(psnr: float) -> dict[str, float | None]:
    error = 0.0 if math.isinf(psnr) else 4095 * 10 ** (-psnr / 20)
    similarity = 1 - 10 ** (-psnr / 20) if error else 1.0
    return {
        "mse": error**2,
        "rmse": error,
        "mae": 0.8 * error,
        "max_error": round(5 * error),
        "psnr_range": psnr,
        "psnr_dtype": psnr + 24.1,
        "ssim": similarity,
        "ms_ssim": similarity,
        "haarpsi": similarity,
        "vsi": None,
    }


def record(image: dict[str, Any], codec: str, bits: float, psnr: float, dice: float | None = None, **more: Any) -> Any:
    """A result: `psnr` infinite is one without loss."""
    is_exact = math.isinf(psnr)
    setting = {"target": "lossless", "value": None} if is_exact else {"target": "bits", "value": bits}
    scores = dict.fromkeys(("iou", "ap50", "pq", "boundary_f1", "contour_distance", "hausdorff95"))
    tasks = {
        "nuclei": {
            "truth": {"dice": dice, **scores},
            "original": {"dice": 1.0 if is_exact else (dice or 0) + 0.1, **scores},
            "segmenter": "watershed",
        }
    }
    seconds = {"cpu": 0.02, "wall": 0.025, "runs": 5}
    size = round(bits * SAMPLES / 8)
    found = {
        "version": 1,
        "key": record_key(image["checksum"], codec, "gray", setting, [] if dice is None else ["nuclei"]),
        "image": image,
        "codec": {"name": codec, "version": "1.2", "lossless": is_exact, "options": {"level": 3}},
        "colour": "gray",
        "setting": setting,
        "parameter": 3.0,
        "status": "ok",
        "reason": None,
        "bytes": size,
        "raw_bytes": 2 * SAMPLES,
        "bits_per_sample": 8 * size / SAMPLES,
        "ratio": 2 * SAMPLES / size,
        "metrics": metrics(psnr),
        "regions": {"cell": {"inside": metrics(psnr + 3), "outside": metrics(psnr - 1)}},
        "tasks": {} if dice is None else tasks,
        "time": {
            "encode": seconds,
            "decode": seconds,
            "encode_all_threads": {"cpu": 0.02, "wall": 0.0125, "runs": 5},
            "mb_s_encode": 0.41,
            "mb_s_decode": 0.82,
            "peak_memory": 80_000_000,
        },
        "machine": {"cpu": "a processor", "cores": 2, "commit": "abc1234", "date": "2026-11-30", "python": "3.11"},
    }
    return found | more


def failure(image: dict[str, Any], codec: str, reason: str, status: str = "failed") -> Any:
    """A record without a result."""
    found = record(image, codec, 1.0, 40.0)
    empty = dict.fromkeys(("bytes", "bits_per_sample", "ratio", "metrics", "regions", "tasks", "time", "parameter"))
    return found | empty | {"status": status, "reason": reason}


def results() -> list[Any]:
    """Three images of two groups, three codecs at five rates, each without loss too, and two failures."""
    images = [
        image_facts("em1"),
        image_facts("em2", stand_in="EMPIAR-12592"),
        image_facts("cells", "fluorescence", jpeg_origin="yes", dtype="uint8", bits=8),
    ]
    found = []
    for place, image in enumerate(images):
        for codec, (rate, shift) in CODECS.items():
            for bits in RATES:
                psnr = 40 + place + 6 * math.log2(bits / rate)
                found.append(record(image, codec, bits, psnr, dice=0.9 - 0.04 / (bits * shift)))
            found.append(record(image, codec, 8.0 * rate, math.inf, dice=0.9))
    found.append(failure(images[0], "AVIF", "16 bits: AVIF holds 12 at most", "unsupported"))
    found.append(failure(images[1], "mmip effort 3", "RuntimeError: <broken>"))
    return found


def write(folder: Path, records: list[Any]) -> Path:
    """A results folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(as_stored(found)) for found in records]
    (folder / RECORDS).write_text("".join(f"{line}\n" for line in lines))
    return folder
