"""MS-SSIM, HaarPSI and VSI against frozen values of piq, analytic cases and their own rules for regions."""

from __future__ import annotations

import sys
import tracemalloc

import numpy as np
import pytest

from mmip_gpu.errors import MissingResource
from mmip_gpu.quality import haarpsi as haarpsi_module
from mmip_gpu.quality import multiscale_similarity
from mmip_gpu.quality import vsi as vsi_module
from mmip_gpu.quality.haarpsi import haarpsi, haarpsi_scores
from mmip_gpu.quality.multiscale_similarity import ms_ssim, ms_ssim_scores
from mmip_gpu.quality.plane_scores import perceptual_scores
from mmip_gpu.quality.vsi import vsi, vsi_scores

SCORES = {"ms_ssim": ms_ssim, "haarpsi": haarpsi, "vsi": vsi}

# Of piq 0.8.0 in float64 with torch 2.13.0, for `noisy_pair(shape)`: HaarPSI, VSI, MS-SSIM. MS-SSIM only where every
# scale has an even size: piq repeats the first row and column of an odd one, the paper's code the last.
PIQ = {
    (128, 96): (0.9073113497512784, 0.9839838303630646, None),
    (131, 97): (0.9038351534238487, 0.9837221300131906, None),
    (192, 176): (0.9028819179328735, 0.9841496707215207, 0.9888946345851333),
    (300, 420): (0.8992566696915558, 0.9841086629972697, None),
    (640, 512): (0.9009492177818553, 0.9957217518713607, 0.988945402938603),
    (128, 96, 3): (0.953277919058093, 0.9873179824079346, None),
    (131, 97, 3): (0.9569846169532668, 0.9870487442843019, None),
    (192, 176, 3): (0.9544550356831406, 0.9875135389147631, 0.9887377202904517),
    (400, 500, 3): (0.9546416257554831, 0.9961118108748741, None),
}


def noisy_pair(shape, noise=0.1, seed=1):
    rng = np.random.default_rng(seed)
    grain = rng.random(shape)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    base = 0.5 + 0.4 * np.sin(rows / 9.0) * np.cos(columns / 13.0)
    if len(shape) == 3:
        base = np.stack([base, base**2, 1 - base], -1)
    image = np.clip(0.8 * base + 0.2 * grain, 0, 1)
    return image, np.clip(image + noise * (rng.random(shape) - 0.5), 0, 1)


def generator_samples(count):
    """What torch.rand gives after manual_seed(0): the low 24 bits of the numbers of the Mersenne Twister."""
    twister = np.random.MT19937()
    twister._legacy_seeding(0)
    return (twister.random_raw(count) & 0xFFFFFF).astype(np.float32) / np.float32(1 << 24)


def test_the_frozen_pair_of_piq():
    x, noise = generator_samples(2 * 128 * 128).reshape(2, 128, 128)
    y = np.clip(x + np.float32(0.1) * noise, 0, 1)
    assert haarpsi(x, y, 1) == pytest.approx(0.9398178, abs=1e-6)
    assert vsi(x, y, 1) == pytest.approx(0.9964975, abs=1e-6)
    contrast, luminance = multiscale_similarity._maps(x.astype(float), y.astype(float), 1.0)
    assert (contrast * luminance)[5:-5, 5:-5].mean() == pytest.approx(0.9904256, abs=1e-6)  # SSIM of one scale


@pytest.mark.parametrize("shape", PIQ, ids=str)
def test_equal_to_piq(shape):
    pair = noisy_pair(shape)
    expected = PIQ[shape]
    assert haarpsi(*pair, 1.0) == pytest.approx(expected[0], abs=1e-10)
    assert vsi(*pair, 1.0) == pytest.approx(expected[1], abs=1e-10)
    if expected[2] is not None:
        planes = [np.atleast_3d(image).transpose(2, 0, 1) for image in pair]
        assert np.mean([ms_ssim(a, b, 1.0) for a, b in zip(*planes, strict=True)]) == pytest.approx(expected[2])


