"""Training: crops and their targets, runs that go on where they were interrupted, and the command."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from mmip_gpu.bench.synthetic import nuclei  # noqa: E402
from mmip_gpu.errors import InvalidArgument  # noqa: E402
from mmip_gpu.neural import crops, fitting, train  # noqa: E402
from mmip_gpu.neural.planes import fingerprint, normalized, padded  # noqa: E402
from mmip_gpu.neural.segmenter import Segmenter, segmenter_for, segmenters  # noqa: E402
from mmip_gpu.neural.split import Plane, subjects  # noqa: E402
from mmip_gpu.neural.star_distances import object_probability, star_distances  # noqa: E402
from mmip_gpu.neural.thresholds import chosen_thresholds  # noqa: E402
from mmip_gpu.neural.unet import NetworkShape, new_network  # noqa: E402

SHAPE = NetworkShape("stars", 1, rays=8, grid=2, base=8, depth=2, features=16)


def discs(size: int = 96, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A plane of bright nuclei, and their labels."""
    labels = nuclei(size, seed=seed)
    noise = np.random.default_rng(seed).normal(0, 6, labels.shape)
    return np.clip(40 + 120 * (labels > 0) + noise, 0, 255).astype(np.uint8), labels


def made_crops(side: int = 48) -> crops.Crops:
    planes = [discs(seed=seed) for seed in range(2)]
    return crops.Crops([(normalized(plane, 1), labels) for plane, labels in planes], 8, 2, side, 0)


@pytest.mark.parametrize("turn", list(itertools.product([False, True], repeat=3)))
@pytest.mark.parametrize("rays", [8, 32])
def test_turned_targets_are_those_of_turned_labels(turn: tuple[bool, bool, bool], rays: int) -> None:
    labels = nuclei(64, seed=2)
    expected = star_distances(crops._turned(labels, turn, 0), rays)
    found = crops._turned(star_distances(labels, rays), turn, 0)[..., crops.turned_rays(rays, turn)]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_crops_are_those_of_the_seed_and_the_step() -> None:
    first, again = made_crops(), made_crops()
    for step in range(3):
        a, b = first.batch(step, 2), again.batch(step, 2)
        assert np.array_equal(a.images, b.images)
        assert np.array_equal(a.distances, b.distances)
    assert not np.array_equal(first.batch(0, 2).images, first.batch(1, 2).images)
    batch = first.batch(0, 3)
    assert (batch.images.shape, batch.probability.shape) == ((3, 1, 48, 48), (3, 24, 24))
    assert batch.distances.shape == (3, 8, 24, 24)
    assert not batch.distances.transpose(0, 2, 3, 1)[batch.probability == 0].any()


def test_distances_are_zoomed_with_the_image() -> None:
    y, x = np.mgrid[:96, :96]
    disc = (y - 48) ** 2 + (x - 48) ** 2 <= 12**2
    made = crops.Crops([(disc[None].astype(np.float32), disc.astype(np.int32))], 4, 1, 64, 0, zoom=1)
    radii = []
    for step in range(40):
        batch = made.batch(step, 1)
        bright = batch.images[0, 0] > batch.images[0, 0].mean()
        middle = np.unravel_index(batch.probability[0].argmax(), bright.shape)
        distance = batch.distances[0, 0][middle]  # along the row, to the right
        if batch.probability[0].max() == 1 and middle[1] + distance + 4 < 64:
            row = bright[middle[0], middle[1] :]
            assert abs(row.argmin() - distance) <= 2.5
            radii.append(float(distance))
    assert min(radii) < 9
    assert max(radii) > 16


def test_thresholds_are_those_that_fit_the_planes(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = nuclei(96, seed=4)
    plane = Plane("a", 0, np.zeros(labels.shape, np.uint8), labels)
    decoys = np.roll(labels, 13, axis=1) * (labels == 0)
    found = np.maximum(0.95 * object_probability(labels), 0.55 * object_probability(decoys))
    stars = np.where((labels > 0)[..., None], star_distances(labels, 8), star_distances(decoys, 8))
    predicted = (found[::2, ::2], stars[::2, ::2])
    monkeypatch.setattr(Segmenter, "predict", lambda *_: predicted)
    assert chosen_thresholds(new_network(SHAPE, 0), [plane])["probability"] == 0.6
    membranes = NetworkShape("membranes", 1, rays=0, base=4)
    assert chosen_thresholds(new_network(membranes, 0), [plane]) == {"probability": 0.5}


def test_crops_larger_than_a_plane_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="96"):
        made_crops(side=128)


def test_an_interrupted_run_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    settings = fitting.FitSettings(steps=12, batch=1, side=48, save_every=4)
    whole, parts = new_network(SHAPE, 0), new_network(SHAPE, 0)
    expected = fitting.fit(whole, made_crops(), settings, tmp_path / "whole.checkpoint")

    def interrupt(step: int, _loss: float) -> None:
        if step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitting.fit(parts, made_crops(), settings, tmp_path / "parts.checkpoint", interrupt)
    fresh, seen = new_network(SHAPE, 1), []
    found = fitting.fit(fresh, made_crops(), settings, tmp_path / "parts.checkpoint", lambda step, _: seen.append(step))
    assert seen == list(range(5, 13))
    assert found == expected
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, fresh.state_dict()[name]), name
    other = fitting.FitSettings(steps=13, batch=1, side=48)
    with pytest.raises(InvalidArgument, match="remove it"):
        fitting.fit(fresh, made_crops(), other, tmp_path / "parts.checkpoint")


