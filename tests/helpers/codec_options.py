"""Options of the codec `mmip`: exact coding, all options at once, and options that are refused."""

from __future__ import annotations

import math
from typing import Any

EXACT: dict[str, Any] = {"lossless": True, "stages": 2, "effort": 1, "verify": False}
FULL: dict[str, Any] = {
    "psnr": 50, "data_range": 4095.0, "cuts": [9, 30], "effort": 1, "padding": None, "cell_depth": 1, "axes": "yxc",
    "colour": False, "roi": "range:100..200", "roi_quality": {"1": "lossless"}, "verify": False,
}  # fmt: skip
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "exactly one of quality"),
    ({"quality": 10, "psnr": 40}, "exactly one of quality"),
    ({"quality": 0}, r"quality=0.*\(0, 440\]"),
    ({"qstep": 0}, "qstep=0.*0.25 to 65536"),
    ({"quality": "high"}, "quality='high'.*finite number"),
    ({"psnr": 50}, "data_range=None"),
    ({"psnr": 50, "data_range": math.inf}, "data_range=inf"),
    ({"quality": 10, "data_range": 5}, "data_range=5.*psnr="),
    ({"lossless": "smallest"}, "lossless='smallest'.*'small'"),
    ({"lossless": True, "roi_quality": 9}, "roi_quality=9.*roi="),
    ({"lossless": 1}, "lossless=1.*true, false"),
    ({"lossless": "small", "stages": 3}, "excludes stages="),
    ({"lossless": "small", "roi": "threshold:9"}, "excludes roi="),
    ({"lossless": "small", "cell_depth": 8}, "excludes cell_depth="),
    ({"labels": True, "stages": 3}, "excludes stages="),
    ({"labels": True, "cell_depth": 1}, "excludes cell_depth="),
    ({"labels": True, "lossless": True}, "exactly one of quality"),
    ({"labels": True, "step": 0.5}, "excludes step="),
    ({"quality": 10, "stages": 9}, "stages=9.*2 to 5"),
    ({"quality": 10, "stages": 3.0}, "stages=3.0.*an integer"),
    ({"quality": 10, "cuts": "9"}, "cuts='9'.*list of integers"),
    ({"quality": 10, "cuts": [30, 9]}, "cuts=.*ascending"),
    ({"quality": 10, "effort": 4}, "effort=4.*1, 2 or 3"),
    ({"quality": 10, "step": 0}, "step=0"),
    ({"quality": 10, "padding": "black"}, "padding='black'"),
    ({"quality": 10, "cell_depth": 2}, "cell_depth=2"),
    ({"quality": 10, "axes": "xyz"}, "axes='xyz'"),
    ({"quality": 10, "axes": 3}, "axes=3"),
    ({"quality": 10, "colour": "yes"}, "colour='yes'"),
    ({"quality": 10, "colour": True}, "axes=None.*an axis c"),
    ({"quality": 10, "roi": "otsu"}, "roi='otsu'.*threshold"),
    ({"quality": 10, "roi": "near:3"}, "roi rule"),
    ({"quality": 10, "roi": [1]}, "roi=.*a rule"),
    ({"quality": 10, "roi_quality": 40}, "roi_quality=40.*roi="),
    ({"quality": 10, "roi": "threshold:9", "roi_quality": {"9": 4}}, "roi_quality.*found 9"),
    ({"quality": 10, "roi": "threshold:9", "roi_quality": {"best": 4}}, "roi_quality.*found 'best'"),
    ({"quality": 10, "roi": "threshold:9", "roi_quality": [9]}, "roi_quality=.*{class: quality}"),
    ({"quality": 10, "verify": "no"}, "verify='no'"),
]
