"""What a container or a store holds, as a text and as a table of a notebook.

Values: descriptions and reports (JSON-safe dictionaries) in; the same with `info` and a table, and texts, out.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmip_gpu.container.loss_record import least_psnr
from mmip_gpu.quality.metrics import format_table

__all__ = ["Report", "reached_text", "shape_text", "size_text", "summary"]

_MOST_CHANNELS = 16  # of which each has a line


class Report(dict[str, Any]):
    """A description or report: a dictionary that also says itself what it holds.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> print(mmip.inspect(mmip.encode(mmip.phantom2d(64), quality=10)).info.splitlines()[0])
    64 x 64 uint16, axes yx, target quality 10
    """

    @property
    def info(self) -> str:
        """Lines for people: shape, chunks, voxel size, loss, stages."""
        return summary(self)

    def _repr_html_(self) -> str:
        """Table of a notebook."""
        lines = [f"<tr><td colspan=6>{html.escape(line)}</td></tr>" for line in _lines(self)]
        rows = _stage_rows(self) if self.get("loss") else []
        heads = "".join(f"<th>{name}</th>" for name in (rows[0] if rows else ()))
        cells = ["".join(f"<td>{_cell(value)}</td>" for value in row.values()) for row in rows]
        body = "".join(f"<tr>{line}</tr>" for line in [heads, *cells] if line)
        return f"<table>{''.join(lines)}{body}</table>"


def summary(report: Mapping[str, Any]) -> str:
    """Return what a report says, as lines of text and the table of stages."""
    lines = _lines(report)
    if report["loss"] is not None:
        lines.append(format_table(rows := _stage_rows(report), list(rows[0])))
    return "\n".join(lines)


def _lines(report: Mapping[str, Any]) -> list[str]:
    image = f"{shape_text(report['shape'])} {report['dtype']}, axes {report['axes']}"
    loss = report["loss"]
    if loss is None:
        return [image, *_about(report), "not complete: run its mmip compress again"]
    target = loss["mode"] if loss["mode"] in ("lossless", "labels") else f"{loss['mode']} {loss['requested']:g}"
    if loss.get("labels"):
        target = "labels"
    padding = report.get("plan", report.get("config", {})).get("padding")  # of a store, or of a container
    if padding is not None:
        image += f", padding {padding}"
    kind = report.get("kind", "transform")  # of a container
    lines = [
        f"{image}, target {target}" + ("" if kind in ("transform", "labels") else f", coded as {kind}"),
        *_about(report),
        f"reached: {reached_text(loss)} ({'measured' if loss['verified'] else 'estimated'})",
        *_channel_lines(loss.get("channels", ())),
        *(f"not kept of the source: {text}" for text in report.get("lost", ())),
    ]
    held, count = report.get("stages_held"), len(report["stages"])  # of a store
    if held is not None and held < count:
        lines.append(f"a copy of the first {held} of {count} stages: mmip upgrade fetches the others")
    return lines


def _channel_lines(channels: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say what was reached in each channel, and of what, where these were asked for different things."""
    asked = [channel.get("requested") for channel in channels]
    lines = []
    for i, channel in enumerate(channels[:_MOST_CHANNELS]):
        own = f" of {asked[i]:g}" if len(set(asked)) > 1 else ""
        lines.append(f"channel {i}{own}: {reached_text(channel)}")
    if len(channels) > _MOST_CHANNELS:
        worst = least_psnr(channels)
        text = "" if worst is None else f", the least PSNR of all is {worst:.2f} dB"
        lines.append(f"and {len(channels) - _MOST_CHANNELS} more channels{text}")
    return lines


