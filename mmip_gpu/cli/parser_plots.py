"""Options of the figures behind ``mmip plot``, and the texts on images and regions that other commands share.

Values: an ArgumentParser of a figure in; its arguments added. Imports no command.
"""

from __future__ import annotations

from argparse import ArgumentParser

from mmip_gpu.cli.parser_views import add_source_limit
from mmip_gpu.cli.values import place

__all__ = ["INPUT", "ORIGINAL_AXES", "PLOTS", "ROI"]

INPUT = (
    ".npy, NIfTI, TIFF (FILE.tif:level=2 of a pyramid), PNG, JPEG, DICOM file or folder, Zarr array, or a name: "
    "phantom, phantom3d, phantom3d:64x256x256"
)
ROI = (
    "region of interest: threshold:9000 or range:300..3000 in stored values, hu:300..3000 in rescaled ones (DICOM, "
    "NIfTI), otsu, or a mask: .npy or any image"
)
ORIGINAL_AXES = "axis letters of ORIGINAL, such as zyx or yxc"
_RECORDS = "a folder of mmip bench run"


def _add_progressive(parser: ArgumentParser) -> None:
    _add_original(parser)
    parser.add_argument("decoded", metavar="FILE.mmip|STORE.zarr")
    parser.add_argument("--roi", metavar="RULE|MASK", help=ROI + "; outlined")
    _add_figure(parser)


def _add_error(parser: ArgumentParser) -> None:
    _add_original(parser)
    parser.add_argument(
        "decoded", metavar="DECODED", nargs="+", help="decoded .npy, .mmip files or stores, side by side"
    )
    parser.add_argument("--roi", metavar="RULE|MASK", help=ROI + "; outlined")
    _add_figure(parser)


def _add_roi(parser: ArgumentParser) -> None:
    _add_original(parser)
    parser.add_argument("decoded", metavar="FILE.mmip|STORE.zarr", help="coded with the region")
    text = "coded without it (default: made here, of the same bytes)"
    parser.add_argument("plain", metavar="PLAIN.mmip", nargs="?", help=text)
    parser.add_argument("--roi", metavar="RULE|MASK", required=True, help=ROI)
    _add_figure(parser)


def _add_rate(parser: ArgumentParser) -> None:
    parser.add_argument("results", metavar="RESULTS.json", nargs="+", help="written by mmip evaluate --json")
    _add_output(parser)


def _add_downstream(parser: ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help=_RECORDS)
    parser.add_argument("--task", metavar="TASK", help="nuclei, membranes, .. (default: the only one)")
    parser.add_argument("--score", choices=("dice", "iou", "ap50", "pq", "boundary_f1"), default="dice")
    text = "what is compared with: the ground truth (default), or what is found in the original"
    parser.add_argument("--against", choices=("truth", "original"), default="truth", help=text)
    _add_output(parser)


def _add_throughput(parser: ArgumentParser) -> None:
    text = f"written by mmip bench --json, or {_RECORDS}"
    parser.add_argument("results", metavar="RESULTS.json|DIR", nargs="+", help=text)
    _add_output(parser)


PLOTS = {
    "progressive": _add_progressive,
    "roi": _add_roi,
    "rate": _add_rate,
    "error": _add_error,
    "downstream": _add_downstream,
    "throughput": _add_throughput,
}


def _add_original(parser: ArgumentParser) -> None:
    parser.add_argument("original", metavar="ORIGINAL", help=INPUT)
    parser.add_argument("--axes", help=ORIGINAL_AXES)
    add_source_limit(parser)


def _add_figure(parser: ArgumentParser) -> None:
    """Add what figures of images share."""
    _add_output(parser)
    parser.add_argument("--threads", type=int, metavar="N", help="default: all cores")


def _add_output(parser: ArgumentParser) -> None:
    text = "picture to write: .png, .svg, .pdf"
    parser.add_argument("-o", "--output", type=place, required=True, metavar="FIG.png", help=text)
