"""Arrays with options of `encode` in every mode, for runs on a device that are compared with the CPU."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from helpers.strategies import make, make_roi

# Content, shape, dtype, options, classes of a mask.
CASES: dict[str, tuple[str, tuple[int, ...], str, dict[str, Any], int]] = {
    "psnr": ("textured", (90, 130), "uint16", {"psnr": 50, "effort": 1}, 0),
    "psnr-deep": ("textured", (20, 40, 48), "uint8", {"psnr": 42, "effort": 1, "padding": None}, 0),
    "quality-mask": ("edges", (16, 40, 48), "int16", {"quality": 30, "effort": 1, "padding": None}, 3),
    "quality-colour": ("textured", (40, 33, 3), "uint8", {"quality": 20, "effort": 1, "axes": "yxc"}, 2),
    "ratio": ("smooth", (80, 90), "uint8", {"ratio": 20, "effort": 1}, 0),
    "lossless": ("noise", (12, 40, 30), "int8", {"lossless": True, "stages": 3}, 0),
    "channels": ("textured", (2, 30, 50), "uint16", {"psnr": 40, "effort": 1, "axes": "cyx", "verify": False}, 2),
    "raw": ("noise", (1, 9), "uint8", {"lossless": True, "stages": 3}, 0),
    "empty": ("noise", (0, 9), "uint8", {"psnr": 40}, 0),
    "rule": ("textured", (64, 70), "uint16", {"psnr": 45, "effort": 1, "roi": "range:9000..30000"}, 0),
    "padded": ("half", (64, 70), "uint16", {"psnr": 45, "effort": 1, "padding": 0}, 0),
    "effort-2": ("textured", (64, 70), "uint16", {"psnr": 45, "effort": 2}, 0),
    "bounded": ("textured", (40, 44), "uint8", {"max_error": 3, "stages": 3, "effort": 1}, 0),
    "bounded-deep": (
        "edges",
        (9, 40, 44),
        "int16",
        {"max_error": 900, "stages": 3, "effort": 1, "verify": False, "padding": None},
        3,
    ),
    "times": ("textured", (5, 40, 44), "uint16", {"psnr": 45, "effort": 2, "axes": "tyx", "slice_axis": "t"}, 2),
    "volumes": ("edges", (3, 2, 40, 44), "uint8", {"quality": 9, "axes": "tzyx", "slice_axis": "t", "effort": 1}, 3),
    "imaged": ("smooth", (300, 320), "uint8", {"psnr": 36, "effort": 1}, 0),
    "imaged-quality": ("textured", (300, 320), "uint8", {"quality": 8}, 0),  # plain rounding of a DC image decides
    "float": ("smooth", (40, 44), "float32", {"psnr": 50, "step": 0.05, "effort": 1}, 0),
    "float-quality": ("textured", (9, 40, 44), "float32", {"quality": 20, "step": 0.25, "effort": 1}, 0),
    "float-mask": ("textured", (60, 44), "float32", {"quality": 5, "step": 0.25, "effort": 1, "axes": "yx"}, 3),
    "float-bounded": ("textured", (60, 44), "float32", {"max_error": 1.0, "stages": 3, "step": 0.25, "effort": 1}, 0),
}
# The same with predicted blocks, at effort 3 unless they say another.
PREDICTED: dict[str, tuple[str, tuple[int, ...], str, dict[str, Any], int]] = {
    "predicted-psnr": ("edges", (3, 90, 130), "uint16", {"psnr": 45, "effort": 2}, 0),
    "predicted-searched": ("edges", (5, 80, 100), "uint8", {"qstep": 6, "stages": 4}, 0),
    "predicted-quality": ("edges", (140, 150), "int16", {"quality": 20}, 0),
    "predicted-ratio": ("edges", (2, 140, 70), "uint16", {"ratio": 20, "effort": 2}, 0),
    "predicted-times": ("textured", (5, 40, 44), "uint16", {"psnr": 40, "axes": "tyx", "slice_axis": "t"}, 2),
    "predicted-bounded": ("textured", (40, 144), "uint8", {"max_error": 3, "stages": 3, "effort": 2}, 0),
    "predicted-exact-part": ("edges", (3, 60, 90), "uint16", {"qstep": 900, "roi_quality": "lossless"}, 2),
    "predicted-colour": ("textured", (40, 90, 3), "uint8", {"quality": 20, "axes": "yxc"}, 0),
    "predicted-padded": ("half", (3, 64, 70), "uint16", {"psnr": 45, "padding": 0}, 0),
    "predicted-float": ("smooth", (2, 60, 44), "float32", {"psnr": 45, "step": 0.05}, 0),
    "predicted-imaged": ("smooth", (600, 320), "uint8", {"qstep": 60}, 0),
    "predicted-nowhere": ("constant", (2, 40, 50), "uint8", {"qstep": 4, "verify": False}, 0),
}


def case(name: str) -> tuple[NDArray[Any], dict[str, Any]]:
    if name in PREDICTED:
        kind, shape, dtype, options, classes = PREDICTED[name]
        options = {"prediction": True, "effort": 3} | options
    else:
        kind, shape, dtype, options, classes = CASES[name]
    array = make(kind, shape, dtype, 7)
    if classes:
        options = options | {"roi": make_roi(array, options.get("axes", "zyx"), classes, 3)}
    return array, options