@pytest.mark.parametrize("shape", [(161, 200), (176, 161, 3)], ids=str)
@pytest.mark.parametrize("name", SCORES)
def test_equal_planes_have_1_and_more_noise_less(name, shape):
    if name == "ms_ssim":
        shape = shape[:2]
    image, _ = noisy_pair(shape)
    assert SCORES[name](image, image, 1.0) == pytest.approx(1, abs=1e-12)
    found = [SCORES[name](*noisy_pair(shape, noise), 1.0) for noise in (0.02, 0.1, 0.3, 0.9)]
    assert found == sorted(found, reverse=True)
    assert 0 < found[-1] < found[0] < 1


@pytest.mark.parametrize("name", SCORES)
def test_scale_and_offset_of_the_samples_do_not_matter(name):
    a, b = (np.round(1000 * image) for image in noisy_pair((176, 180)))
    expected = SCORES[name](a, b, 1000.0)
    assert SCORES[name](4 * a, 4 * b, 4000.0) == pytest.approx(expected)
    if name != "ms_ssim":  # which judges luminance, as SSIM does
        shifted = ((image - 1024).astype(np.int16) for image in (a, b))
        assert SCORES[name](*shifted, 1000.0, low=-1024.0) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["haarpsi", "vsi"])
def test_scores_are_symmetric(name):
    a, b = noisy_pair((64, 80, 3))
    assert SCORES[name](a, b, 1.0) == pytest.approx(SCORES[name](b, a, 1.0))


@pytest.mark.parametrize("shape", [(300, 322), (261, 563, 3)], ids=str)
def test_bands_do_not_change_the_result(shape, monkeypatch):
    pair = noisy_pair(shape)
    mask = np.zeros(shape[:2], bool)
    mask[31:200, 77:] = True
    grey = [image.reshape(*shape[:2], -1)[..., 0] for image in pair]

    def scores():
        masks = [None, mask]
        return [*haarpsi_scores(*pair, 1.0, masks), *vsi_scores(*pair, 1.0, masks), *ms_ssim_scores(*grey, 1.0, masks)]

    expected = scores()
    for module in (haarpsi_module, vsi_module, multiscale_similarity):
        monkeypatch.setattr(module, "_BAND_SAMPLES", 4000)
    assert scores() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", SCORES)
def test_a_region_sees_its_own_errors(name):
    image, noisy = noisy_pair((240, 256), 0.6)
    inside = np.zeros(image.shape, bool)
    inside[:, :100] = True
    decoded = np.where(inside, noisy, image)
    within, beyond = (SCORES[name](image, decoded, 1.0, mask) for mask in (inside, ~inside))
    whole = SCORES[name](image, decoded, 1.0)
    assert within < whole < beyond <= 1
    far = np.zeros(image.shape, bool)
    far[:, 190:] = True
    if name != "vsi":  # whose saliency changes with the whole plane
        assert SCORES[name](image, decoded, 1.0, far) == pytest.approx(1, abs=1e-3)
    everywhere = np.ones(image.shape, bool)
    assert SCORES[name](image, decoded, 1.0, everywhere) == pytest.approx(
        whole, abs=0.02 if name == "ms_ssim" else 1e-12
    )
    assert SCORES[name](image, decoded, 1.0, ~everywhere) is None


def test_planes_that_are_too_small_or_empty_or_flat():
    image, noisy = noisy_pair((161, 161))
    assert ms_ssim(image, noisy, 1.0) is not None
    assert ms_ssim(image[1:], noisy[1:], 1.0) is None
    assert ms_ssim(image[:, 1:], noisy[:, 1:], 1.0) is None
    assert haarpsi(image[:16, :16], noisy[:16, :16], 1.0) is not None
    assert haarpsi(image[:15], noisy[:15], 1.0) is None
    assert vsi(image[:1, :1], noisy[:1, :1], 1.0) is None
    assert vsi(image[:0], noisy[:0], 1.0) is None
    flat = np.zeros((64, 64))
    assert haarpsi(flat, flat, 1.0) is None
    assert vsi(flat, flat, 1.0) is None


