"""Weights on disk: they come back, damaged ones are refused, and those that StarDist saved are taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
h5py = pytest.importorskip("h5py")

from scipy.signal import correlate2d  # noqa: E402

from mmip_gpu.errors import CorruptData, InvalidArgument, MissingResource, UnsupportedVersion  # noqa: E402
from mmip_gpu.neural import keras_weights  # noqa: E402
from mmip_gpu.neural.segmenter import Segmenter, segmenters  # noqa: E402
from mmip_gpu.neural.unet import NetworkShape, new_network  # noqa: E402
from mmip_gpu.neural.weights import read_weights, write_weights  # noqa: E402

SHAPE = NetworkShape("stars", 1, rays=8, grid=1, base=4, depth=2, features=8)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    write_weights(tmp_path / "net", new_network(SHAPE, 5), {"probability": 0.25})
    return tmp_path / "net"


def test_weights_come_back(stored: Path) -> None:
    network, facts = read_weights(stored)
    expected = new_network(SHAPE, 5).state_dict()
    assert network.shape == SHAPE
    assert facts["probability"] == 0.25
    assert all(torch.equal(tensor, expected[name]) for name, tensor in network.state_dict().items())
    assert [segmenter.name for segmenter in segmenters(stored.parent)] == ["net"]


def test_missing_files_are_named(stored: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingResource, match="no weights"):
        segmenters(tmp_path / "nowhere")
    stored.with_suffix(".json").unlink()
    with pytest.raises(MissingResource, match=r"net\.json"):
        read_weights(stored)


def changed(path: Path, **facts: Any) -> None:
    beside = path.with_suffix(".json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | facts))


def test_damaged_weights_are_refused(stored: Path) -> None:
    weights = stored.with_suffix(".safetensors")
    data = weights.read_bytes()
    for wrong in (data[:-1], b"", data[:100] + b"x" + data[101:]):
        weights.write_bytes(wrong)
        with pytest.raises(CorruptData, match="SHA-256"):
            read_weights(stored)


@pytest.mark.parametrize(
    ("facts", "error", "named"),
    [
        ({"version": 2}, UnsupportedVersion, "version 2"),
        ({"network": {"kind": "stars"}}, CorruptData, "channels"),
        ({"network": SHAPE.facts | {"grid": 7}}, CorruptData, "grid"),
        ({"network": SHAPE.facts | {"base": 8}}, CorruptData, "size mismatch"),
        ({"network": SHAPE.facts | {"depth": 3}}, CorruptData, "Missing key"),
        ({"network": None}, CorruptData, "TypeError"),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(
    facts: dict[str, Any], error: type[Exception], named: str, stored: Path
) -> None:
    changed(stored, **facts)
    with pytest.raises(error, match=named):
        read_weights(stored)


def test_a_description_that_is_no_json_is_refused(stored: Path) -> None:
    stored.with_suffix(".json").write_text("{")
    with pytest.raises(CorruptData, match="describes no network"):
        read_weights(stored)


# --- StarDist's weights


def keras_layers(shape: NetworkShape) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Kernels (y, x, in, out) and biases of a network, by the names that Keras and StarDist give."""
    draw = np.random.default_rng(0)
    names = {f"grid_{i // 2}_no_{i % 2}": f"conv2d_{i + 9}" for i in range(4)}
    return {
        names.get(name, name): (
            draw.normal(0, 0.3, (*layer.kernel_size, layer.in_channels, layer.out_channels)).astype(np.float32),
            draw.normal(0, 0.1, layer.out_channels).astype(np.float32),
        )
        for name, layer in new_network(shape, 0).layers.items()
    }


def write_h5(path: Path, layers: dict[str, Any], root: str = "") -> Path:
    """A file as Keras writes it: LAYER/LAYER/kernel:0."""
    with h5py.File(path, "w") as file:
        for name, (kernel, bias) in layers.items():
            file[f"{root}{name}/{name}/kernel:0"] = kernel
            file[f"{root}{name}/{name}/bias:0"] = bias
        file.create_group(f"{root}max_0")  # layers without weights are there, too
    return path


