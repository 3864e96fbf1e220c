"""Writes the golden vectors that are missing, and index.json anew: python tests/vectors/write.py

A vector is written once and only read after; to replace those of a draft, delete their files first.
The index holds for each file: how to make its input, how to encode it, and checksums of all that it decodes to.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent
if __name__ == "__main__":
    sys.path[:0] = [str(FOLDER.parent), str(FOLDER.parents[1])]

import reference  # noqa: E402
from helpers.single_payloads import with_own_field  # noqa: E402
from reference.random_streams import CASES, random_coefficients, random_own  # noqa: E402

import mmip_gpu as mmip  # noqa: E402
from mmip_gpu import _core, soft  # noqa: E402
from vectors import makers  # noqa: E402
from vectors.explain import explain  # noqa: E402

SCALES = (1, 2, 4, 8)

# name: (maker, shape, dtype, classes of the roi, options of encode)
ENCODED: dict[str, tuple[str, tuple[int, ...], str, int, dict[str, Any]]] = {
    "example": ("gradient", (8, 8), "uint8", 0, {"quality": 10, "stages": 2, "cell_depth": 1}),
    "empty": ("noise", (0, 4), "uint16", 0, {"quality": 10}),
    "one_voxel": ("noise", (1,), "int16", 0, {"quality": 10}),
    "raw": ("noise", (9, 11), "int16", 0, {"lossless": True, "stages": 2}),
    "1d": ("textured", (700,), "uint16", 0, {"psnr": 50}),
    "2d": ("textured", (130, 110), "uint16", 0, {"quality": 10}),
    "2d_edges": ("edges", (150, 140), "uint8", 0, {"psnr": 42, "stages": 4}),
    "2d_half": ("half", (90, 130), "int8", 0, {"quality": 60, "stages": 2}),
    "2d_lossless": ("textured", (70, 61), "int16", 0, {"lossless": True, "stages": 3}),
    "2d_roi": ("textured", (120, 100), "uint16", 3, {"quality": 3, "roi_quality": "lossless"}),
    "2d_sixteen_stages": ("textured", (60, 50), "uint16", 0, {"quality": 40, "cuts": list(range(4, 60, 4))}),
    "3d_cells": ("textured", (35, 36, 33), "uint16", 0, {"quality": 1, "cell_depth": 8, "stages": 5}),
    "3d_slices": ("slices", (32, 56, 48), "uint16", 0, {"quality": 1, "cell_depth": 8}),
    "3d_flat_cells": ("hills", (5, 60, 70), "int16", 0, {"quality": 5, "cell_depth": 1}),
    "3d_roi": ("edges", (20, 44, 40), "int8", 8, {"quality": 20, "cell_depth": 8, "roi_quality": 200}),
    "3d_lossless": ("textured", (17, 19, 23), "uint8", 0, {"lossless": True, "stages": 4, "cell_depth": 8}),
    "colour": ("textured", (60, 70, 3), "uint8", 0, {"quality": 60, "axes": "yxc"}),
    "colour_roi": ("edges", (3, 9, 40, 33), "uint8", 2, {"psnr": 30, "axes": "czyx", "roi_quality": "lossless"}),
    "colour_lossless": ("textured", (30, 3, 31), "int16", 0, {"lossless": True, "stages": 3, "axes": "ycx"}),
    "padding_2d": ("disc", (100, 90), "uint16", 0, {"quality": 10, "padding": 0}),
    "padding_3d": ("disc", (20, 60, 50), "int16", 2, {"psnr": 50, "cell_depth": 8, "padding": -32768}),
    "padding_lossless": ("disc", (3, 50, 70), "uint8", 0, {"lossless": True, "stages": 3, "padding": 0}),
    "padding_max_error": ("disc", (9, 60, 50), "int16", 1, {"max_error": 9, "padding": -32768}),
    "planes": ("textured", (2, 3, 2, 3, 19, 21), "int8", 0, {"quality": 80, "axes": "ctnzyx", "per_channel": False}),
    "2d_max_error": ("textured", (90, 80), "uint16", 0, {"max_error": 40.5, "stages": 3}),
    "3d_max_error_roi": (
        "edges",
        (12, 36, 40),
        "int16",
        2,
        {"max_error": 300, "roi_quality": "lossless", "cell_depth": 8},
    ),
    "colour_max_error": ("textured", (50, 44, 3), "uint8", 0, {"max_error": 3, "axes": "yxc", "stages": 2}),
    "2d_float": ("textured", (70, 61), "float32", 0, {"psnr": 50, "step": 0.003}),
    "3d_float_max_error": ("textured", (9, 30, 33), "float32", 2, {"max_error": 0.1, "step": 2.0**-9, "cell_depth": 8}),
    "1d_float_lossless": ("noise", (400,), "float32", 0, {"lossless": True, "stages": 2, "step": 0.1}),
    "raw_float": ("noise", (5, 7), "float32", 0, {"lossless": True, "stages": 2, "step": 1e-4}),
    "dc_image": ("hills", (500, 460), "uint16", 0, {"psnr": 30}),
    "dc_image_slices": ("slices", (5, 330, 290), "int16", 0, {"psnr": 38, "cell_depth": 1, "stages": 3}),
    "dc_image_colour": ("hills", (300, 320, 3), "uint8", 0, {"psnr": 38, "axes": "yxc"}),
    "3d_qstep": ("textured", (9, 40, 37), "uint8", 2, {"qstep": 6.5, "cell_depth": 8}),
    "mixed_2d": ("textured", (90, 70), "uint16", 0, {"lossless": "small"}),
    "mixed_2d_tiles": ("hills", (2, 20, 300), "int16", 0, {"lossless": "small", "axes": "nyx"}),
    "mixed_3d": ("textured", (5, 25, 30), "int8", 0, {"lossless": "small"}),
    "mixed_ranks": ("slices", (18, 12, 14), "uint16", 0, {"lossless": "small"}),
    "mixed_colour": ("textured", (30, 40, 3), "uint8", 0, {"lossless": "small", "axes": "yxc"}),
    "mixed_palette": ("slices", (3, 30, 40), "uint8", 0, {"lossless": "small", "axes": "cyx"}),
    "mixed_float": ("textured", (40, 33), "float32", 0, {"lossless": "small", "step": 0.01}),
    "labels_2d": ("objects", (61, 70), "uint8", 0, {"labels": True}),
    "labels_3d": ("objects", (13, 26, 21), "uint16", 0, {"labels": True}),
    "labels_uint32": ("objects", (5, 30, 41), "uint32", 0, {"labels": True}),
    "labels_channels": ("objects", (27, 35, 3), "int8", 0, {"labels": True, "axes": "yxc"}),
    "labels_raw": ("noise", (6, 9, 7), "int16", 0, {"labels": True}),
    "labels_int64_tiles": ("objects", (2, 37, 20, 150), "int64", 0, {"labels": True, "axes": "nzyx"}),
    "labels_uint64_raw": ("noise", (3, 5), "uint64", 0, {"labels": True}),
    "labels_int32": ("objects", (530, 60), "int32", 0, {"labels": True}),
    "predicted_groups": ("edges", (18, 40, 44), "uint8", 0, {"qstep": 20, "effort": 2, "prediction": True}),
    "channels": ("textured", (3, 9, 40, 33), "uint16", 0, {"qstep": [40, 300, 1000.5], "axes": "czyx"}),
    "channels_max_error": ("edges", (60, 4, 50), "int16", 0, {"max_error": [0, 3, 40, 900.5], "axes": "ycx"}),
    "channels_float": (
        "textured",
        (70, 61, 2),
        "float32",
        2,
        {"psnr": 50, "step": 0.003, "axes": "yxc", "roi_quality": "lossless"},
    ),
    "channels_padding": ("disc", (2, 2, 9, 50, 44), "uint8", 0, {"psnr": 40, "axes": "tczyx", "padding": 0}),
    "channels_dc_image": ("hills", (2, 330, 290), "uint16", 0, {"psnr": 30, "axes": "cyx"}),
    "times": ("textured", (6, 70, 66), "uint16", 0, {"quality": 2, "axes": "tyx", "slice_axis": "t"}),
    "times_predicted": (
        "edges",
        (5, 130, 140),
        "uint16",
        0,
        {"qstep": 900, "axes": "tyx", "slice_axis": "t", "prediction": True},
    ),
    "times_volumes": (
        "slices",
        (4, 3, 2, 40, 44),
        "int16",
        2,
        {"psnr": 45, "axes": "tczyx", "slice_axis": "t", "roi_quality": "lossless"},
    ),
    "numbers_max_error": ("disc", (2, 50, 3, 60), "uint8", 0, {"max_error": 3, "axes": "zynx", "slice_axis": "n"}),
}
# name: (maker, shape, dtype, options of train_codebook, which gets an image of another seed); codebooks are embedded
SOFT: dict[str, tuple[str, tuple[int, ...], str, dict[str, Any]]] = {
    "soft_2d": ("edges", (71, 60), "uint8", {}),
    "soft_colour": ("edges", (67, 50, 3), "uint8", {"axes": "yxc"}),
    "soft_signed": ("objects", (3, 41, 50), "int16", {"axes": "zyx"}),
    "soft_channels": ("edges", (2, 2, 31, 40), "uint8", {"axes": "ncyx", "degree": 9.0}),
    "soft_wide": ("objects", (5, 700), "uint16", {}),
}
# name: (shape, axes, seed): images that were JPEG files, by seed 4:4:4, 4:2:2, 4:2:0 and cut out of the grid
JPEG_ORIGIN: dict[str, tuple[tuple[int, ...], str, int]] = {
    "jpeg_grey": ((2, 50, 61), "zyx", 1),
    "jpeg_full": ((40, 46, 3), "yxc", 3),
    "jpeg_half_x": ((41, 75, 3), "yxc", 1),
    "jpeg_half": ((2, 70, 66, 3), "nyxc", 2),
    "jpeg_half_cut": ((61, 59, 3), "yxc", 5),
    "jpeg_half_y": ((75, 41, 3), "yxc", 9),
}
# the same for kind 2, of which seeds are counted anew; "bits" is no option: see `encode`
PREDICTIVE: dict[str, tuple[str, tuple[int, ...], str, int, dict[str, Any]]] = {
    "predictive_1d": ("hills", (1500,), "uint16", 0, {"lossless": True}),
    "predictive_2d": ("textured", (70, 61), "int16", 0, {"lossless": True}),
    "predictive_3d": ("textured", (17, 19, 23), "uint8", 0, {"lossless": True}),
    "predictive_3d_previous": ("hills", (9, 30, 40), "uint16", 0, {"lossless": True, "effort": 3}),
    "predictive_planes": ("hills", (2, 3, 2, 3, 19, 21), "int16", 0, {"lossless": True, "axes": "ctnzyx"}),
    "predictive_plain": ("noise", (3, 9, 20, 23), "uint16", 0, {"lossless": True, "axes": "czyx"}),
    "predictive_ycocg": ("slices", (3, 9, 20, 23), "uint16", 0, {"lossless": True, "axes": "czyx"}),
    "predictive_differences": ("tinted", (3, 5, 30, 31), "int8", 0, {"lossless": True, "axes": "czyx"}),
    "predictive_palette": ("disc", (40, 52, 3), "uint8", 0, {"lossless": True, "axes": "yxc"}),
    "predictive_ranks": ("objects", (61, 70), "uint16", 0, {"lossless": True}),
    "predictive_sets": ("slices", (6, 100, 90), "uint8", 0, {"lossless": True, "effort": 3}),
    "predictive_float": ("textured", (40, 41), "float32", 0, {"lossless": True, "step": 2.0**-9}),
    "predictive_20_bits": ("noise", (60, 61), "float32", 0, {"lossless": True, "step": 2.0**-7, "bits": 20}),
    "predictive_near": ("textured", (12, 30, 33), "uint16", 0, {"max_error": 90, "effort": 1}),
    "predictive_near_colour": ("textured", (40, 44, 3), "int8", 0, {"max_error": 2, "axes": "yxc", "effort": 1}),
    "predictive_near_float": ("edges", (9, 33, 40), "float32", 0, {"max_error": 0.1, "step": 2.0**-7, "effort": 1}),
}
# streams that no encoder of ours writes: every code, mode and size, made by the reference
REFERENCE = {"reference_2d": ("2d", 1), "reference_classes": ("classes", 2), "reference_3d_thin": ("3d_thin", 3),
             "reference_planes": ("planes", 4), "reference_merged": ("2d_merged", 6),
             "reference_corrected": ("corrected", 7), "reference_float": ("float", 8),
             "reference_padding": ("padding_3d", 9), "reference_channels": ("channels", 13),
             "reference_dc_image": ("dc_image", 11), "reference_dc_image_colour": ("dc_image_colour", 12),
             "reference_corrected_padding": ("corrected_padding", 10),
             "reference_predicted": ("predicted", 13), "reference_predicted_slices": ("predicted_slices", 14),
             "reference_predicted_classes": ("predicted_classes", 15),
             "reference_predicted_times": ("predicted_times", 16),
             "reference_sliced_planes": ("sliced_planes", 17)}  # fmt: skip


def file_of(name: str) -> Path:
    return FOLDER / f"v1_{name}.mmip"


def input_of(entry: dict[str, Any]) -> tuple[NDArray[Any], dict[str, Any]]:
    """The array of an entry of the index and the keyword options of `encode`."""
    recipe, options = entry["input"], dict(entry["options"])
    shape = tuple(recipe["shape"])
    array = makers.make(recipe["maker"], shape, recipe["dtype"], recipe["seed"])
    if recipe["classes"]:
        axes = options.get("axes", "zyx"[3 - len(shape) :])
        voxels = tuple(n for n, a in zip(shape, axes, strict=True) if a != "c")
        options["roi"] = makers.make_classes(voxels, recipe["classes"], recipe["seed"])
    return array, options


def encode(array: NDArray[Any], options: dict[str, Any]) -> bytes:
    """A container by the options of `encode`; with "bits" values wrap around there."""
    given = dict(options)
    bits = given.pop("bits", None)
    blob = mmip.encode(array, **given)
    return blob if bits is None else with_own_field(blob, 11, bits, 1)


def checksum(array: NDArray[Any]) -> dict[str, Any]:
    """Shape and SHA-256 of the samples, C order, little endian."""
    samples = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
    return {"shape": list(array.shape), "sha256": hashlib.sha256(samples).hexdigest()}


def decoded_checksums(blob: bytes) -> dict[str, Any]:
    """Of every number of stages at full size, and of every scale."""
    return {
        "dtype": mmip.inspect(blob)["dtype"],
        "stages": [checksum(mmip.decode(blob, stages=k)) for k in range(1, len(mmip.inspect(blob)["stages"]) + 1)],
        "scales": {str(scale): checksum(mmip.decode(blob, scale=scale)) for scale in SCALES},
    }


def recipes() -> dict[str, dict[str, Any]]:
    """What the index says of every vector before its file is looked at."""
    found: dict[str, dict[str, Any]] = {}
    encoded = [*enumerate(ENCODED.items()), *enumerate(PREDICTIVE.items())]
    for seed, (name, (maker, shape, dtype, classes, options)) in encoded:
        recipe = {"maker": maker, "shape": list(shape), "dtype": dtype, "seed": seed, "classes": classes}
        found[name] = {"input": recipe, "options": options}
    for seed, (name, (maker, shape, dtype, options)) in enumerate(SOFT.items()):
        recipe = {"maker": maker, "shape": list(shape), "dtype": dtype, "seed": seed, "classes": 0}
        found[name] = {"input": recipe, "options": options, "codec": "soft"}
    for name, (shape, axes, seed) in JPEG_ORIGIN.items():
        recipe = {"maker": "jpeg", "shape": list(shape), "dtype": "uint8", "seed": seed, "classes": 0}
        found[name] = {"input": recipe, "options": {"lossless": "small", "axes": axes}}
    for name in REFERENCE:
        found[name] = {"input": None, "options": None}
    return found


def softly(entry: dict[str, Any]) -> bytes:
    """The vector of a codebook that was trained on another image."""
    array, options = input_of(entry)
    recipe = entry["input"]
    other = makers.make(recipe["maker"], tuple(recipe["shape"]), recipe["dtype"], recipe["seed"] + 1)
    return soft.encode(array, soft.train_codebook([other], **options), embed=True, axes=options.get("axes"))


def encoded(name: str, entry: dict[str, Any]) -> bytes:
    """A new vector's bytes."""
    if entry["input"] is not None:
        array, options = input_of(entry)
        return softly(entry) if "codec" in entry else encode(array, options)
    case, seed = REFERENCE[name]
    rng, header = np.random.default_rng(seed), CASES[case]
    return reference.encode(header, random_coefficients(rng, header), random_own(rng, header))


def main() -> None:
    """Write what is missing; report every file."""
    assert _core.select_kernels("baseline")
    index = recipes()
    for name, entry in index.items():
        path = file_of(name)
        written = not path.exists()
        if written:
            path.write_bytes(encoded(name, entry))
        blob = path.read_bytes()
        entry |= {"bytes": len(blob), "sha256": hashlib.sha256(blob).hexdigest(), "decoded": decoded_checksums(blob)}
        print(f"{'written' if written else 'kept':8} {path.name:36} {len(blob):6} bytes")
    (FOLDER / "index.json").write_text(json.dumps(index, indent=1) + "\n")
    (FOLDER / "example.txt").write_text(explain(file_of("example").read_bytes()))


if __name__ == "__main__":
    main()
