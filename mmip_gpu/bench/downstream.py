"""What the loss does to the segmentation: scores against bits for each codec, and the bits at which they fall.

Values: records of a run in; rows (dict) for each group of images, task, codec and setting, and rows of the bits at
which a score has fallen, out. Guarantees that a codec counts at a setting only with all images of the group.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from itertools import pairwise

from mmip_gpu.bench.intervals import bootstrap
from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.records import Record

__all__ = ["KEPT", "WITHIN", "bits_at_score", "fall_rows", "score_rows"]

KEPT = 0.01  # what a Dice may fall by
WITHIN = 0.005  # what is called an equal Dice
_SCORES = (("truth", "dice"), ("truth", "ap50"), ("original", "dice"), ("original", "boundary_f1"))
_SEED = 0


def score_rows(records: Sequence[Record]) -> list[Row]:
    """Return means and 95 % intervals over images, by group, task, codec and setting."""
    sorted_out: dict[tuple[str, str, str, float | None], list[Record]] = {}
    images: dict[tuple[str, str], set[str]] = {}
    for record in records:
        for task, scores in record["tasks"].items():
            group = record["image"]["group"]
            images.setdefault((group, task), set()).add(record["image"]["checksum"])
            key = (group, task, record["codec"]["name"], record["setting"]["value"])
            if scores["original"] is not None:  # the task did not fail
                sorted_out.setdefault(key, []).append(record)
    return [_row(key, found) for key, found in sorted_out.items() if len(found) == len(images[key[:2]])]


def _row(key: tuple[str, str, str, float | None], records: Sequence[Record]) -> Row:
    group, task, codec, asked = key
    coded = sum(record["bytes"] for record in records)
    samples = sum(8 * record["bytes"] / record["bits_per_sample"] for record in records)
    row: Row = {
        "group": group,
        "task": task,
        "segmenter": records[0]["tasks"][task]["segmenter"],
        "codec": codec,
        "version": records[0]["codec"]["version"],
        "asked_bits": asked,
        "images": len(records),
        "data": _data(records),
        "bits_per_sample": 8 * coded / samples,
        "bytes": coded / len(records),
    }
    for kind, score in _SCORES:
        values = [(record["tasks"][task][kind] or {}).get(score) for record in records]
        known = [value for value in values if value is not None]
        mean, low, high = bootstrap(known, _SEED) if known else (None, None, None)
        row |= {f"{kind}_{score}": mean, f"{kind}_{score}_low": low, f"{kind}_{score}_high": high}
    return row


def _data(records: Sequence[Record]) -> str:
    """First 16 hex digits of the SHA-256 of the images' checksums."""
    return hashlib.sha256("".join(sorted(r["image"]["checksum"] for r in records)).encode()).hexdigest()[:16]


def bits_at_score(points: Sequence[tuple[float, float]], level: float) -> tuple[float | None, str]:
    """Return the fewest bits from which on a score stays at a level, and what is to be said of them.

    Parameters
    ----------
    points : sequence of tuple
        (bits, score); between two the score is a straight line over the logarithm of the bits.

    Returns
    -------
    tuple
        Bits, and "": "at most" where the score of the fewest bits is still there, and None with "never" where that of
        the most is not.

    Examples
    --------
    >>> bits, mark = bits_at_score([(0.25, 0.5), (1.0, 0.9)], 0.7)
    >>> round(bits, 6), mark
    (0.5, '')
    """
    ordered = sorted(points, reverse=True)
    if not ordered or ordered[0][1] < level:
        return None, "never"
    for (more, above), (fewer, below) in pairwise(ordered):
        if below < level:
            share = (level - below) / (above - below)
            return math.exp((1 - share) * math.log(fewer) + share * math.log(more)), ""
    return ordered[-1][0], "at most"


def fall_rows(rows: Sequence[Row], anchor: str) -> list[Row]:
    """Return, for each group, task and codec, the bits at which the Dice has fallen by `KEPT`.

    Parameters
    ----------
    rows : sequence of dict
        Of `score_rows`; those of a codec without loss say what is found on the originals.
    anchor : str
        The codec that the others are compared with.

    Returns
    -------
    list of dict
        ``truth_bits``, and ``truth_bytes`` of an image: the Dice against ground truth is `KEPT` below that of the
        originals; ``original_bits``: that against the segmentation of the original is 1 - `KEPT`; each over the bits
        of the anchor, and over them at a Dice that is `WITHIN` lower.
    """
    found: list[Row] = []
    for group, task in dict.fromkeys((row["group"], row["task"]) for row in rows):
        own = [row for row in rows if (row["group"], row["task"]) == (group, task)]
        exact = [row["truth_dice"] for row in own if row["asked_bits"] is None]
        if not exact or exact[0] is None:
            continue
        levels = {"truth": exact[0] - KEPT, "original": 1 - KEPT}
        curves = {
            codec: {kind: _points(own, codec, f"{kind}_dice") for kind in levels}
            for codec in dict.fromkeys(row["codec"] for row in own if row["asked_bits"] is not None)
        }
        for codec, curve in curves.items():
            row: Row = {"group": group, "task": task, "codec": codec, "uncompressed_dice": exact[0]}
            row |= {"images": own[0]["images"], "data": own[0]["data"]}
            for kind, level in levels.items():
                bits, note = bits_at_score(curve[kind], level)
                least, least_note = bits_at_score(curves[anchor][kind], level) if anchor in curves else (None, "never")
                lower, _ = bits_at_score(curve[kind], level - WITHIN)
                comparable = bits and least and not least_note
                row |= {
                    f"{kind}_bits": bits,
                    f"{kind}_bytes": bits * own[0]["bytes"] / own[0]["bits_per_sample"] if bits else None,
                    f"{kind}_note": note,
                    f"{kind}_ratio": bits / least if comparable and bits and least else None,
                    f"{kind}_ratio_within": lower / least if comparable and lower and least else None,
                }
            found.append(row)
    return found


def _points(rows: Sequence[Row], codec: str, score: str) -> list[tuple[float, float]]:
    own = [row for row in rows if row["codec"] == codec and row[score] is not None]
    return [(row["bits_per_sample"], row[score]) for row in own]
