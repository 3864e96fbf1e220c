"""The commands of soft compression: prepare, train, encode, decode, evaluate.

Values: parsed options in; folders, codebooks, containers, arrays and printed tables out. mmip_gpu/soft does the work.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

import mmip_gpu
from mmip_gpu.cli.failures import VerificationError
from mmip_gpu.cli.files import read_container
from mmip_gpu.cli.results import show
from mmip_gpu.cli.values import checked_suffix
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.quality.metrics import format_table
from mmip_gpu.reports import size_text, summary
from mmip_gpu.sinks import replacing
from mmip_gpu.soft import Codebook, Evaluation, find_codebook, register_codebook, train_codebook
from mmip_gpu.soft import encode as encode_softly
from mmip_gpu.soft import evaluate as evaluated
from mmip_gpu.soft import prepare as prepare_folders
from mmip_gpu.soft.codebook import SUFFIX
from mmip_gpu.soft.images import ImageSet, natural_order
from mmip_gpu.sources import open_source

__all__ = ["decode", "encode", "evaluate", "prepare", "train"]

_COLUMNS = ["image", "bytes", "ratio", "RMSE"]


def prepare(args: Namespace) -> None:
    """Divide a set into images to train with and images to test with."""
    train, test = prepare_folders(args.protocol, args.source, args.target)
    report = {"target": args.target, "train": train, "test": test}
    show(args, f"{args.target}: {train} images to train with, {test} to test with", report)


def train(args: Namespace) -> None:
    """Mine a codebook out of a folder of images."""
    images = _images(args.folder, args)
    book = _trained(images, args)
    path = book.save(args.output)
    report = {
        "path": str(path),
        "codebook": book.digest,
        "bytes": len(book.data),
        "images": len(images),
        "bits": book.bits,
        "components": book.components,
        "shapes": book.shapes,
    }
    shapes = ", ".join(map(str, book.shapes))
    show(args, f"{len(images)} images -> {path}, {size_text(len(book.data))}, {shapes} shapes\n{book.digest}", report)


def encode(args: Namespace) -> None:
    """Compress an image by a codebook."""
    path, source = checked_suffix(args.output, ".mmip"), open_source(args.input)
    if path.exists() and not args.overwrite:
        raise StoreError(f"{path} exists: pass overwrite=True, or write to another name")
    axes = args.axes or source.axes or None
    blob = encode_softly(source.read(), _codebook(args.codebook), embed=args.embed, axes=axes, threads=args.threads)
    with replacing(path, overwrite=args.overwrite) as partial:
        partial.write_bytes(blob)
    report = mmip_gpu.inspect(blob)
    show(args, f"{source.name} -> {path}\n{summary(report)}", report)


def decode(args: Namespace) -> None:
    """Decompress an image."""
    path = checked_suffix(args.output, ".npy")
    if args.codebook is not None:
        register_codebook(_codebook(args.codebook))
    image = mmip_gpu.decode(read_container(Path(args.input)), threads=args.threads, max_bytes=args.max_bytes)
    with replacing(path, overwrite=args.overwrite) as partial, partial.open("wb") as file:
        np.save(file, image)
    text = f"{path}: {' x '.join(map(str, image.shape))} {image.dtype}"
    show(args, text, {"path": str(path), "shape": image.shape, "dtype": image.dtype.name})


def evaluate(args: Namespace) -> None:
    """Code test images, decode them, and print what the original prints, and more."""
    found = _left_out(args) if args.leave_one_out else _tested(args)
    rows: list[dict[str, Any]] = [
        {"image": i.name, "bytes": i.coded_bytes, "ratio": round(i.ratio, 3), "RMSE": round(i.rmse, 2)}
        for i in found.images
    ]
    known = found.summary()
    lines = [
        format_table(rows, _COLUMNS),
        f"compression ratio: mean {known['mean']:.2f}, minimum {known['minimum']:.3f}, maximum {known['maximum']:.3f}, "
        f"variance {known['variance']:.5f}; root mean square error {known['rmse']:.2f}",
        f"corpus ratio (all bytes over all bytes): {known['corpus_ratio']:.3f}",
    ]
    if found.shapes:
        lines.append(
            f"{found.shapes} shapes; a location takes {found.bits_per_location:.1f} bits, and shapes pay below "
            f"{found.indicator:.1f} (compressible indicator)"
        )
    show(args, "\n".join(lines), known | {"rows": rows})
    if known["rmse"] > 0:
        raise VerificationError("decoded images differ from the originals")


def _tested(args: Namespace) -> Evaluation:
    """Test images by the codebook that was named, or by one that is trained on the images beside them."""
    folder = Path(args.folder)
    test = folder / "test" if (folder / "test").is_dir() else folder
    if args.codebook is not None:
        book = _codebook(args.codebook)
    elif (folder / "train").is_dir():
        book = _trained(_images(folder / "train", args), args)
    else:
        raise InvalidArgument(f"{folder}: expected folders train and test in it, or codebook=, or leave_one_out=True")
    return evaluated(_images(test, args), book, threads=args.threads)


def _left_out(args: Namespace) -> Evaluation:
    """Every image by a codebook of all the others."""
    if args.codebook is not None:
        raise InvalidArgument("leave_one_out=True trains codebooks of its own; leave codebook= out")
    if not Path(args.folder).is_dir():
        raise StoreError(f"{args.folder}: expected a folder of images")
    paths = sorted((path for path in Path(args.folder).iterdir() if path.is_file()), key=natural_order)
    if len(paths) < 2:
        raise InvalidArgument(f"{args.folder}: expected at least two images, found {len(paths)}")
    colour = False if args.no_colour else None
    whole = Evaluation(())
    for path in paths:
        book = _trained(ImageSet([other for other in paths if other != path], colour=colour), args)
        whole = whole.joined(evaluated([path], book, threads=args.threads))
    return whole


def _images(folder: str | Path, args: Namespace) -> ImageSet:
    return ImageSet(Path(folder), colour=False if args.no_colour else None)


def _trained(images: ImageSet, args: Namespace) -> Codebook:
    return train_codebook(images, bits=args.bits, degree=args.degree)


def _codebook(text: str) -> Codebook:
    if text.startswith("sha256:"):
        return find_codebook(text)
    if not Path(text).is_dir():
        return Codebook.load(text)
    inside = list(Path(text).glob(f"*{SUFFIX}"))
    if len(inside) != 1:
        raise InvalidArgument(
            f"codebook={text}: expected a file, or a folder of one codebook, found {len(inside)} in it"
        )
    return Codebook.load(inside[0])
