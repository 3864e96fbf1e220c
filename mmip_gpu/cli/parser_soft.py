"""Options of the commands of soft compression: soft prepare, train, encode, decode, evaluate.

Values: an ArgumentParser of a command in; its arguments added. Imports no command.
"""

from __future__ import annotations

from argparse import ArgumentParser

from mmip_gpu.cli.parser_views import add_threads
from mmip_gpu.cli.values import byte_count, place

__all__ = ["SOFT"]

_FOLDER = "folder of images of one kind"
_BOOK = "a codebook: a file or its folder, or sha256:.. of one in $MMIP_CODEBOOKS (default ~/.mmip/codebooks)"


def _add_prepare(parser: ArgumentParser) -> None:
    text = "bccd, malaria, melanoma, drive, fire, or numbers of images to train with and to test with, such as 200/60"
    parser.add_argument("protocol", metavar="PROTOCOL", help=text)
    parser.add_argument("source", metavar="FOLDER", help="folder of the set, which you have")
    parser.add_argument("target", type=place, metavar="OUT", help="folder that gets OUT/train and OUT/test")


def _add_train(parser: ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help=_FOLDER)
    text = "file of the codebook (.mmsc), or a folder in which its hash names it"
    parser.add_argument("--output", "-o", type=place, metavar="FILE|FOLDER", required=True, help=text)
    _add_training(parser)


def _add_training(parser: ArgumentParser) -> None:
    parser.add_argument("--bits", type=int, metavar="N", help="bits of a sample, 8 to 16 (default: those of the dtype)")
    parser.add_argument("--no-colour", action="store_true", help="code three channels one by one")
    text = "a shape is kept that is found more often than this an image (default 0.5)"
    parser.add_argument("--degree", type=float, default=0.5, metavar="D", help=text)


def _add_encode(parser: ArgumentParser) -> None:
    parser.add_argument("input", metavar="INPUT", help="an image, as of mmip encode")
    parser.add_argument("--codebook", metavar="BOOK", required=True, help=_BOOK)
    parser.add_argument("--output", "-o", type=place, metavar="FILE.mmip", required=True)
    parser.add_argument("--embed", action="store_true", help="the file holds the codebook")
    parser.add_argument("--axes", help="axis letters of INPUT, such as yxc (default: its own)")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    add_threads(parser)


def _add_decode(parser: ArgumentParser) -> None:
    parser.add_argument("input", metavar="FILE.mmip")
    parser.add_argument("--codebook", metavar="BOOK", help=f"{_BOOK}; not needed for one that is found, or embedded")
    parser.add_argument("--output", "-o", type=place, metavar="FILE.npy", required=True)
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    parser.add_argument("--max-bytes", type=byte_count, default=2**31, metavar="2G", help="refuse a larger image")
    add_threads(parser)


def _add_evaluate(parser: ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="what mmip soft prepare wrote; else a folder of images")
    parser.add_argument("--codebook", metavar="BOOK", help=f"{_BOOK} (default: trained on FOLDER/train)")
    text = "code each image of FOLDER by a codebook that was trained on all the others"
    parser.add_argument("--leave-one-out", action="store_true", help=text)
    _add_training(parser)
    add_threads(parser)


SOFT = {
    "soft prepare": _add_prepare,
    "soft train": _add_train,
    "soft encode": _add_encode,
    "soft decode": _add_decode,
    "soft evaluate": _add_evaluate,
}
