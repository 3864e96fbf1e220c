"""What the GPU path is to reach, and what a run found: rates against the targets of the design.

Values: the rows of a run in; rows with what was wanted and found out. Targets are those of an H200; those in bytes a
second are scaled by the copy bandwidth where another GPU runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gpu.rows import Rows

_H200_COPY = 4.8e12  # NVIDIA's data sheet
_SLOW = ("lossy, effort 2", "lossy, effort 3")
_BITS = (0.4, 1.2)  # of the lossy target, a sample
_LARGE_MB, _SMALL_MB, _SMALL_BATCH = 60, 1.5, 256


def add_targets(rows: Rows, copies: float | None) -> None:
    """A row for every target, "not measured" where the run has nothing for it; so are all on the CPU."""
    on_gpu = not rows.facts["device"].startswith("none")
    scale = (copies or _H200_COPY) / _H200_COPY
    volumes = [r for r in rows.read("rates") if r["data"] == "volume" and r["dtype"] == "uint16"]
    lossy = [r for r in volumes if _is_quick(r) and _BITS[0] <= r["bits_per_sample"] <= _BITS[1]]
    thorough = [r for r in volumes if r["mode"] == "lossy, effort 3"]
    lossless = [r for r in volumes if r["mode"] == "lossless"]
    link = _least(r["gb_s"] for r in rows.read("ceilings") if "pinned" in r["what"] and r["megabytes"] > 200)
    found: list[tuple[str, float, float | None]] = [
        ("transform and quantization, share of a copy at 4 bytes a sample", 0.5, _transform(rows, copies)),
        ("lossy encode at effort 1, device to device, GB/s", 150 * scale, _most(lossy, "encode_gb_s")),
        ("lossy encode at effort 3, device to device, GB/s", 10 * scale, _most(thorough, "encode_gb_s")),
        ("lossy decode, device to device, GB/s", 400 * scale, _most(lossy, "decode_gb_s")),
        ("lossless encode, device to device, GB/s", 100 * scale, _most(lossless, "encode_gb_s")),
        ("lossless decode, device to device, GB/s", 100 * scale, _most(lossless, "decode_gb_s")),
        ("encode from host memory, share of the link", 0.9, _share(_most(lossy, "encode_host_gb_s"), link)),
        ("decode to host memory, share of the link", 0.9, _share(_most(lossy, "decode_host_gb_s"), link)),
    ]
    for column in ("encode_gb_s", "decode_gb_s"):
        shares = [
            _small_share(volumes, mode, column) for mode in {r["mode"] for r in volumes if r["mode"] not in _SLOW}
        ]
        name = f"256 chunks of 1 MB, share of the rate of large ones, {column[:6]}"
        found.append((name, 0.7, _least(s for s in shares if s is not None)))
    for target, wanted, value in found:
        if value is None or not on_gpu:
            rows.add("targets", target=target, wanted=wanted, met="not measured")
        else:
            rows.add("targets", target=target, wanted=wanted, found=value, met="yes" if value >= wanted else "no")


def _is_quick(row: dict[str, Any]) -> bool:
    return row["mode"] != "lossless" and row["mode"] not in _SLOW


def _least(values: Iterable[float]) -> float | None:
    return min(values, default=None)


def _most(rows: Iterable[dict[str, Any]], column: str) -> float | None:
    return max((r[column] for r in rows if column in r), default=None)


def _share(value: float | None, of: float | None) -> float | None:
    return None if value is None or of is None else value / of


def _transform(rows: Rows, copies: float | None) -> float | None:
    """Of the analysis of lossy volumes, its slowest mode."""
    each = [
        r["per_sample_ns"]
        for r in rows.read("kernels")
        if r["kernel"] == "analyze_volumes" and r["dtype"] == "uint16" and _is_quick(r)
    ]
    return 4 / (max(each) / 1e9) / copies if each and copies else None


def _small_share(rows: Iterable[dict[str, Any]], mode: str, column: str) -> float | None:
    mine = [r for r in rows if r["mode"] == mode]
    small = _most((r for r in mine if r["chunk_mb"] < _SMALL_MB and r["batch"] >= _SMALL_BATCH), column)
    return _share(small, _most((r for r in mine if r["chunk_mb"] > _LARGE_MB), column))