def test_ms_ssim_of_flat_planes_is_the_luminance_of_the_coarsest_scale():
    a, b = np.full((170, 180), 100.0), np.full((170, 180), 150.0)
    luminance = (2 * 100 * 150 + 2.55**2) / (100**2 + 150**2 + 2.55**2)
    assert ms_ssim(a, b, 255.0) == pytest.approx(luminance**0.1333)
    assert ms_ssim(a, b, 255.0, a > 0) == pytest.approx(luminance**0.1333)


def test_ms_ssim_of_opposite_structure_is_0():
    image, _ = noisy_pair((176, 176))
    assert ms_ssim(image, 1 - image, 1.0) == 0


def test_halves_repeat_an_odd_last_row_and_column():
    assert multiscale_similarity._halved(np.arange(9).reshape(3, 3)).tolist() == [[2, 3.5], [6.5, 8]]


def test_memory_is_bounded():
    image = np.zeros((2048, 3000), np.uint8)
    image[::3] = 200
    for score, copies in ((ms_ssim, 24), (haarpsi, 24), (vsi, 12)):
        tracemalloc.start()
        score(image, image[::-1], 255.0)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak_bytes < image.size * copies, score


def test_volumes_are_means_of_planes():
    planes = [noisy_pair((24, 20), noise) for noise in (0.1, 0.4, 0.8)]
    a, b = (np.stack(images) for images in zip(*planes, strict=True))
    mask = np.zeros(a.shape, bool)
    mask[0, 4:12, 4:8] = mask[2, 6:8, 5:15] = True
    (whole, inside) = perceptual_scores(["haarpsi"], (a, b), "zyx", (0.0, 1.0), [mask])["haarpsi"]
    alone = [haarpsi(*pair, 1.0) for pair in planes]
    assert whole.value == pytest.approx(np.mean(alone))
    parts = [haarpsi(a[k], b[k], 1.0, mask[k]) for k in (0, 2)]
    assert inside.value == pytest.approx((32 * parts[0] + 20 * parts[1]) / 52)
    turned = perceptual_scores(["haarpsi"], (a.T, b.T), "xyz", (0.0, 1.0), [mask.T])["haarpsi"]
    assert [mean.value for mean in turned] == pytest.approx([whole.value, inside.value])


def test_channels():
    a, b = noisy_pair((176, 164, 3))
    found = perceptual_scores(["ms_ssim", "haarpsi", "vsi"], (a, b), "yxc", (0.0, 1.0))
    expected = np.mean([ms_ssim(a[..., c], b[..., c], 1.0) for c in range(3)])
    assert found["ms_ssim"][0].value == pytest.approx(expected)
    assert found["vsi"][0].value == pytest.approx(vsi(a, b, 1.0))
    first = perceptual_scores(["haarpsi"], tuple(np.moveaxis(image, -1, 0) for image in (a, b)), "cyx", (0.0, 1.0))
    assert first["haarpsi"][0].value == pytest.approx(haarpsi(a, b, 1.0))
    two = perceptual_scores(["haarpsi"], (a[..., :2], b[..., :2]), "yxc", (0.0, 1.0))["haarpsi"][0].value
    assert two == pytest.approx(np.mean([haarpsi(a[..., c], b[..., c], 1.0) for c in range(2)]))
    line = perceptual_scores(["vsi"], (a[:, 0, 0], b[:, 0, 0]), "x", (0.0, 1.0))
    assert line["vsi"][0].value is None


@pytest.mark.parametrize("name", ["ms_ssim", "vsi"])
def test_what_to_install(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(MissingResource, match=r"expected scipy, found none.*mmip-gpu\[bench\]"):
        SCORES[name](*noisy_pair((176, 176)), 1.0)
