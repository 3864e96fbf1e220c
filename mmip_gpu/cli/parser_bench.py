"""Options of the commands that measure: bench, and run, report, stages and seed behind it.

Values: an ArgumentParser of a command in; its arguments added. Imports no command.
"""

from __future__ import annotations

from argparse import ArgumentParser

from mmip_gpu.cli.parser_views import add_source_limit
from mmip_gpu.cli.values import place

__all__ = ["add_bench", "add_report", "add_run", "add_seed", "add_stages"]

_IMAGES = (
    "phantoms, shared:PATTERN (the developers' images), NAME=FOLDER (your copy of imagecompression-gray8, -gray16, "
    "-rgb8, -rgb16, EMPIAR-12592, TG-GATEs, bioimage-mr, bioimage-brightfield), a folder or a file; NAME.mask.* and "
    "NAME.labels.* beside NAME.* are a region and the truth"
)
_CODECS = "names, patterns such as '*lossless', numcodecs:JSON, zarr:JSON (default: all that are installed)"
_TARGETS = "bits:0.25,0.5 (a sample), psnr:40,50, max_error:1,2, parameter:7, lossless "
_TARGETS += "(default bits:0.25,0.5,1,2 lossless)"


def add_bench(parser: ArgumentParser) -> None:
    """Add the arguments of ``mmip bench``."""
    parser.add_argument("input", metavar="INPUT", nargs="?", help="as of mmip encode (default phantom3d:64x256x256)")
    parser.add_argument(
        "--device", choices=("gpu", "cpu"), default="gpu", help="gpu: beside the CPU, where there is one (default)"
    )
    parser.add_argument("--axes", help="axis letters of INPUT (default: its own)")
    add_source_limit(parser)
    parser.add_argument("--threads", type=int, metavar="N", help="default: all cores")
    text = "in place of INPUT: compare all codecs on small phantoms, as mmip bench run and report do"
    parser.add_argument("--quick", action="store_true", help=text)
    parser.add_argument("--out", type=place, metavar="DIR", help="of --quick: folder of the results")


def add_run(parser: ArgumentParser) -> None:
    """Add the arguments of ``mmip bench run``."""
    parser.add_argument("--images", nargs="+", metavar="SET", help=_IMAGES)
    _add_measured(parser)


def _add_measured(parser: ArgumentParser) -> None:
    """Add what run and stages have in common."""
    parser.add_argument("--codecs", nargs="+", metavar="NAME", help=_CODECS)
    text = "nuclei, membranes, stars:FOLDER, unet:FOLDER (default nuclei membranes)"
    parser.add_argument("--tasks", nargs="*", metavar="TASK", help=text)
    parser.add_argument("--targets", nargs="+", metavar="TARGET", help=_TARGETS)
    text = "how channels are coded: joint separate luma (default: joint, separate by codecs that cannot)"
    parser.add_argument("--colours", nargs="+", choices=("joint", "separate", "luma"), help=text)
    parser.add_argument("--quick", action="store_true", help="small phantoms, every task and codec, few repeats")
    text = "for one image, codec and setting, all told (default 600, with --quick 60)"
    parser.add_argument("--time-limit", type=float, metavar="S", help=text)
    parser.add_argument("--threads", type=int, metavar="N", help="of the times with all threads (default: all cores)")
    _add_out(parser)


def add_report(parser: ArgumentParser) -> None:
    """Add the arguments of ``mmip bench report``."""
    parser.add_argument("folder", type=place, metavar="DIR", help="what mmip bench run wrote")
    parser.add_argument("--anchor", metavar="CODEC", help="what the others are compared with (default JPEG 2000)")
    text = "also the measures of the original evaluation, with what is wrong in each, and its tables as CSV"
    parser.add_argument("--as-written", action="store_true", help=text)


def add_stages(parser: ArgumentParser) -> None:
    """Add the arguments of ``mmip bench stages``."""
    text = (
        "NAME=FOLDER: your copy of imagecompression-gray16, imagecompression-rgb16, EMPIAR-12592, TG-GATEs, "
        "bioimage-mr or bioimage-brightfield; of a set that is not given, images that are at hand stand in"
    )
    parser.add_argument("--images", nargs="+", metavar="SET", help=text)
    _add_measured(parser)


def add_seed(parser: ArgumentParser) -> None:
    """Add the arguments of ``mmip bench seed``."""
    text = "as of mmip encode (default: two phantoms, and real images with masks where they are at hand)"
    parser.add_argument("input", metavar="INPUT", nargs="?", help=text)
    text = "region of INPUT: a mask, or a rule as of mmip encode (default threshold:9000)"
    parser.add_argument("--mask", metavar="RULE|MASK", help=text)
    parser.add_argument("--axes", help="axis letters of INPUT (default: its own)")
    add_source_limit(parser)
    _add_out(parser)


def _add_out(parser: ArgumentParser) -> None:
    text = "folder of the results; one that is there is gone on with"
    parser.add_argument("--out", type=place, metavar="DIR", required=True, help=text)
