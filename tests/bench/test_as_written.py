"""The original evaluation, word for word: its formulas, what scikit-image's old function gives, its two tables."""

from __future__ import annotations

import csv
import math
import sys

import numpy as np
import pytest

from mmip_gpu.bench.as_written import FOOTNOTES, as_written, psnr_as_written, write_tables
from mmip_gpu.errors import InvalidArgument

pytestmark = pytest.mark.filterwarnings("ignore:Setting data_range based on")


def noisy(shape, dtype=np.uint16):
    rng = np.random.default_rng(5)
    image = rng.integers(0, 4096, shape).astype(dtype)
    return image, (image + rng.integers(0, 50, shape)).astype(dtype)


def test_the_logarithm_of_base_20():
    for mse, peak in ((1.0, 255), (37.5, 65535), (2e6, 65535)):
        decibels = 20 * math.log10(peak / math.sqrt(mse))
        assert psnr_as_written(mse, peak) == pytest.approx(0.76862178684024 * decibels)
    assert psnr_as_written(0, 255) == math.inf


@pytest.mark.parametrize(
    ("dtype", "bits", "peak"), [(np.uint16, None, 65535), (np.uint16, 12, 4095), (np.uint8, 8, 255)]
)
def test_measures_of_a_plane(dtype, bits, peak):
    reference = pytest.importorskip("skimage.metrics").structural_similarity
    a, b = noisy((40, 50), dtype)
    coded = bytes(777)
    found = as_written(a, b, len(coded), "yx", bits)
    assert set(found) == set(FOOTNOTES)
    assert found["ratio"] == sys.getsizeof(coded) / sys.getsizeof(a.copy())
    assert found["factor"] == pytest.approx(sys.getsizeof(a.copy()) / sys.getsizeof(coded))
    assert found["mse"] == pytest.approx(((b.astype(float) - a) ** 2).mean())
    assert found["psnr"] == pytest.approx(20 * math.log(peak / math.sqrt(found["mse"])) / math.log(20))
    assert found["ssim"] == pytest.approx(reference(a, b))


def test_views_are_measured_as_if_they_owned_their_samples():
    a, b = noisy((40, 50))
    assert sys.getsizeof(a[::2]) < a[::2].nbytes
    assert as_written(a[::2], b[::2], 100, "yx")["ratio"] == 133 / sys.getsizeof(a[::2].copy())


def test_volumes_colour_and_floats():
    reference = pytest.importorskip("skimage.metrics").structural_similarity
    a, b = noisy((3, 20, 24))
    assert as_written(a, b, 9, "zyx")["ssim"] == pytest.approx(np.mean([*map(reference, a, b)]))
    assert as_written(a, b, 9, "cyx")["ssim"] is None
    x, y = a[0] / 4096, b[0] / 4096
    found = as_written(x, y, 9, "yx")
    assert found["ssim"] == pytest.approx(reference(x, y, data_range=2.0))
    assert found["psnr"] == pytest.approx(psnr_as_written(((x - y) ** 2).mean(), 1.0))
    exact = as_written(a, a, 9, "zyx")
    assert (exact["psnr"], exact["mse"], exact["ssim"]) == (math.inf, 0.0, pytest.approx(1))
    assert as_written(a[:0], a[:0], 9, "zyx") == dict.fromkeys(FOOTNOTES)
    assert as_written(a[0, :5], b[0, :5], 9, "yx")["ssim"] is None


def test_sizes_and_shapes_that_do_not_fit():
    a, b = noisy((8, 9))
    with pytest.raises(InvalidArgument, match="coded bytes: expected a positive number, found 0"):
        as_written(a, b, 0, "yx")
    with pytest.raises(InvalidArgument, match="two arrays of one shape"):
        as_written(a, b.T, 9, "yx")


def record(image, codec, status="ok", **values):
    measures = {"ratio": 0.25, "factor": 4.0, "mse": 2.5, "psnr": 30.5, "ssim": None}
    times = {"encode": {"wall": 0.5, "cpu": 0.4, "runs": 5}, "decode": {"wall": 0.125}}
    base = {"image": {"name": image}, "codec": {"name": codec}, "status": status, "raw_bytes": 800}
    return base | {"as_written": measures, "time": times} | values


def test_the_two_tables(tmp_path):
    records = [
        record("brain", "mmip"),
        record("knee, left", "mmip", time=None),
        record("brain", "JPEG 2000 (OpenJPEG)"),
        record("brain", "AVIF", status="failed"),
        record("brain", "zfp", as_written=None),
    ]
    written = write_tables(iter(records), tmp_path / "tables")
    names = ["as_written_mmip.csv", "as_written_JPEG_2000__OpenJPEG_.csv", "run_time.csv"]
    assert [path.name for path in written] == names
    tables = [list(csv.reader(path.open(newline=""))) for path in written]
    assert tables[0][0] == ["name", "ratio", "factor", "MSE", "PSNR", "SSIM"]
    assert tables[0][1:] == [[name, "0.25", "4.0", "2.5", "30.5", ""] for name in ("brain", "knee, left")]
    assert tables[2] == [
        ["model", "image", "size", "encode s", "decode s"],
        ["mmip", "brain", "800", "0.5", "0.125"],
        ["mmip", "knee, left", "800", "", ""],
        ["JPEG 2000 (OpenJPEG)", "brain", "800", "0.5", "0.125"],
    ]


def test_codecs_of_one_file_name_share_it(tmp_path):
    written = write_tables([record("brain", "zfp/1"), record("brain", "zfp:1")], tmp_path)
    assert written[0].name == "as_written_zfp_1.csv"
    assert len(written[0].read_text().splitlines()) == 3


def test_records_without_these_measures(tmp_path):
    for records in ([], [record("brain", "zfp", as_written=None)], [record("brain", "zfp", status="unsupported")]):
        with pytest.raises(InvalidArgument, match="expected records with these measures, found none"):
            write_tables(records, tmp_path)