@pytest.mark.parametrize("root", ["", "model_weights/"])
@pytest.mark.parametrize(
    "shape",
    [
        SHAPE,
        NetworkShape("stars", 3, rays=32, grid=2, base=4, depth=3, features=8),
        NetworkShape("stars", 1, rays=16, grid=4, base=2, depth=1, features=0),
    ],
    ids=["grey", "grid 2", "grid 4"],
)
def test_weights_of_stardist_are_taken(shape: NetworkShape, root: str, tmp_path: Path) -> None:
    layers = keras_layers(shape)
    write_h5(tmp_path / "weights_best.h5", layers, root)
    config = {"n_rays": shape.rays, "grid": [shape.grid] * 2, "n_channel_in": shape.channels}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "thresholds.json").write_text(json.dumps({"prob": 0.48, "nms": 0.3}))
    assert keras_weights.main([str(tmp_path), str(tmp_path / "ours")]) == 0
    found = Segmenter.load(tmp_path / "ours")
    assert found.network.shape == shape
    assert (found.facts["probability"], found.facts["overlap"]) == (0.48, 0.3)
    for name, (kernel, bias) in layers.items():
        ours = f"grid_{(int(name[7:]) - 9) // 2}_no_{(int(name[7:]) - 9) % 2}" if name.startswith("conv2d_") else name
        layer = found.network.layers[ours]
        np.testing.assert_array_equal(layer.weight.detach().numpy().transpose(2, 3, 1, 0), kernel)
        np.testing.assert_array_equal(layer.bias.detach().numpy(), bias)
    plane = np.random.default_rng(1).integers(0, 255, (32, 32, *([3] if shape.channels == 3 else []))).astype(np.uint8)
    assert found.labels(plane).shape == (32, 32)


def test_kernels_are_turned_as_keras_applies_them(tmp_path: Path) -> None:
    layers = keras_layers(SHAPE)
    keras_weights.convert_stardist(write_h5(tmp_path / "a.h5", layers), tmp_path / "ours")
    network, _ = read_weights(tmp_path / "ours")
    image = np.random.default_rng(2).normal(size=(9, 11)).astype(np.float32)
    with torch.no_grad():
        found = network.layers["down_level_0_no_0"](torch.from_numpy(image)[None, None])[0].numpy()
    kernel, bias = layers["down_level_0_no_0"]
    for out in range(4):
        np.testing.assert_allclose(found[out], correlate2d(image, kernel[..., 0, out], "same") + bias[out], atol=1e-5)


def test_a_class_head_is_left_out(tmp_path: Path) -> None:
    layers = keras_layers(SHAPE)
    layers |= {"features_class": layers["features"], "prob_class": layers["prob"]}
    keras_weights.convert_stardist(write_h5(tmp_path / "a.h5", layers), tmp_path / "ours")
    assert read_weights(tmp_path / "ours")[0].shape == SHAPE


def lacking(*names: str) -> dict[str, Any]:
    return {name: parts for name, parts in keras_layers(SHAPE).items() if name not in names}


def flat(name: str) -> dict[str, Any]:
    layers = keras_layers(SHAPE)
    return layers | {name: (layers[name][0][0], layers[name][1])}


def longer_bias(name: str) -> dict[str, Any]:
    layers = keras_layers(SHAPE)
    return layers | {name: (layers[name][0], np.zeros(99, np.float32))}


@pytest.mark.parametrize(
    ("layers", "named"),
    [
        (lacking("prob"), "layer prob"),
        (lacking("dist"), "layer dist"),
        (lacking("middle_0"), "middle_0"),
        (lacking("down_level_0_no_0"), "down_level_0_no_0"),
        (flat("middle_2"), "middle_2"),
        (longer_bias("features"), "features.*found.*99"),
        ({}, "found none"),
        (keras_layers(SHAPE) | {"dense": keras_layers(SHAPE)["prob"]}, "dense"),
    ],
)
def test_other_models_are_refused(layers: dict[str, Any], named: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=named):
        keras_weights.convert_stardist(write_h5(tmp_path / "a.h5", layers), tmp_path / "ours")
    assert not (tmp_path / "ours.safetensors").exists()


def test_files_that_contradict_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_h5(tmp_path / "weights_best.h5", keras_layers(SHAPE))
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"grid": [2, 2]}))
    with pytest.raises(InvalidArgument, match="grid"):
        keras_weights.convert_stardist(path, tmp_path / "ours")
    config.write_text("{")
    with pytest.raises(CorruptData, match="no JSON"):
        keras_weights.convert_stardist(path, tmp_path / "ours")
    config.unlink()
    path.write_bytes(b"no HDF5")
    with pytest.raises(CorruptData, match="HDF5"):
        keras_weights.convert_stardist(path, tmp_path / "ours")
    assert keras_weights.main([str(tmp_path / "nowhere"), str(tmp_path / "ours")]) == 1
    assert "is not there" in capsys.readouterr().err
    assert keras_weights.main([]) == 2
