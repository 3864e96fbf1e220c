"""All commands of ``mmip`` with their options.

Values: none in, an ArgumentParser out whose result names the function to run (``run``, "module:function") and
says what an interrupted user can do (``again``). Imports no command, so that ``mmip --help`` is quick.
"""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction
from typing import Any

from mmip_gpu.cli import parser_views, values
from mmip_gpu.cli.argument_parser import Parser
from mmip_gpu.cli.commands import COMMANDS
from mmip_gpu.cli.parser_bench import add_bench, add_report, add_run, add_seed, add_stages
from mmip_gpu.cli.parser_plots import INPUT, ORIGINAL_AXES, PLOTS, ROI
from mmip_gpu.cli.parser_soft import SOFT
from mmip_gpu.cli.values import byte_count, json_place, metric_names, numbers, padding, place, region, roi_quality
from mmip_gpu.quality.error_sums import EXTRA_METRICS
from mmip_gpu.values import SUPPORTED_SINKS
from mmip_gpu.version import __version__

__all__ = ["build_parser"]

_WRITES_JSON = ("append", "compress", "evaluate", "bench")


def build_parser() -> ArgumentParser:
    """Return the parser of the whole command line.

    Examples
    --------
    >>> build_parser().parse_args(["encode", "phantom", "-o", "a.mmip", "--quality", "10"]).run
    'files:encode'
    """
    parser = Parser(
        prog="mmip",
        description="Progressive, region-aware compression of biomedical images and volumes.",
        epilog="first steps: mmip demo\nhelp of one command: mmip encode --help",
    )
    parser.add_argument("--version", action="version", version=f"mmip {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_phantom(commands)
    _add_encode(commands)
    _add_decode(commands)
    _add_compress(commands)
    _add_append(commands)
    _add_extract(commands)
    parser_views.add_fetch(_command(commands, "fetch"))
    parser_views.add_upgrade(_command(commands, "upgrade"))
    parser_views.add_export(_command(commands, "export"))
    parser_views.add_serve(_command(commands, "serve"))
    parser_views.add_verify(_command(commands, "verify"))
    parser_views.add_repair(_command(commands, "repair"), INPUT)
    parser_views.add_info(_command(commands, "info"))
    _add_evaluate(commands)
    _add_plot(commands)
    _add_bench(commands)
    _add_soft(commands)
    _add_demo(commands)
    parser_views.add_migrate(_command(commands, "migrate"))
    parser_views.add_doctor(_command(commands, "doctor"))
    _command(commands, "completion").add_argument("shell", choices=("bash", "zsh"))
    return parser


def _command(commands: Any, name: str) -> ArgumentParser:
    """Add one command, or one of another, by both names."""
    command = COMMANDS[name]
    description = f"{command.text[0].upper()}{command.text[1:]}."
    parser: ArgumentParser = commands.add_parser(
        name.rsplit(maxsplit=1)[-1], help=command.text, description=description, epilog=f"example:\n  {command.example}"
    )
    parser.set_defaults(run=command.run, again=command.again)
    if command.run:  # else its own are commands
        parser.add_argument("--quiet", action="store_true", help="print no text and no bar")
        if name in _WRITES_JSON:
            parser.add_argument("--json", type=json_place, metavar="FILE", help="write the report; - prints it")
        elif name != "completion":
            parser.add_argument("--json", action="store_true", help="print JSON in the place of text")
    return parser


def _add_phantom(commands: Any) -> None:
    parser = _command(commands, "phantom")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--size", type=int, default=512, metavar="N", help="image of N x N (default 512)")
    size.add_argument("--volume", type=values.volume_shape, metavar="ZxYxX", help="volume, written slice by slice")
    _add_output(parser, "FILE.npy")
    _add_overwrite(parser)


def _add_input(parser: ArgumentParser) -> None:
    """Add what an encoder reads, and which part of it."""
    parser.add_argument("input", metavar="INPUT", help=INPUT)
    parser.add_argument("--series", metavar="N|UID", help="which series of a DICOM folder, or of a TIFF file")
    parser.add_argument("--volume", type=int, metavar="N", help="which volume of a DICOM series (default: all)")
    parser_views.add_source_limit(parser)


def _add_encode(commands: Any) -> None:
    parser = _command(commands, "encode")
    _add_input(parser)
    _add_output(parser, "FILE.mmip")
    _add_overwrite(parser)
    _add_coding(parser, is_required=True)


def _add_decode(commands: Any) -> None:
    parser = _command(commands, "decode")
    parser.add_argument("input", metavar="FILE.mmip")
    _add_decoded(parser)
    _add_part(parser)
    parser.add_argument("--max-bytes", type=byte_count, default=2**31, metavar="2G", help="refuse a larger image")


def _add_compress(commands: Any) -> None:
    parser = _command(commands, "compress")
    _add_input(parser)
    parser.add_argument("store", type=place, metavar="STORE.zarr")
    _add_coding(parser, is_required=True)
    parser.add_argument("--chunks", type=values.chunk_shape, metavar="64,256,256", help="samples per chunk and axis")
    parser.add_argument(
        "--voxel-size", type=values.voxel_size, metavar="2,0.5,0.5", help="size on z, y, x, or one for all"
    )
    parser.add_argument("--units", metavar="UNIT", help="of --voxel-size: mm (default), um, nm, ..")
    _add_overwrite(parser)
    parser.add_argument(
        "--durable", action=BooleanOptionalAction, help="flush each chunk to the disk (default for folders, no cluster)"
    )
    parser.add_argument("--check", action="store_true", help="read back and compare; exit code 1 on failure")
    parser.add_argument("--device", choices=("cpu", "gpu"), help="where chunks are coded; the bytes are the same")
    parser_views.add_cluster(parser)


def _add_append(commands: Any) -> None:
    parser = _command(commands, "append")
    parser.add_argument("input", metavar="INPUT", help="what comes after the store: " + INPUT)
    parser.add_argument("store", metavar="STORE.zarr")
    parser.add_argument("--axis", choices=("t", "n", "z"), help="the axis that grows (default: t, n, or z)")
    parser_views.add_source_limit(parser)
    parser_views.add_threads(parser)


def _add_extract(commands: Any) -> None:
    parser = _command(commands, "extract")
    parser.add_argument("input", metavar="STORE.zarr")
    _add_decoded(parser)
    _add_part(parser)


def _add_evaluate(commands: Any) -> None:
    parser = _command(commands, "evaluate")
    parser.add_argument("original", metavar="ORIGINAL", help=INPUT)
    parser.add_argument("decoded", metavar="DECODED", help="a decoded .npy, an .mmip file or a Zarr store")
    parser.add_argument("--roi", metavar="RULE|MASK", help=ROI)
    parser.add_argument("--axes", help=ORIGINAL_AXES)
    parser.add_argument("--bytes", type=int, metavar="N", help="coded size of a decoded .npy, for its ratio")
    measured = parser.add_mutually_exclusive_group()
    measured.add_argument("--metrics", type=metric_names, metavar="LIST", help="also " + ",".join(EXTRA_METRICS))
    measured.add_argument(
        "--all-metrics", dest="metrics", action="store_const", const=EXTRA_METRICS, help="all of them"
    )
    parser_views.add_source_limit(parser)
    parser_views.add_threads(parser)


def _add_plot(commands: Any) -> None:
    figures = _command(commands, "plot").add_subparsers(title="figures", metavar="FIGURE", required=True)
    for name, add in PLOTS.items():
        add(_command(figures, name))


def _add_bench(commands: Any) -> None:
    bench = _command(commands, "bench")
    add_bench(bench)
    for name, add in {"run": add_run, "report": add_report, "stages": add_stages, "seed": add_seed}.items():
        add(_command(bench, name))


def _add_soft(commands: Any) -> None:
    stages = _command(commands, "soft").add_subparsers(title="stages", metavar="STAGE", required=True)
    for name, add in SOFT.items():
        add(_command(stages, name))


def _add_demo(commands: Any) -> None:
    parser = _command(commands, "demo")
    parser.add_argument("input", metavar="INPUT", nargs="?", help=INPUT + " (default phantom3d:64x256x256)")
    parser.add_argument("--out", type=place, metavar="FOLDER", default="mmip_demo", help="default ./mmip_demo")
    parser_views.add_source_limit(parser)
    _add_coding(parser, is_required=False)


def _add_coding(parser: ArgumentParser, *, is_required: bool) -> None:
    """Add the options of an encoder, at most one target among them."""
    target: Any = parser.add_argument_group("target, one of")
    target = target.add_mutually_exclusive_group(required=is_required)
    bound = "largest error of any sample, in sample units, or E,E,.. of each channel; in one piece or few"
    target.add_argument("--quality", type=float, metavar="Q", help="0 < Q <= 440; first 10, or 40 for 8 bits")
    target.add_argument("--psnr", type=float, metavar="DB", help="PSNR on the data's range, never below it")
    target.add_argument("--max-error", type=numbers, metavar="E", help=bound)
    target.add_argument("--ratio", type=float, metavar="R", help="raw over coded bytes; near 50 dB: CT 55, MR 10")
    exact = "bit-exact, in one piece; with --stages once all stages are read"
    target.add_argument("--lossless", action="store_const", const=True, help=exact)
    small: dict[str, Any] = {"dest": "lossless", "action": "store_const", "const": "small"}
    target.add_argument("--lossless=small", **small, help="bit-exact, in one piece of fewest bytes, slowly")
    target.add_argument("--labels", action="store_true", help="names of objects: exact, and never mixed at any scale")
    target.add_argument("--qstep", type=numbers, metavar="S", help="step of the quantizer, or S,S,..; no search")
    group = parser.add_argument_group("coding")
    group.add_argument("--stages", type=int, metavar="N", help="coarse-to-fine stages, 2 to 5 (default 3)")
    roi = group.add_mutually_exclusive_group()
    roi.add_argument("--roi", metavar="RULE|MASK", help=ROI)
    roi.add_argument("--no-roi", action="store_true", help="no region of interest")
    group.add_argument("--roi-quality", type=roi_quality, metavar="Q|lossless", help="quality of the regions")
    group.add_argument("--axes", help="axis letters of INPUT: yx, zyx, tzyx, yxc, zyxc, tczyx (default: its own)")
    group.add_argument("--no-colour", action="store_true", help="code three channels one by one")
    group.add_argument("--no-per-channel", action="store_true", help="one step for all channels that are no colours")
    group.add_argument("--cell-depth", type=int, choices=(1, 8), help="2D or 3D blocks (default: the better)")
    predicted = "predict 2D blocks (default: tried at --effort 3)"
    group.add_argument("--prediction", action=BooleanOptionalAction, help=predicted)
    sliced = "axis of the slices of 2D blocks (default: z, or t where there is no z and it saves)"
    group.add_argument("--slice-axis", choices=("z", "t", "n"), help=sliced)
    group.add_argument("--step", type=float, metavar="S", help="float32 samples are rounded to multiples of S")
    group.add_argument("--dtype", metavar="TYPE", help="samples are coded as uint8, int8, uint16, int16 or float32")
    group.add_argument(
        "--nan", type=float, metavar="VALUE", help="float32: what NaN and infinity become, and decode to"
    )
    group.add_argument("--effort", type=int, choices=(1, 2, 3), help="1 fastest, 3 smallest (default 2)")
    group.add_argument("--padding", type=padding, metavar="auto|none|VALUE", help="value of samples without image")
    group.add_argument("--no-verify", action="store_true", help="record an estimate instead of the true error")
    parser_views.add_threads(group)


def _add_part(parser: ArgumentParser) -> None:
    """Add the options of a decoder."""
    parser.add_argument("--stages", type=int, metavar="K", help="read only the first K stages")
    parser.add_argument("--scale", type=int, choices=(1, 2, 4, 8), default=1, help="reduced size (default 1)")
    parser.add_argument("--region", type=region, metavar="0:32,0:64", help="start:stop per axis, at the scale")
    parser_views.add_threads(parser)


def _add_decoded(parser: ArgumentParser) -> None:
    """Add where a decoder writes to."""
    _add_output(parser, "OUT", f"file to write: {SUPPORTED_SINKS}")
    parser.add_argument(
        "--template", metavar="ORIGINAL", help="file or DICOM series that gives voxel size, header, patient, study"
    )
    _add_overwrite(parser)


def _add_overwrite(parser: ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")


def _add_output(parser: ArgumentParser, metavar: str, text: str = "file to write") -> None:
    parser.add_argument("-o", "--output", type=place, required=True, metavar=metavar, help=text)
