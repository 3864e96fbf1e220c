"""What tests of the command line share: the results of the seed's walk."""

from __future__ import annotations

import pytest
from helpers.commands import BONE, run


@pytest.fixture(scope="session")
def walk(tmp_path_factory):
    """The seed's walk: phantom, ROI on and off at quality 10, the three stages."""
    folder = tmp_path_factory.mktemp("walk")
    image, on, off = (
        folder / "data/phantom_512.npy",
        folder / "results/q10.mmip",
        folder / "results/no_roi.mmip",
    )
    for place in (image, on, folder / "figures/a.png"):
        place.parent.mkdir()
    run("phantom", "-o", image)
    run("encode", image, "-o", on, "--quality", 10, "--roi", BONE)
    run("encode", image, "-o", off, "--quality", 10, "--no-roi")
    for stage in (1, 2, 3):
        run("decode", on, "-o", folder / f"results/s{stage}.npy", "--stages", stage)
    run("decode", off, "-o", folder / "results/no_roi_s3.npy", "--stages", 3)
    return folder
