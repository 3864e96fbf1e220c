"""Tasks: segmenters on phantoms and real images, scores against truth and original, and what is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import data_folder

from mmip_gpu.bench.images import BenchImage
from mmip_gpu.bench.shared_images import shared_images
from mmip_gpu.bench.synthetic import phantoms
from mmip_gpu.bench.tasks import SCORES, Task, task_named, tasks
from mmip_gpu.bench.tasks.task import planes_of
from mmip_gpu.errors import InvalidArgument, MissingResource

IMAGES = {image.name: image for image in phantoms(128, 8)}
FLUORESCENCE = IMAGES["phantom_fluorescence"]


def noisy(image: BenchImage, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, sigma, image.array.shape)
    return np.clip(image.array + noise, 0, 255).astype(image.array.dtype)


@pytest.mark.parametrize(
    ("name", "least"),
    [("phantom_fluorescence", 0.9), ("phantom_histology", 0.9), ("phantom_membranes", 0.6)],
)
def test_phantoms_are_segmented(name: str, least: float) -> None:
    image = IMAGES[name]
    assert image.task is not None
    found = tasks[image.task].score(image, image.array)
    assert found["truth"]["dice"] > least
    perfect = {"dice": 1, "iou": 1, "boundary_f1": 1, "contour_distance": 0, "hausdorff95": 0}
    perfect |= {"ap50": None, "pq": None} if image.task == "membranes" else {"ap50": 1, "pq": 1}
    assert found["original"] == perfect
    assert tuple(found["truth"]) == SCORES
    assert found["segmenter"] == tasks[image.task].segmenter


@pytest.mark.parametrize("name", ["phantom_fluorescence", "phantom_histology", "phantom_membranes"])
def test_scores_fall_with_the_image(name: str) -> None:
    image = IMAGES[name]
    task = tasks[str(image.task)]
    little, much = (task.score(image, noisy(image, sigma))["original"] for sigma in (4, 80))
    assert 1 >= little["dice"] > much["dice"]
    assert little["boundary_f1"] > much["boundary_f1"]
    assert little["contour_distance"] < much["contour_distance"]


def test_a_stack_has_the_mean_of_its_planes() -> None:
    other = np.fliplr(FLUORESCENCE.array).copy()
    labels = np.stack([FLUORESCENCE.labels, np.fliplr(FLUORESCENCE.labels)])
    stack = BenchImage("stack", np.stack([FLUORESCENCE.array, other]), "zyx", 8, labels=labels)
    decoded = np.stack([noisy(FLUORESCENCE, 30), np.zeros_like(other)])
    nuclei = tasks["nuclei"]
    first = nuclei.score(FLUORESCENCE, decoded[0])["truth"]
    found = nuclei.score(stack, decoded)["truth"]
    assert found["dice"] == pytest.approx((first["dice"] + 0) / 2)
    assert found["contour_distance"] == first["contour_distance"]  # of the empty plane it is not defined


def test_without_labels_there_is_no_truth() -> None:
    image = replace(FLUORESCENCE, labels=None)
    found = tasks["nuclei"].score(image, image.array)
    assert found["truth"] is None
    assert found["original"]["ap50"] == 1


@pytest.mark.parametrize("task", list(tasks.values()), ids=lambda task: task.name)
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
def test_constant_images_hold_nothing(task: Task, dtype: Any) -> None:
    for axes, shape in (("yx", (40, 48)), ("yxc", (40, 48, 3)), ("zyx", (2, 40, 48)), ("zyxc", (2, 40, 48, 3))):
        image = BenchImage("flat", np.full(shape, 100, dtype), axes, 8)
        assert task.score(image, image.array)["original"]["dice"] == 1
        spotted = image.array.copy()
        spotted[..., 10:25, 10:25] = 0 if "c" not in axes else spotted[..., 10:25, 10:25]
        assert task.score(image, spotted)["original"]["dice"] in {0, 1}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
@pytest.mark.parametrize("gain", [1, 100])
def test_the_scale_of_samples_does_not_matter(dtype: Any, gain: int) -> None:
    if dtype is np.uint8 and gain > 1:
        gain = 1
    array = (FLUORESCENCE.array.astype(np.int64) * gain + (0 if dtype is np.uint8 else 50)).astype(dtype)
    image = replace(FLUORESCENCE, array=array, bits=16)
    expected = tasks["nuclei"].score(FLUORESCENCE, FLUORESCENCE.array)["truth"]["ap50"]
    assert tasks["nuclei"].score(image, array)["truth"]["ap50"] == pytest.approx(expected, abs=0.02)


def test_bright_backgrounds_are_turned() -> None:
    dark = 255 - FLUORESCENCE.array
    image = replace(FLUORESCENCE, array=dark)
    expected = tasks["nuclei"].score(FLUORESCENCE, FLUORESCENCE.array)["truth"]
    assert tasks["nuclei"].score(image, dark)["truth"] == expected
    colours = np.zeros((*FLUORESCENCE.array.shape, 3), np.uint8)
    colours[..., 2] = FLUORESCENCE.array
    image = replace(FLUORESCENCE, array=colours, axes="yxc")
    assert tasks["nuclei"].score(image, colours)["truth"] == expected


def test_other_shapes_and_axes_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="expected shape"):
        tasks["nuclei"].score(FLUORESCENCE, FLUORESCENCE.array[:-1])
    for axes, shape in (("xy", (8, 8)), ("yxz", (8, 8, 8)), ("x", (8,))):
        with pytest.raises(InvalidArgument, match="axes"):
            list(planes_of(np.zeros(shape), axes))


@pytest.mark.parametrize("name", ["", "nucleus", "stars", "stars:", "boxes:weights"])
def test_unknown_tasks_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises((InvalidArgument, MissingResource)):
        task_named(f"{name}{tmp_path}" if name == "boxes:weights" else name)


@pytest.mark.parametrize("kind", ["stars", "unet"])
def test_networks_need_torch_and_weights(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingResource, match=r"pip install|no weights"):
        task_named(f"{kind}:{tmp_path}")
    for name in [name for name in sys.modules if name.startswith("mmip_gpu.neural")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingResource, match=r"pip install 'mmip-gpu\[neural\]'"):
        task_named(f"{kind}:{tmp_path}")


@pytest.mark.skipif(data_folder() is None, reason="the developers' images are not here")
def test_the_watershed_reaches_its_reference() -> None:
    folder = data_folder()
    assert folder is not None
    found = [image for image in shared_images(folder, "fluo_dsb2018_256") if isinstance(image, BenchImage)]
    scores = [tasks["nuclei"].score(image, image.array)["truth"] for image in found]
    assert len(scores) == 8
    assert np.mean([score["ap50"] for score in scores]) > 0.755
    assert np.mean([score["dice"] for score in scores]) > 0.875
