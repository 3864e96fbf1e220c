"""Display windows: where they are from, and what becomes of them."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.dicom_files import make, save, series
from pydicom.dataset import Dataset

from mmip_gpu.bench.datasets import select_images
from mmip_gpu.bench.images import BenchImage, UnusableImage
from mmip_gpu.bench.job import Job, run_job
from mmip_gpu.bench.settings import Setting

GREY = np.random.default_rng(0).integers(0, 900, (24, 32)).astype(np.uint16)
RESCALE = {"RescaleSlope": 0.5, "RescaleIntercept": -100}


def window(place):
    (image,) = select_images([str(place)])
    assert isinstance(image, BenchImage), image.reason
    return image.window


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"WindowCenter": 40, "WindowWidth": 400}, (-160, 240)),
        ({"WindowCenter": [40, 600], "WindowWidth": [400, 2000]}, (-160, 240)),
        ({"WindowCenter": "40.5", "WindowWidth": "1"}, (40, 41)),
        ({"WindowCenter": 40, "WindowWidth": 400} | RESCALE, (-120, 680)),
        ({"WindowCenter": 40, "WindowWidth": 400, "RescaleSlope": -1, "RescaleIntercept": 0}, (-240, 160)),
        ({"WindowCenter": 40, "WindowWidth": 0}, None),
        ({"WindowCenter": 40}, None),
        ({}, None),
    ],
)
def test_the_header_of_dicom(tags, expected, tmp_path):
    assert window(save(make(GREY, **tags), tmp_path / "a.dcm")) == expected


def test_the_header_of_frames(tmp_path):
    lookup, shared = Dataset(), Dataset()
    lookup.WindowCenter, lookup.WindowWidth = 50, 20
    shared.FrameVOILUTSequence = [lookup]
    frames = np.stack([GREY, GREY])
    file = save(make(frames, NumberOfFrames=2, SharedFunctionalGroupsSequence=[shared]), tmp_path / "a.dcm")
    assert window(file) == (40, 60)


def test_a_series(tmp_path):
    folder = series(tmp_path / "ct", WindowCenter=40, WindowWidth=400)
    for path in list(folder.iterdir()):
        path.rename(path.with_suffix(".dcm"))
    assert window(folder) == (-160, 240)


@pytest.mark.parametrize("text", ["-160 240\n", "-160, 240", " -160\n240 "])
def test_a_text_beside_the_image(text, tmp_path):
    np.save(tmp_path / "a.npy", GREY)
    (tmp_path / "a.window.txt").write_text(text)
    assert window(tmp_path) == (-160, 240)
    save(make(GREY, WindowCenter=1, WindowWidth=2), tmp_path / "b.dcm")
    (tmp_path / "b.window.txt").write_text(text)
    assert window(tmp_path / "b.dcm") == (-160, 240)


@pytest.mark.parametrize("text", ["", "1", "1 2 3", "low high", "5 4", "0 inf", "nan 3"])
def test_a_text_that_is_no_window(text, tmp_path):
    np.save(tmp_path / "a.npy", GREY)
    (tmp_path / "a.window.txt").write_text(text)
    (image,) = select_images([str(tmp_path)])
    assert isinstance(image, UnusableImage)
    assert "expected" in image.reason


@pytest.mark.parametrize(("given", "expected"), [((100.0, 300.0), "inf"), (None, None)])
def test_the_psnr_of_a_record(given, expected):
    image = BenchImage("a", GREY, "yx", 10, window=given, masks={"dark": GREY < 50})
    (found,) = run_job(Job("PNG lossless", None, "gray", (Setting("lossless"),), seconds=0.0), image)
    of_region = found["regions"]["dark"]["inside"]
    assert [repr(part["psnr_window"]) for part in (found["metrics"], of_region)] == [str(expected)] * 2
    assert image.facts["window"] == given