def _stage_rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return bytes, rate and recorded PSNR of reading the stages 1, 2, .. of a report."""
    samples = math.prod(report["shape"])
    raw_bytes = samples * np.dtype(report["dtype"]).itemsize
    rows, last = [], len(report["stages"])
    for number, stage in enumerate(report["stages"], start=1):
        to_here = stage["bytes_to_here"]
        psnr = stage.get("psnr") if number < last else stage.get("psnr", report["loss"]["psnr"])
        if psnr is None and number == last and report["loss"]["lossless"]:
            psnr = math.inf
        rows.append(
            {
                "stage": number,
                "bytes": stage["bytes"],
                "bytes to here": to_here,
                "bits/sample": 8 * to_here / samples if samples else None,
                "ratio": raw_bytes / to_here if to_here else None,
                "PSNR": psnr,
            }
        )
    return rows


def _about(report: Mapping[str, Any]) -> list[str]:
    """Say what is known of a store beside its samples: chunks, channels, voxel size, orientation, rescaling."""
    lines, known = [], report.get("metadata") or {}
    if report.get("codebook"):
        lines.append(f"codebook {report['codebook']}, {'embedded' if report['embedded'] else 'found by its hash'}")
    if "chunk_count" in report:
        lines.append(f"{report['chunk_count']} chunks of {shape_text(report['chunks'])}")
    if "c" in report["axes"]:
        count = report["shape"][report["axes"].index("c")]
        names = ", ".join(map(str, known.get("channels") or ()))
        kind = "colours" if report.get("colour") else "channels"
        lines.append(f"{count} {kind} {names}".rstrip())
    if known.get("scale"):
        spatial = [axis for axis in zip(known["axes"], known["scale"], strict=True) if axis[0]["name"] in "zyx"]
        units = {axis.get("unit", "") for axis, _ in spatial}
        lines.append(f"voxel {' x '.join(f'{size:g}' for _, size in spatial)} {' '.join(sorted(units))} (z, y, x)")
    if known.get("affine"):
        lines.append(f"orientation {_orientation(known['affine'])} (to which x, y, z grow)")
    slope, intercept = known.get("slope", 1.0), known.get("intercept", 0.0)
    if slope is None or intercept is None:
        lines.append("rescale differs between slices")
    elif (slope, intercept) != (1.0, 0.0):
        lines.append(f"value = {slope:g} * sample {'-' if intercept < 0 else '+'} {abs(intercept or 0.0):g}")
    return lines


def _orientation(affine: Any) -> str:
    """Letters of right, left, anterior, posterior, superior, inferior to which the indices x, y, z grow most."""
    axes = np.asarray(affine, np.float64)[:3, :3]
    rows = np.abs(axes).argmax(axis=0)
    return "".join(("LR", "PA", "IS")[row][int(axes[row, column] > 0)] for column, row in enumerate(rows))


def _cell(value: Any) -> str:
    """One number of a table."""
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def size_text(size: int) -> str:
    """Return a number of bytes in a readable unit.

    Examples
    --------
    >>> size_text(999), size_text(12801), size_text(1_500_000)
    ('999 bytes', '12.8 kB', '1.5 MB')
    """
    if size < 1000:
        return f"{size} bytes"
    power = min(int(math.log10(size)) // 3, 4)
    return f"{size / 1000**power:.1f} {'kMGT'[power - 1]}B"


def shape_text(shape: Sequence[int]) -> str:
    """Return "64 x 256 x 256".

    Examples
    --------
    >>> shape_text([512, 512])
    '512 x 512'
    """
    return " x ".join(map(str, shape))


def reached_text(loss: Mapping[str, Any]) -> str:
    """Return what a loss record, or that of a channel, has reached.

    Examples
    --------
    >>> reached_text({"lossless": False, "psnr": 50.123, "max_error": 7})
    'PSNR 50.12 dB (range of the data), largest error 7'
    """
    if loss["lossless"]:
        return "lossless"
    psnr, error = loss["psnr"], loss["max_error"]
    reached = "PSNR undefined" if psnr is None else f"PSNR {psnr:.2f} dB (range of the data)"
    return reached + ("" if error is None else f", largest error {error:g}")
