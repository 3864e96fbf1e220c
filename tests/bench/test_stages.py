"""The staged benchmark: its selections, its page, users' own copies, and that a second run adds nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmip_gpu.bench import datasets, stages
from mmip_gpu.bench.datasets import DATASETS
from mmip_gpu.bench.images import BenchImage
from mmip_gpu.bench.records import RECORDS, read_records, steady
from mmip_gpu.bench.run import Run
from mmip_gpu.bench.stages import PAGE, STAGES, run_stages, stage_images
from mmip_gpu.bench.synthetic import phantoms
from mmip_gpu.errors import InvalidArgument

FEW = Run(
    codecs=("mmip effort 1", "JPEG-LS (CharLS) lossless"), targets=("bits:1", "lossless"), seconds=0.01, pictures=False
)


@pytest.fixture(autouse=True)
def no_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Stand-ins are phantoms, small ones, wherever the tests run."""
    monkeypatch.setattr(datasets, "_QUICK", (96, 4))
    monkeypatch.delenv("MMIP_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def test_stages_are_those_of_the_document() -> None:
    assert [stage.number for stage in STAGES] == [1, 2, 3, 4]
    assert [stage.task for stage in STAGES] == [None, "membranes", "nuclei", None]
    for stage in STAGES:
        assert set(stage.sets) <= DATASETS.keys()
        assert set(stage.stand_ins.values()) == set(stage.phantoms.values()) == set(stage.sets)
        found = list(stage_images(stage, phantoms="quick"))
        assert {image.stand_in for image in found if isinstance(image, BenchImage)} == set(stage.sets)
    first, last = ([i for i in stage_images(s, phantoms="quick") if isinstance(i, BenchImage)] for s in STAGES[::3])
    assert [(image.bits, image.channels) for image in first] == [(16, 1), (16, 3)]
    assert [image.channels for image in last] == [1, 3]


def test_a_page_for_all_stages_and_no_record_twice(tmp_path: Path) -> None:
    records = run_stages(tmp_path / "out", [], FEW, phantoms="quick")
    page = (tmp_path / "out" / PAGE).read_text()
    for stage in STAGES:
        assert f"## Stage {stage.number}: {stage.title}" in page
        for name in stage.sets:
            assert f"- {name} is not here" in page
    assert page.count("**Stand-ins**") == 6
    assert page.count("### Segmentation: membranes") == page.count("### Segmentation: nuclei") == 1
    rows = [line for line in page.splitlines() if line.startswith("| uncompressed")]
    assert len(rows) == 4  # two wide tables, each in two parts
    lossless = [line for line in page.splitlines() if "lossless" in line and " exact " in line]
    assert len(lossless) >= 4
    again = run_stages(tmp_path / "out", [], FEW, phantoms="quick")
    assert again == records == read_records(tmp_path / "out")
    assert (tmp_path / "out" / PAGE).read_text() == page
    keys = [record["key"] for record in records]
    assert len(set(keys)) == len(keys)
    path = tmp_path / "out" / RECORDS
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-3]) + b'{"version"')
    resumed = run_stages(tmp_path / "out", [], FEW, phantoms="quick")
    assert [steady(record) for record in resumed] == [steady(record) for record in records]


def test_a_users_copy_takes_the_place_of_its_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "STAGES", STAGES[1:2])
    folder = tmp_path / "empiar"
    folder.mkdir()
    membranes = next(image for image in phantoms(96, 8) if image.name == "phantom_membranes")
    np.save(folder / "section.npy", membranes.array)
    found = list(stage_images(STAGES[1], [f"EMPIAR-12592={folder}"], "quick"))
    assert [(image.name, image.dataset) for image in found] == [("section", "EMPIAR-12592")]
    records = run_stages(tmp_path / "out", [f"EMPIAR-12592={folder}"], FEW, phantoms="quick")
    page = (tmp_path / "out" / PAGE).read_text()
    assert "- EMPIAR-12592: 1 images of the set." in page
    mine = [record for record in records if record["image"]["name"] == "section" and record["status"] == "ok"]
    assert mine
    for record in mine:
        assert record["tasks"]["membranes"]["truth"] is None
        assert record["tasks"]["membranes"]["original"]["dice"] > 0.5


@pytest.mark.parametrize("own", ["EMPIAR-12592", "imagecompression-gray8=.", "phantoms", "nothing=."])
def test_other_sets_are_refused(own: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="NAME=FOLDER"):
        run_stages(tmp_path / "out", [own], FEW)
    assert not (tmp_path / "out").exists()


def test_a_copy_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="does not exist"):
        run_stages(tmp_path / "out", [f"TG-GATEs={tmp_path / 'nowhere'}"], FEW, phantoms="quick")
    assert not (tmp_path / "out").exists()
