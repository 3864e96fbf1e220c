"""What tests of sinks share: a series of CT slices."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.ct_files import HEAD, make


@pytest.fixture
def series(tmp_path: Path) -> Path:
    folder = tmp_path / "original"
    folder.mkdir()
    for z in range(6):
        place = {"ImagePositionPatient": [-9.0, 4.0, 3.0 * z - 50], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        tags = place | {"PixelSpacing": [0.25, 0.5], "InstanceNumber": 6 - z, "SliceThickness": 3}
        make(HEAD[z], **tags).save_as(folder / f"{6 - z}.dcm", enforce_file_format=True)
    return folder
