"""The command demo: a volume into a progressive store, read back stage by stage, measured and drawn.

Values: parsed options in; a folder with the store, the results and the picture out.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import mmip_gpu
from mmip_gpu.cli.decoded import open_decoded
from mmip_gpu.cli.evaluation import evaluated
from mmip_gpu.cli.figures import draw
from mmip_gpu.cli.results import show, write_json
from mmip_gpu.cli.tables import evaluation_tables
from mmip_gpu.cli.values import coding_options, stated_options
from mmip_gpu.config import MODES
from mmip_gpu.sources import open_source
from mmip_gpu.sources.masks import placed_roi, roi_of_text

__all__ = ["demo"]

_PHANTOM = "phantom3d:64x256x256"
_PHANTOM_ROI = "threshold:9000"


def demo(args: Namespace) -> None:
    """Show all that the codec does on one volume."""
    source = open_source(args.input or _PHANTOM, **stated_options(args))
    is_phantom = source.metadata["kind"].startswith("phantom")
    options = coding_options(args)
    takes_roi = not (args.no_roi or args.labels or options.get("lossless") == "small")
    asked = args.roi or (_PHANTOM_ROI if is_phantom and takes_roi else None)
    roi = placed_roi(roi_of_text(asked), source)
    if not set(MODES) & set(options):
        options |= {"quality": 10} if is_phantom else {"psnr": 50}
    folder = Path(args.out)
    store, picture, results = (folder / name for name in ("volume.zarr", "progressive.png", "evaluation.json"))
    folder.mkdir(exist_ok=True)
    mmip_gpu.write_zarr(
        source,
        store,
        axes=args.axes or None,
        colour=False if args.no_colour else None,
        roi=roi,
        threads=args.threads,
        overwrite=True,
        **options,
    )
    decoded = open_decoded(str(store), threads=args.threads)
    evaluation = evaluated(source, decoded, roi, args.axes)
    write_json(str(results), evaluation)
    draw(source, decoded, evaluation, picture, roi)
    coded = f"{source.name}, coded with " + ", ".join(f"{key} {value}" for key, value in options.items())
    places = f"store:    {store}\npicture:  {picture}\nresults:  {results}"
    show(args, f"{coded}\n{evaluation_tables(evaluation)}\n\n{places}", evaluation)
