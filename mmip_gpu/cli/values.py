"""Option values: from the texts of a command line to what the library takes.

Values: texts in; slices, shapes, qualities, masks and option dictionaries out. Implements no section of
FORMAT.md. Guarantees that a text that cannot be read is refused with the form that is expected; leaves
ranges to the library.
"""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.options import CodingOptions
from mmip_gpu.quality.error_sums import checked_metrics

__all__ = [
    "architecture",
    "byte_count",
    "checked_suffix",
    "chunk_shape",
    "coding_options",
    "input_name",
    "json_place",
    "load_npy",
    "metric_names",
    "numbers",
    "padding",
    "place",
    "region",
    "roi_quality",
    "stated_options",
    "volume_shape",
    "voxel_size",
]

_CODING_NAMES = CodingOptions.__optional_keys__


def architecture(text: str) -> str:
    """Return the number of a device's architecture.

    Examples
    --------
    >>> architecture("sm_90")
    '90'
    """
    number = text.removeprefix("sm_")
    if not number.isascii() or not number.isdecimal() or len(number) > 4:
        raise ArgumentTypeError(f"expected a number such as 90, found {text!r}")
    return number


def region(text: str) -> tuple[slice, ...]:
    """Return the slices of "0:32,8:,:".

    Examples
    --------
    >>> region("0:32,8:")
    (slice(0, 32, None), slice(8, None, None))
    """
    slices = []
    for part in text.split(","):
        start, colon, stop = (piece.strip() for piece in part.partition(":"))
        if not colon or not all(not bound or bound.isdecimal() for bound in (start, stop)):
            raise ArgumentTypeError(f"expected start:stop for each axis, such as 0:32,0:64; found {text!r}")
        slices.append(slice(int(start) if start else None, int(stop) if stop else None))
    return tuple(slices)


def metric_names(text: str) -> tuple[str, ...]:
    """Return the metrics of a list with commas.

    Examples
    --------
    >>> metric_names("mae, ms_ssim")
    ('mae', 'ms_ssim')
    """
    try:
        return checked_metrics([name.strip() for name in text.split(",")])
    except InvalidArgument as error:
        raise ArgumentTypeError(str(error)) from None


def volume_shape(text: str) -> tuple[int, ...]:
    """Return the sizes of "64x256x256".

    Examples
    --------
    >>> volume_shape("64x256x256")
    (64, 256, 256)
    """
    return _sizes(text, "x", 3, "ZxYxX, such as 64x256x256")


def chunk_shape(text: str) -> int | tuple[int, ...]:
    """Return the sizes of "64,256,256", or the one of "64".

    Examples
    --------
    >>> chunk_shape("64,256,256"), chunk_shape("64")
    ((64, 256, 256), 64)
    """
    sizes = _sizes(text, ",", None, "one size, or one per axis, such as 64,256,256")
    return sizes if len(sizes) > 1 else sizes[0]


def voxel_size(text: str) -> tuple[float, ...] | float:
    """Return the numbers of "2,0.5,0.5", or the one of "0.5".

    Examples
    --------
    >>> voxel_size("2,0.5,0.5"), voxel_size("0.5")
    ((2.0, 0.5, 0.5), 0.5)
    """
    try:
        sizes = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ArgumentTypeError(f"expected lengths such as 2,0.5,0.5 or 0.5; found {text!r}") from None
    return sizes[0] if len(sizes) == 1 else sizes


def stated_options(args: Namespace) -> dict[str, Any]:
    """Return what the command line says of the samples of a source."""
    return {"dtype": args.dtype, "nan": args.nan, "labels": args.labels}


def byte_count(text: str) -> int:
    """Return the bytes of "256M", "2G" or "4096".

    Examples
    --------
    >>> byte_count("256M"), byte_count("4096")
    (268435456, 4096)
    """
    powers = {"K": 10, "M": 20, "G": 30}
    number, power = (text[:-1], powers[text[-1]]) if text[-1:] in powers else (text, 0)
    if not number.isdecimal():
        raise ArgumentTypeError(f"expected bytes such as 256M, 2G or 4096; found {text!r}")
    return int(number) << power


def _sizes(text: str, separator: str, count: int | None, expected: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(separator)]
    if len(parts) != (count or len(parts)) or not all(part.isdecimal() and int(part) for part in parts):
        raise ArgumentTypeError(f"expected {expected}; found {text!r}")
    return tuple(map(int, parts))


def roi_quality(text: str) -> float | str:
    """Return a number, or "lossless" as it is.

    Examples
    --------
    >>> roi_quality("20"), roi_quality("lossless")
    (20.0, 'lossless')
    """
    if text == "lossless":
        return text
    try:
        return float(text)
    except ValueError:
        raise ArgumentTypeError(f"expected a number or lossless, found {text!r}") from None


def padding(text: str) -> int | str:
    """Return an integer, or "auto" or "none" as they are.

    Examples
    --------
    >>> padding("-2000"), padding("none")
    (-2000, 'none')
    """
    if text in ("auto", "none"):
        return text
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"expected an integer, auto or none, found {text!r}") from None


def numbers(text: str) -> float | list[float]:
    """Return a number, or those of a list with commas.

    Examples
    --------
    >>> numbers("2"), numbers("1,2.5")
    (2.0, [1.0, 2.5])
    """
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise ArgumentTypeError(f"expected a number, or one for each channel as in 1,2,5; found {text!r}") from None
    return values if len(values) > 1 else values[0]


def coding_options(args: Namespace) -> CodingOptions:
    """Return the encoder's keyword options that were given, without the ROI and the axes."""
    options = {name: value for name, value in vars(args).items() if name in _CODING_NAMES and value is not None}
    if not options["labels"]:
        del options["labels"]
    if options.get("padding") == "none":
        options["padding"] = None
    options |= {name: False for name in ("verify", "per_channel") if getattr(args, f"no_{name}")}
    return cast(CodingOptions, options)


def place(text: str) -> str:
    """Return a place to write to as it is: a URL, or a path in a folder that is there.

    Raises
    ------
    StoreError
        A path in no folder.
    """
    if text == "-":
        raise ArgumentTypeError("expected a name: what is written needs to be a whole file, and is not streamed")
    folder = Path(text).absolute().parent
    if "://" not in text and "::" not in text and not folder.is_dir():
        raise StoreError(f"{text}: expected a place in a folder that is there, found none: mkdir -p {folder}")
    return text


def json_place(text: str) -> str:
    """Return a place for a report, or "-" for stdout."""
    return text if text == "-" else place(text)


def load_npy(path: Path) -> NDArray[Any]:
    """Return the array of a .npy file, memory-mapped, of any dtype.

    Raises
    ------
    StoreError
        A file that is missing or no .npy file.
    """
    if not path.is_file():
        raise StoreError(f"{path} does not exist")
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise StoreError(f"cannot read {path}: {error}") from error
    return array


def checked_suffix(path: str, suffix: str) -> Path:
    """Return the path of a file to write, which must have this suffix.

    Examples
    --------
    >>> checked_suffix("a.npy", ".npy").name
    'a.npy'
    """
    if Path(path).suffix != suffix:
        raise InvalidArgument(f"expected a file name that ends with {suffix}, found {path!r}")
    return Path(path)


def input_name(args: Namespace) -> str:
    """Name the part of the input that was asked for, as `open_source` reads it: "FOLDER:series=1,volume=0"."""
    parts = [f"{name}={value}" for name in ("series", "volume") if (value := getattr(args, name)) is not None]
    return f"{args.input}:{','.join(parts)}" if parts else str(args.input)
