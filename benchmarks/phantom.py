"""The 512 x 512 phantom at quality 10 against the seed system, stage by stage; how fast parts of the 3D one are made.

    python benchmarks/phantom.py

The seed's rows are computed here from its description (8x8 DCT, plain rounding, clip and truncate); its byte counts are
those measured with its own program (entropy coder included). Rates of `making` are medians of processor time on one
core. Writes results/phantom.csv.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import dctn, idctn
from studies import write_rows

import mmip_gpu as mmip
from mmip_gpu.bench.rows import checksum, psnr
from mmip_gpu.bench.timing import clocked, median_seconds
from mmip_gpu.quality.metrics import format_table

PEAK = 65535.0
SEED_BYTES = {True: (4481, 20379, 88707), False: (4323, 18062, 77844)}


def seed_stages(image: np.ndarray, roi: np.ndarray, roi_on: bool) -> list[np.ndarray]:
    """What the seed system decodes after stages 1, 2, 3."""
    blocks = image.astype(float).reshape(64, 8, 64, 8).transpose(0, 2, 1, 3)
    in_roi = roi.reshape(64, 8, 64, 8).any((1, 3))
    step = np.where(in_roi & roi_on, 11.0, 44.0)[:, :, None, None]
    index = np.round(dctn(blocks, axes=(2, 3), norm="ortho") / step)
    zigzag = sorted((i + j, i if (i + j) % 2 else j, i, j) for i in range(8) for j in range(8))
    stages = []
    for count in (1, 10, 64):
        kept = np.zeros((8, 8))
        for _, _, i, j in zigzag[:count]:
            kept[i, j] = 1
        decoded = idctn(index * step * kept, axes=(2, 3), norm="ortho").transpose(0, 2, 1, 3).reshape(image.shape)
        stages.append(np.clip(decoded, 0, PEAK).astype(np.uint16))
    return stages


PARTS = {(64, 128, 128): 200, (1, 512, 512): 200, (128, 512, 512): 2}  # and how often each is made


def making() -> list[dict[str, object]]:
    """MB/s at which parts of a volume are made."""
    volume = mmip.Phantom3D((128, 512, 512))
    rows: list[dict[str, object]] = []
    for shape, times in PARTS.items():
        part = tuple(
            slice((whole - size) // 2, (whole + size) // 2) for whole, size in zip(volume.shape, shape, strict=True)
        )

        def work(part: tuple[slice, ...] = part, times: int = times) -> None:
            for _ in range(times):
                volume[part]

        seconds = median_seconds(work, clocked(work)[1], 60.0)
        size = volume[part].nbytes * times / 1e6
        rows.append({"part": "x".join(map(str, shape)), "of": "128x512x512", "mb_s": round(size / seconds["cpu"])})
    return rows


def main() -> None:
    """Code, decode, compare, write."""
    image = mmip.phantom2d(512)
    roi = mmip.phantom_roi(image)
    rows = []
    for roi_on in (True, False):
        blob = mmip.encode(image, quality=10, roi=roi if roi_on else None)
        sizes = [stage["bytes_to_here"] for stage in mmip.inspect(blob)["stages"]]
        for stage, seed in enumerate(seed_stages(image, roi, roi_on), 1):
            ours = mmip.decode(blob, stages=stage)
            row = {"roi": "on" if roi_on else "off", "stage": stage}
            for name, decoded in (("ours", ours), ("seed", seed)):
                row[f"{name}_psnr"] = round(psnr(image, decoded, PEAK), 3)
                row[f"{name}_psnr_roi"] = round(psnr(image[roi], decoded[roi], PEAK), 3)
                row[f"{name}_psnr_outside"] = round(psnr(image[~roi], decoded[~roi], PEAK), 3)
            row["ours_bytes"], row["seed_bytes"] = sizes[stage - 1], SEED_BYTES[roi_on][stage - 1]
            row["saved_percent"] = round(100 * (1 - row["ours_bytes"] / row["seed_bytes"]), 1)
            rows.append(row | {"data": checksum(image)})
    print(format_table(rows, [c for c in rows[0] if c != "data"]))
    made = making()
    print(format_table(made, list(made[0])))
    print(f"wrote {write_rows('phantom', rows + made).name}")


if __name__ == "__main__":
    main()