def test_a_trained_network_finds_nuclei_that_it_has_not_seen(tmp_path: Path) -> None:
    network = new_network(SHAPE, 0)
    settings = fitting.FitSettings(steps=250, batch=2, side=48, rate=3e-3)
    losses = fitting.fit(network, made_crops(), settings, tmp_path / "stars.checkpoint")
    assert np.mean(losses[-20:]) < 0.5 * np.mean(losses[:5])
    plane, labels = discs(seed=7)
    found = Segmenter(network, {}, "test").labels(plane)
    assert found.shape == plane.shape
    hits = 0
    for label in np.unique(labels)[1:]:
        mask = labels == label
        best = found == np.bincount(found[mask]).argmax()
        hits += (mask & best).sum() / (mask | best).sum() > 0.5
    assert hits >= 0.8 * (len(np.unique(labels)) - 1)
    assert found.max() <= 1.3 * (len(np.unique(labels)) - 1)


def test_planes_of_any_size_and_depth_are_taken() -> None:
    network = new_network(SHAPE, 0).eval()
    for shape in ((5, 7), (33, 64)):
        for dtype in (np.uint8, np.int16, np.uint16, np.float32):
            plane = (np.arange(np.prod(shape)).reshape(shape) % 100).astype(dtype)
            assert Segmenter(network, {}, "test").labels(plane).shape == shape
            assert Segmenter(network, {}, "test").probability(plane).shape == shape
    assert padded(np.zeros((1, 5, 9), np.float32), 8).shape == (1, 8, 16)
    assert normalized(np.full((4, 4), 7), 3).shape == (3, 4, 4)
    for wrong in (np.zeros((4, 4, 2)), np.zeros(4), np.zeros((2, 4, 4, 3))):
        with pytest.raises(InvalidArgument, match="expected a plane"):
            normalized(wrong, 3)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder like that of the labelled images, with small planes."""
    folder = tmp_path / "data"
    folder.mkdir()
    draw = np.random.default_rng(0)
    labels = np.stack([nuclei(64, seed=i) for i in range(16)])
    for name, count, channels in (("fluo_dsb2018_256", 8, ()), ("fluo_dsb2018_520", 3, ()), ("he_dsb2018", 16, (3,))):
        np.save(folder / f"{name}.npy", draw.integers(0, 255, (count, 64, 64, *channels), np.uint8))
        np.save(folder / f"{name}_labels.npy", labels[:count].astype(np.uint8))
    np.save(folder / "em_isbi_train.npy", draw.integers(0, 255, (12, 64, 64), np.uint8))
    np.save(folder / "em_isbi_train_membrane.npy", (draw.integers(0, 2, (12, 64, 64)) * 255).astype(np.uint8))
    return folder


@pytest.mark.parametrize("subject", sorted(subjects()))
def test_the_command_trains_every_subject(
    subject: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "weights"
    command = [subject, "--data", str(data), "--out", str(out), "--steps", "2", "--batch", "1", "--side", "32"]
    assert train.main(command) == 0
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    folds = len(subjects()[subject].folds)
    assert {f"{subject}-fold{fold}.safetensors" for fold in range(folds)} <= first.keys()
    assert f"{subject}-fold0: step 2 of 2, loss" in capsys.readouterr().out
    found = segmenters(out)
    facts = found[0].facts
    assert not set(facts["trained_on"]) & set(facts["held_out"])
    samples = np.load(data / f"{subjects()[subject].folds[1][0][0]}.npy")
    held_out = samples[subjects()[subject].folds[1][0][1]]
    assert segmenter_for(found, held_out).name == f"{subject}-fold1"
    assert fingerprint(held_out) in found[1].facts["held_out"]
    assert train.main(command) == 0  # done: nothing is trained again
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first


def test_a_plane_that_all_networks_have_seen_is_refused(data: Path, tmp_path: Path) -> None:
    options = ["--data", str(data), "--out", str(tmp_path / "w"), "--steps", "1", "--batch", "1", "--side", "16"]
    assert train.main(["membranes", "--folds", "0", *options]) == 0
    plane = np.load(data / "em_isbi_train.npy")[11]
    with pytest.raises(InvalidArgument, match="trained on by all of membranes-fold0"):
        segmenter_for(segmenters(tmp_path / "w"), plane)


def test_wrong_commands_say_what_is_wrong(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "weights")]
    for options, named in (
        (["--data", str(tmp_path / "nowhere")], "is not there"),
        (["--data", str(data), "--folds", "7"], "expected 0 to 2, found 7"),
        (["--data", str(data), "--folds", "a"], "expected numbers"),
        (["--data", str(data), "--side", "999"], "smallest of 7 planes has 64"),
    ):
        assert train.main(["fluorescence", *options, *out]) == 1
        assert named in capsys.readouterr().err


def test_the_split_holds_every_plane_out_once() -> None:
    planes = {name: [p for fold in subject.folds for p in fold] for name, subject in subjects().items()}
    assert {name: len(found) for name, found in planes.items()} == {
        "fluorescence": 11,
        "histology": 16,
        "membranes": 12,
    }
    for found in planes.values():
        assert len(set(found)) == len(found)
    for subject in subjects().values():
        for fold in range(len(subject.folds)):
            assert not set(subject.held_out(fold)) & set(subject.trained_on(fold))
    json.dumps({name: subject.folds for name, subject in subjects().items()})
