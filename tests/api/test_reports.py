"""Reports and lazy arrays say themselves what they are: as a text, in a notebook, and in the log."""

from __future__ import annotations

import json
import logging
import pickle
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import mmip_gpu as mmip
from mmip_gpu.reports import Report

VOLUME = mmip.phantom3d((16, 64, 64))


class Tags(HTMLParser):
    """Depth of open tags, and the words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += f" {data}"


def written(array: Any, **options: Any) -> tuple[Report, Any]:
    store: dict[str, Any] = {}
    return mmip.write_zarr(array, store, **options), mmip.open_zarr(store)


@pytest.mark.parametrize(
    ("array", "options", "said"),
    [
        (VOLUME, {"quality": 10}, ["16 x 64 x 64 uint16, axes zyx, target quality 10", "1 chunks of 16 x 64 x 64"]),
        (VOLUME, {"lossless": True, "stages": 3}, ["reached: lossless (measured)"]),
        (np.stack([VOLUME, VOLUME]), {"psnr": 50, "axes": "czyx"}, ["2 channels", "reached: PSNR 5"]),
        (VOLUME.astype("f4"), {"max_error": 4, "step": 1.0}, ["float32", "largest error"]),
        (np.zeros((0, 4), "u1"), {"quality": 10}, ["0 x 4 uint8"]),
    ],
)
def test_reports_and_arrays(array: Any, options: dict[str, Any], said: list[str]) -> None:
    report, volume = written(array, **options)
    pages = [report.info, Tags(report._repr_html_()).words, volume.info, Tags(volume._repr_html_()).words]
    for words in said:
        assert all(words in page for page in pages), words
    assert json.loads(json.dumps(report)) == report == pickle.loads(pickle.dumps(report))
    assert repr(volume) in volume.info
    blob = mmip.encode(array, **options)
    assert said[0] in mmip.inspect(blob).info or "chunks" in said[0] or "channels" in said[0]


def test_unfinished_stores_and_odd_names() -> None:
    report, _ = written(VOLUME, quality=10)
    begun = Report(report | {"loss": None, "metadata": {"slope": 2.0, "intercept": -3.0, "channels": ["<b>"]}})
    begun["axes"], begun["shape"] = "czyx", [1, 16, 64, 64]
    assert "not complete" in begun.info
    assert "value = 2 * sample - 3" in begun.info
    assert "<b>" in Tags(begun._repr_html_()).words


def test_the_log_tells_of_jobs(caplog: pytest.LogCaptureFixture) -> None:
    store: dict[str, Any] = {}
    with caplog.at_level(logging.INFO, logger="mmip_gpu"):
        mmip.write_zarr(VOLUME, store, psnr=50)
        mmip.fetch_zarr(store, {})
        mmip.export_ome_zarr(store, {})
        mmip.repair_zarr(store, VOLUME)
    texts = [record.getMessage() for record in caplog.records]
    for words in (
        "planned in",
        "writing, psnr=50",
        "complete after",
        "stages, ",
        "chunks written",
        "0 chunks repaired",
    ):
        assert any(words in text for text in texts), words
    assert logging.getLogger("mmip_gpu").handlers == []
