"""Train the segmenters of the benchmark on the committed split; each fold holds out planes that it is judged on.

    python -m mmip_gpu.neural.train fluorescence --data FOLDER --out WEIGHTS [--folds 0,1] [--steps 400] [--threads 2]

Subjects are fluorescence and histology (stars) and membranes; FOLDER holds the labelled images of split.json as .npy.
WEIGHTS gets SUBJECT-foldN.safetensors and a .json beside it, and SUBJECT-foldN.checkpoint, from which the same command
goes on where it was interrupted. Folds that are done are left as they are. Weights are not part of the project.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from mmip_gpu.errors import InvalidArgument, MmipError
from mmip_gpu.neural.crops import Crops
from mmip_gpu.neural.fitting import FitSettings, fit
from mmip_gpu.neural.planes import fingerprint, normalized
from mmip_gpu.neural.split import Plane, Subject, load_plane, subjects
from mmip_gpu.neural.thresholds import chosen_thresholds
from mmip_gpu.neural.unet import NetworkShape, folded, new_network
from mmip_gpu.neural.weights import write_weights

__all__ = ["main", "train_fold"]

_SHAPES = {
    "stars": {"grid": 2, "base": 32, "rays": 32},
    "membranes": {"grid": 1, "base": 16, "rays": 0, "features": 0},
}
_ZOOM = {"stars": 1.0, "membranes": 0.0}  # nuclei of one modality come in many sizes
_STEPS = {"fluorescence": 900, "histology": 700, "membranes": 400}


def train_fold(subject: Subject, fold: int, data: Path, out: Path, settings: FitSettings) -> Path:
    """Train on all planes that a fold does not hold out; return the file of the weights.

    A fold whose weights are there is not trained again.
    """
    path = out / f"{subject.name}-fold{fold}"
    weights = path.with_suffix(".safetensors")
    if weights.exists() and path.with_suffix(".json").exists():
        print(f"{weights} is there")
        return weights
    out.mkdir(parents=True, exist_ok=True)
    planes = [load_plane(data, subject, *plane) for plane in subject.trained_on(fold)]
    held_out = [load_plane(data, subject, *plane) for plane in subject.held_out(fold)]
    shape = NetworkShape(subject.kind, subject.channels, **_SHAPES[subject.kind])
    pairs = [(normalized(plane.samples, subject.channels), plane.labels) for plane in planes]
    crops = Crops(pairs, shape.rays, shape.grid, settings.side, settings.seed, _ZOOM[subject.kind])
    network = new_network(shape, settings.seed, is_learning=True)
    start = time.monotonic()

    def report(step: int, loss: float) -> None:
        if step % 20 == 0 or step == settings.steps:
            seconds = time.monotonic() - start
            print(f"{path.name}: step {step} of {settings.steps}, loss {loss:.4f}, {seconds:.0f} s", flush=True)

    losses = fit(network, crops, settings, path.with_suffix(".checkpoint"), report)
    plain = folded(network)
    facts = _facts(subject, fold, settings, planes, held_out, losses)
    return write_weights(path, plain, facts | chosen_thresholds(plain, planes))


def _facts(
    subject: Subject, fold: int, settings: FitSettings, planes: list[Plane], held_out: list[Plane], losses: list[float]
) -> dict[str, Any]:
    """How the weights were made."""
    last = losses[-20:]
    return {
        "subject": subject.name,
        "fold": fold,
        "settings": asdict(settings),
        "loss": sum(last) / len(last),
        "torch": torch.__version__,
        "trained_on": [fingerprint(plane.samples) for plane in planes],
        "held_out": [fingerprint(plane.samples) for plane in held_out],
        "planes": {"trained_on": subject.trained_on(fold), "held_out": subject.held_out(fold)},
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mmip_gpu.neural.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("subject", choices=sorted(subjects()))
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled images")
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights")
    parser.add_argument("--folds", help="numbers with commas; all where it is not given")
    parser.add_argument("--steps", type=int, help="steps of training; the subject's own where it is not given")
    parser.add_argument("--batch", type=int, default=2, help="crops a step")
    parser.add_argument("--side", type=int, default=128, help="rows and columns of a crop")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bfloat16", action="store_true", help="compute layers in bfloat16")
    parser.add_argument("--threads", type=int, default=2, help="of torch; the weights depend on it in their last bits")
    return parser


def _folds(subject: Subject, text: str | None) -> list[int]:
    if text is None:
        return list(range(len(subject.folds)))
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        raise InvalidArgument(f"--folds: expected numbers with commas, found {text!r}") from None
    for fold in found:
        subject.held_out(fold)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Train as the command line says; return the exit status."""
    options = _parser().parse_args(arguments)
    subject = subjects()[options.subject]
    torch.set_num_threads(options.threads)
    steps = options.steps or _STEPS[subject.name]
    settings = FitSettings(steps, options.batch, options.side, seed=options.seed, brain_floats=options.bfloat16)
    try:
        for fold in _folds(subject, options.folds):
            print(f"wrote {train_fold(subject, fold, options.data, options.out, settings)}")
    except MmipError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
