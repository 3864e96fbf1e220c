"""Weights that StarDist saved (Keras, HDF5) as weights of ours, without TensorFlow.

    python -m mmip_gpu.neural.keras_weights MODEL_FOLDER_OR_H5 OUT

Values: weights_best.h5 (or another .h5) of a 2D StarDist model with a U-Net, and config.json and thresholds.json beside
it where they are, in; OUT.safetensors and OUT.json out. Kernels are (y, x, in, out) there and (out, in, y, x) here.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmip_gpu.errors import CorruptData, InvalidArgument, MissingResource, MmipError
from mmip_gpu.neural.segmenter import DEFAULT_OVERLAP, DEFAULT_PROBABILITY
from mmip_gpu.neural.unet import NetworkShape, new_network
from mmip_gpu.neural.weights import write_weights

__all__ = ["convert_stardist", "main"]

Layers = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]

_GRID_LAYER = re.compile(r"conv2d(?:_(\d+))?")  # what Keras calls the layers that have no name in StarDist
_CLASS_LAYERS = ("features_class", "prob_class")


def convert_stardist(source: Path, out: Path) -> Path:
    """Write the weights of a StarDist model as ours.

    Parameters
    ----------
    source : pathlib.Path
        The .h5 file, or the folder of the model with weights_best.h5.
    out : pathlib.Path
        Without an ending.

    Raises
    ------
    MissingResource
        Where there is no such file, or no h5py.
    InvalidArgument
        For a model that is none of a 2D StarDist with a U-Net.
    CorruptData
        For a file that cannot be read.
    """
    path = source / "weights_best.h5" if source.is_dir() else source
    if not path.is_file():
        raise MissingResource(f"{path} is not there: expected the .h5 file of a StarDist model, or its folder")
    layers = _renamed(_read_layers(path))
    network = new_network(_shape(layers, path), 0)
    expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
    found = {
        f"layers.{layer}.{part}": torch.from_numpy(np.ascontiguousarray(value))
        for layer, (kernel, bias) in layers.items()
        for part, value in (("weight", kernel.transpose(3, 2, 0, 1)), ("bias", bias))
    }
    wrong = [name for name in expected.keys() | found.keys() if _shape_of(found, name) != expected.get(name)]
    if wrong:
        raise InvalidArgument(
            f"{path} is none of a 2D StarDist with a U-Net: {_difference(sorted(wrong)[0], found, expected)}"
        )
    network.load_state_dict(found)
    thresholds = _beside(path, "thresholds.json")
    facts = {
        "probability": thresholds.get("prob", DEFAULT_PROBABILITY),
        "overlap": thresholds.get("nms", DEFAULT_OVERLAP),
        "converted_from": path.name,
    }
    return write_weights(out, network, facts)


def _shape_of(tensors: dict[str, Any], name: str) -> Any:
    return tensors[name].shape if name in tensors else None


def _difference(name: str, found: dict[str, Any], expected: dict[str, Any]) -> str:
    shapes = [tuple(shape) if shape is not None else None for shape in (expected.get(name), _shape_of(found, name))]
    return f"{name}: expected shape {shapes[0]}, found {shapes[1]}"


def _read_layers(path: Path) -> Layers:
    """Kernel and bias of every layer of the file, by the layer's name."""
    try:
        import h5py
    except ImportError:
        raise MissingResource("h5py reads weights of Keras: pip install h5py") from None
    found: dict[str, dict[str, NDArray[np.float32]]] = {}

    def take(name: str, item: Any) -> None:
        parts = name.split("/")
        if isinstance(item, h5py.Dataset) and parts[-1].split(":")[0] in {"kernel", "bias"}:
            found.setdefault(parts[-2], {})[parts[-1].split(":")[0]] = np.asarray(item, np.float32)

    try:
        with h5py.File(path, "r") as file:
            file.get("model_weights", file).visititems(take)
    except OSError as error:
        raise CorruptData(f"{path} is no HDF5 file: {error}") from None
    lacking = [name for name, parts in found.items() if len(parts) != 2 or parts["kernel"].ndim != 4]
    if lacking or not found:
        raise InvalidArgument(f"{path}: expected layers with a 2D kernel and a bias, found {lacking or 'none'}")
    return {name: (parts["kernel"], parts["bias"]) for name, parts in found.items()}


def _renamed(layers: Layers) -> Layers:
    """Layers by our names: those before the U-Net are numbered by Keras, in the order in which they were made."""
    numbered = sorted((int(match[1] or 0), name) for name in layers if (match := _GRID_LAYER.fullmatch(name)))
    names = {name: f"grid_{i // 2}_no_{i % 2}" for i, (_, name) in enumerate(numbered)}
    return {names.get(name, name): parts for name, parts in layers.items() if name not in _CLASS_LAYERS}


def _shape(layers: Layers, path: Path) -> NetworkShape:
    """What the network looks like, by the shapes of its layers; config.json must not contradict."""
    for name in ("down_level_0_no_0", "prob", "dist"):
        if name not in layers:
            raise InvalidArgument(f"{path} is none of a 2D StarDist with a U-Net: layer {name} is not there")
    pools = sum(name.startswith("grid_") and name.endswith("_no_0") for name in layers)
    first = layers["grid_0_no_0" if pools else "down_level_0_no_0"][0]
    shape = NetworkShape(
        kind="stars",
        channels=first.shape[2],
        rays=layers["dist"][0].shape[3],
        grid=2**pools,
        base=layers["down_level_0_no_0"][0].shape[3],
        depth=sum(bool(re.fullmatch(r"down_level_\d+_no_0", name)) for name in layers),
        features=layers["features"][0].shape[3] if "features" in layers else 0,
    )
    config = _beside(path, "config.json")
    stated = {"n_rays": shape.rays, "grid": [shape.grid, shape.grid], "n_channel_in": shape.channels}
    for name, value in stated.items():
        if config.get(name, value) != value:
            raise InvalidArgument(f"{path} has {name} {value}, config.json beside it says {config[name]}")
    return shape


def _beside(path: Path, name: str) -> dict[str, Any]:
    """A JSON file of the model; empty where it is not there."""
    file = path.with_name(name)
    try:
        found: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    except ValueError as error:
        raise CorruptData(f"{file} is no JSON: {error}") from None
    return found


def main(arguments: list[str] | None = None) -> int:
    """Convert as the command line says; return the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    if len(given) != 2:
        print("usage: python -m mmip_gpu.neural.keras_weights MODEL_FOLDER_OR_H5 OUT", file=sys.stderr)
        return 2
    try:
        print(f"wrote {convert_stardist(Path(given[0]), Path(given[1]))}")
    except MmipError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
