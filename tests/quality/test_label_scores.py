"""Agreement of segmentations against frozen values of stardist, brute force and shapes whose scores are known."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmip_gpu.errors import InvalidArgument, MissingResource
from mmip_gpu.quality.contours import contour, contour_scores
from mmip_gpu.quality.label_scores import Matches, label_scores, mask_scores, match_objects

KEYS = {"dice", "iou", "ap50", "pq", "boundary_f1", "contour_distance", "hausdorff95"}

# (tp, fp, fn), accuracy and panoptic_quality of stardist.matching.matching (stardist 0.9.2, float32) for
# discs(seed) and discs(seed, **change), and of matching_dataset for all of them, at 0.5 and at 0.7.
STARDIST = [
    (0, {}, (30, 0, 0), 1.0, 1.0),
    (0, {"shift": 1}, (28, 2, 2), 0.875, 0.707083002726237),
    (0, {"shift": 2.5}, (14, 15, 16), 0.3111111111111111, 0.3036765082407806),
    (0, {"drop": 0.3}, (16, 0, 14), 0.5333333333333333, 0.6460382212763247),
    (0, {"grow": 1.5}, (19, 10, 11), 0.475, 0.48995952282921745),
    (0, {"shift": 1.5, "drop": 0.2, "grow": 1}, (14, 8, 16), 0.3684210526315789, 0.3902973761925331),
    (1, {"shift": 1}, (27, 3, 2), 0.84375, 0.7093262106685315),
    (1, {"shift": 2.5}, (17, 13, 12), 0.40476190476190477, 0.39591262300135727),
    (1, {"drop": 0.3}, (14, 1, 15), 0.4666666666666667, 0.6065760959278453),
    (1, {"grow": 1.5}, (21, 9, 8), 0.5526315789473685, 0.5538046238786083),
]


def discs(seed, shift=0.0, drop=0.0, grow=0.0, shape=(96, 112), count=30):
    """A label image of discs, those of a seed moved, dropped and resized."""
    rng, jitter = np.random.default_rng(seed), np.random.default_rng(seed + 1000)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.int32)
    centres, radii = rng.uniform(0, 1, (count, 2)) * shape, rng.uniform(3, 9, count)
    for number in range(count):
        down, right = jitter.normal(0, 1, 2) * shift
        is_kept = jitter.random() >= drop
        radius = radii[number] + jitter.normal(0, 1) * grow
        if is_kept:
            distances = (rows - centres[number, 0] - down) ** 2 + (columns - centres[number, 1] - right) ** 2
            labels[distances <= radius * radius] = number + 1
    return labels


@pytest.mark.parametrize(("seed", "change", "counts", "ap", "pq"), STARDIST)
def test_equal_to_stardist(seed, change, counts, ap, pq):
    truth, predicted = discs(seed), discs(seed, **change)
    found = match_objects(truth, predicted)
    assert (found.matched, found.extra, found.missed) == counts
    assert found.ap == pytest.approx(ap)
    assert found.pq == pytest.approx(pq, abs=1e-6)
    scores = label_scores(truth, predicted)
    assert set(scores) == KEYS
    assert (scores["ap50"], scores["pq"]) == (found.ap, found.pq)


def test_a_data_set_is_the_sum_of_its_images():
    changes = [{}, {"shift": 1}, {"shift": 2.5}, {"drop": 0.3}, {"grow": 1.5}, {"shift": 1.5, "drop": 0.2, "grow": 1}]
    pairs = [(discs(seed), discs(seed, **change)) for seed in range(3) for change in changes]
    for threshold, counts, ap, pq in (
        (0.5, (366, 104, 162), 0.5791139240506329, 0.6025433435229834),
        (0.7, (264, 206, 264), 0.35967302452316074, 0.47971739988766593),
    ):
        found = sum((match_objects(*pair, threshold) for pair in pairs), Matches(0, 0, 0, 0.0))
        assert (found.matched, found.extra, found.missed) == counts
        assert found.ap == pytest.approx(ap)
        assert found.pq == pytest.approx(pq, abs=1e-6)


def test_two_halves_are_one_match():
    truth = np.array([7, 7, 7, 7])
    assert match_objects(truth, np.array([1, 1, 2, 2])) == Matches(1, 1, 0, 0.5)
    assert match_objects(truth, np.array([1, 1, 2, 2]), 0.51) == Matches(0, 2, 1, 0.0)


labels = hnp.arrays(np.uint8, (7, 9), elements=st.integers(0, 4))


@settings(deadline=None)
@given(labels, labels)
def test_laws(a, b):
    found, turned = label_scores(a, b), label_scores(b, a)
    assert found == pytest.approx(turned)
    assert 0 <= found["iou"] <= found["dice"] <= 1
    assert found["dice"] == pytest.approx(2 * found["iou"] / (1 + found["iou"]))
    assert 0 <= found["ap50"] <= 1
    assert 0 <= found["pq"] <= 1
    renamed = np.array([0, 9, 200, 3, 77], np.uint8)
    assert label_scores(renamed[a], b) == pytest.approx(found)
    same = label_scores(a, renamed[a])
    assert same == dict.fromkeys(KEYS, 1.0) | {"contour_distance": 0.0, "hausdorff95": 0.0}


def contour_by_hand(image):
    found = set()
    for place in np.argwhere(image):
        for axis in range(image.ndim):
            for step in (-1, 1):
                other = place.copy()
                other[axis] += step
                if 0 <= other[axis] < image.shape[axis] and image[tuple(other)] != image[tuple(place)]:
                    found.add(tuple(place.tolist()))
    return np.array(sorted(found), float).reshape(-1, image.ndim)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from([(6, 8), (3, 4, 5)]).flatmap(
        lambda shape: st.tuples(*[hnp.arrays(np.uint8, shape, elements=st.integers(0, 2)) for _ in range(2)])
    ),
    st.sampled_from([0.0, 1.0, 1.5, 2.0]),
    st.sampled_from([1.0, 2.5]),
)
def test_contours_equal_brute_force(pair, tolerance, step):
    points = [contour_by_hand(image) for image in pair]
    for image, expected in zip(pair, points, strict=True):
        assert np.argwhere(contour(image)).tolist() == expected.tolist()
    spacing = (step, *(1.0,) * (pair[0].ndim - 1))
    found = contour_scores(*pair, tolerance=tolerance, spacing=spacing)
    if not all(map(len, points)):
        return
    between = np.linalg.norm((points[0][:, None] - points[1][None]) * spacing, axis=-1)
    there, back = between.min(1), between.min(0)
    precision, recall = np.mean(back <= tolerance), np.mean(there <= tolerance)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0
    assert found["boundary_f1"] == pytest.approx(f1)
    assert found["contour_distance"] == pytest.approx((there.sum() + back.sum()) / (len(there) + len(back)))
    assert found["hausdorff95"] == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)))


@pytest.mark.parametrize("shift", [0, 1, 2, 3, 7])
def test_shifted_squares(shift):
    truth = np.zeros((60, 70), np.uint16)
    truth[15:35, 20:40] = 9
    predicted = np.roll(truth, shift, axis=1)
    found = label_scores(truth, predicted)
    assert found["dice"] == pytest.approx((20 - shift) / 20)
    assert found["iou"] == pytest.approx((20 - shift) / (20 + shift))
    assert found["ap50"] == (1 if found["iou"] >= 0.5 else 0)
    assert found["hausdorff95"] == shift
    assert (found["boundary_f1"] == 1) == (shift <= 2)
    left = 18 * shift  # of the 76 samples of a ring, those of the left side lie off by the shift
    right = sum(min(shift, row, 19 - row) for row in range(1, 19))
    edges = shift * (shift + 1)
    assert found["contour_distance"] == pytest.approx((left + right + edges) / 76)


def test_hausdorff_equals_scikit_image_where_nothing_is_cut_off(monkeypatch):
    reference = pytest.importorskip("skimage.metrics").hausdorff_distance
    from mmip_gpu.quality import contours

    monkeypatch.setattr(contours, "_PERCENTILE", 100)
    a, b = discs(4), discs(4, shift=2)
    assert contour_scores(a, b)["hausdorff95"] == pytest.approx(reference(contour(a), contour(b)))


def test_the_border_of_the_image_is_no_contour_but_touching_objects_have_one():
    cut = np.zeros((5, 6), np.uint8)
    cut[:, :3] = 1
    assert contour(cut).sum() == 5
    assert not contour(np.ones((5, 6), bool)).any()
    touching = np.repeat(np.array([[1, 1, 1, 2, 2, 2]], np.uint8), 5, axis=0)
    assert contour(touching).sum() == 10
    assert not contour(touching > 0).any()
    assert label_scores(touching, touching > 0)["boundary_f1"] == 0
    assert mask_scores(touching, touching > 0)["boundary_f1"] == 1


EMPTY = np.zeros((6, 7), np.uint8)
SOME = np.pad(np.ones((2, 3), np.uint8), 2)


@pytest.mark.parametrize("score", [mask_scores, label_scores])
def test_empty_segmentations(score):
    objects = {"ap50": 1.0, "pq": 1.0} if score is label_scores else {"ap50": None, "pq": None}
    agree = {"dice": 1.0, "iou": 1.0, "boundary_f1": 1.0, "contour_distance": 0.0, "hausdorff95": 0.0}
    assert score(EMPTY, EMPTY) == agree | objects
    assert score(EMPTY[:0], EMPTY[:0]) == agree | objects
    assert score(EMPTY < 1, EMPTY < 1) == agree | objects
    missed = {"dice": 0.0, "iou": 0.0, "boundary_f1": 0.0, "contour_distance": None, "hausdorff95": None}
    objects = {name: value and 0.0 for name, value in objects.items()}
    assert score(SOME, EMPTY) == score(EMPTY, SOME) == missed | objects


def test_far_objects_share_nothing():
    other = np.zeros_like(SOME)
    other[0, 0] = 4
    found = label_scores(SOME, other, tolerance=1)
    assert (found["dice"], found["ap50"], found["pq"], found["boundary_f1"]) == (0, 0, 0, 0)
    assert found["contour_distance"] > math.sqrt(8) - 1e-9


@pytest.mark.parametrize("score", [mask_scores, label_scores, contour_scores, match_objects])
def test_what_are_no_labels(score):
    for wrong in (SOME.astype(float), SOME.astype(complex), -SOME.astype(int), SOME.tolist()):
        with pytest.raises(InvalidArgument, match="labels: expected arrays of bool or of integers from 0, found"):
            score(SOME, wrong)
    with pytest.raises(InvalidArgument, match=r"two images of one shape, found \(6, 7\) and \(7, 6\)"):
        score(SOME, SOME.T)


@pytest.mark.parametrize(
    "options", [{"tolerance": -1}, {"spacing": (1,)}, {"spacing": (1, 0)}, {"tolerance": math.nan}]
)
def test_contour_options_that_do_not_fit(options):
    with pytest.raises(InvalidArgument, match="expected a tolerance from 0 and 2 positive sizes of a sample"):
        label_scores(SOME, SOME, **options)


def test_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(MissingResource, match="expected scipy"):
        label_scores(SOME, SOME)
