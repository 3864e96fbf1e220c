"""Data sets of the benchmark: phantoms by seed, folders of users, the developers' images where they are."""

from __future__ import annotations

import hashlib
import json

import imagecodecs
import numpy as np
import pytest

from mmip_gpu.bench.datasets import DATASETS, select_images
from mmip_gpu.bench.images import BenchImage, UnusableImage
from mmip_gpu.bench.shared_images import shared_images
from mmip_gpu.bench.synthetic import cell_borders, nuclei
from mmip_gpu.bench.user_images import read_netpbm
from mmip_gpu.errors import InvalidArgument, MissingResource, StoreError

GREY = np.arange(40 * 48, dtype=np.uint16).reshape(40, 48)
RGB = np.random.default_rng(0).integers(0, 256, (40, 48, 3)).astype(np.uint8)


def write_png(path, array):
    path.write_bytes(imagecodecs.png_encode(array))


def images(folder):
    return {image.name: image for image in select_images([str(folder)])}


# --- phantoms


def test_phantoms_serve_every_task_and_are_the_same_each_time():
    first, second = (list(select_images(["quick"])) for _ in range(2))
    assert [image.checksum for image in first] == [image.checksum for image in second]
    assert {image.task for image in first} == {None, "nuclei", "membranes"}
    assert {(image.axes, image.bits) for image in first} >= {
        ("yx", 16),
        ("zyx", 16),
        ("yx", 8),
        ("yxc", 16),
        ("yxc", 8),
    }
    assert [image.name for image in first if image.peak == 1] == ["phantom_constant_192"]
    assert all(0 < mask.mean() < 0.5 for image in first for mask in image.masks.values())


def test_the_phantoms_of_a_seed():
    assert next(iter(select_images(["quick:phantom2d*"]))).checksum == "30b2f906d32601f7"
    labels = nuclei(96, seed=1)
    assert np.unique(labels).tolist() == list(range(labels.max() + 1))
    assert not np.array_equal(labels, nuclei(96, seed=2))
    assert cell_borders(96, seed=2).sum() > cell_borders(48, seed=2).sum()


# --- names


def test_names_are_never_twice(tmp_path):
    np.save(tmp_path / "phantom2d_192.npy", GREY)
    names = [image.name for image in select_images(["quick:phantom2d*", "quick:phantom*2d*", str(tmp_path)])]
    assert names == ["phantom2d_192", "phantom2d_192-2", "phantom2d_192-3"]


def test_a_pattern_that_fits_nothing_is_an_image_that_cannot_be_used(tmp_path, monkeypatch):
    monkeypatch.delenv("MMIP_DATA", raising=False)
    shared_folder(tmp_path)
    texts = ["quick:nothing*", "phantoms:x", "shared:no_such", "shared:ct"]
    found = list(select_images(texts, _as_data(tmp_path)))
    assert [image.name for image in found] == ["quick_nothing_", "phantoms_x", "shared_no_such", "ct"]
    assert [image.reason for image in found[:3]] == [f"{text}: no image fits" for text in texts[:3]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("phantom", "did you mean phantoms"),
        ("no/folder", "expected a folder, a file, or one of phantoms"),
        ("EMPIAR-12592", "expected EMPIAR-12592=FOLDER, your copy: EMPIAR"),
        ("EMPIAR-12592=no/folder", "no/folder does not exist"),
    ],
)
def test_unknown_sets(text, said):
    with pytest.raises(InvalidArgument, match=said):
        select_images([text])


def test_the_developers_images_are_not_everywhere(tmp_path, monkeypatch):
    monkeypatch.delenv("MMIP_DATA", raising=False)
    with pytest.raises(MissingResource, match="set MMIP_DATA"):
        select_images(["shared"], tmp_path)


def test_a_users_copy_of_a_public_set(tmp_path):
    (tmp_path / "deer.pgm").write_bytes(b"P5\n# made\n48 40\n65535\n" + GREY.astype(">u2").tobytes())
    (image,) = select_images([f"imagecompression-gray16={tmp_path}"])
    assert (image.name, image.dataset, image.bits) == ("deer", "imagecompression-gray16", 16)
    assert np.array_equal(image.array, GREY)
    assert all(found.where and found.licence and found.checksums for found in DATASETS.values())


# --- a user's folder


def test_a_folder_of_many_kinds(tmp_path):
    np.save(tmp_path / "a.npy", GREY.reshape(10, 4, 48))
    np.save(tmp_path / "b.npy", RGB)
    write_png(tmp_path / "c.png", RGB)
    (tmp_path / "d.ppm").write_bytes(b"P6 48 40 255\n" + RGB.tobytes())
    np.save(tmp_path / "c.mask.npy", RGB[..., 0] > 99)
    write_png(tmp_path / "d.labels.png", (RGB[..., 0] // 90).astype(np.uint8))
    found = images(tmp_path)
    assert {name: image.axes for name, image in found.items()} == {"a": "zyx", "b": "yxc", "c": "yxc", "d": "yxc"}
    assert all(np.array_equal(found[name].array, RGB) for name in "bcd")
    assert np.array_equal(found["c"].masks["mask"], RGB[..., 0] > 99)
    assert np.array_equal(found["d"].labels, RGB[..., 0] // 90)
    assert (found["d"].task, found["c"].task) == ("nuclei", None)


def test_channels_and_time_points_are_images(tmp_path):
    import tifffile

    stack = np.arange(2 * 3 * 8 * 16 * 20, dtype=np.uint16).reshape(2, 3, 8, 16, 20)  # t z c y x, as ImageJ has them
    tifffile.imwrite(tmp_path / "s.tif", stack, imagej=True, metadata={"axes": "TZCYX"})
    found = images(tmp_path)
    assert len(found) == 16
    assert all(image.axes == "zyx" and image.array.shape == (3, 16, 20) for image in found.values())
    assert np.array_equal(found["s-01-05"].array, stack[1, :, 5])


def test_a_large_image_is_cut_and_says_so(tmp_path):
    wide = np.zeros((4, 5000), np.uint8)
    wide[:, 2500] = 7
    np.save(tmp_path / "wide.npy", wide)
    np.save(tmp_path / "wide.mask.npy", wide > 0)
    (image,) = images(tmp_path).values()
    assert (image.name, image.array.shape) == ("wide-middle", (4, 4096))
    assert np.array_equal(image.masks["mask"], image.array > 0)
    assert image.array.max() == 7


def test_names_that_differ_in_their_format_only(tmp_path):
    np.save(tmp_path / "a.npy", GREY)
    write_png(tmp_path / "a.png", RGB)
    assert set(images(tmp_path)) == {"a.npy", "a.png"}


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(tmp_path):
    np.save(tmp_path / "good.npy", GREY)
    (tmp_path / "torn.npy").write_bytes((tmp_path / "good.npy").read_bytes()[:300])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "note.txt").write_text("no picture")
    (tmp_path / "short.pgm").write_bytes(b"P5 9 9 255\n1234")
    np.save(tmp_path / "good2.npy", GREY)
    np.save(tmp_path / "good2.mask.npy", GREY[:9])
    np.save(tmp_path / "wrong.npy", GREY)
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  wrong.npy\n")
    found = images(tmp_path)
    reasons = {name: image.reason for name, image in found.items() if isinstance(image, UnusableImage)}
    assert set(reasons) == {"torn", "text", "note", "short", "good2", "wrong"}
    assert "(40, 48), found (9, 48)" in reasons["good2"]
    assert "expected the SHA-256 0000" in reasons["wrong"]
    assert "expected 81 bytes" in reasons["short"]
    assert isinstance(found["good"], BenchImage)


def test_an_empty_folder_is_named(tmp_path):
    (image,) = images(tmp_path).values()
    assert "is an empty folder: expected images" in image.reason


@pytest.mark.parametrize("head", [b"P4 4 4\n", b"P5 4 x 255\n", b"P5 4 4 70000\n", b""])
def test_other_netpbm(head, tmp_path):
    (tmp_path / "a.pgm").write_bytes(head + bytes(64))
    with pytest.raises((InvalidArgument, StoreError)):
        read_netpbm(tmp_path / "a.pgm")


# --- the developers' images


def shared_folder(folder):
    """A folder with a stack of two images and labels, a volume, and a set of one file."""
    stack = np.random.default_rng(1).integers(0, 255, (2, 40, 48, 3)).astype(np.uint8)
    arrays = {
        "he": ("image", "NYXC", stack, "H&E histology (RGB)", "unknown (see blockiness)"),
        "he_labels": ("mask", "NYX", stack[..., 0], "label mask", "no"),
        "ct": ("image", "ZYX", np.arange(40 * 64, dtype=np.int16).reshape(40, 8, 8), "CT 3D", "no"),
    }
    entries = []
    for name, (role, axes, array, modality, lossy) in arrays.items():
        np.save(folder / f"{name}.npy", array)
        entries.append(
            {
                "name": name, "file": f"{name}.npy", "role": role, "axes": axes, "modality": modality,
                "shape": list(array.shape), "bits_stored": 8 * array.itemsize, "prior_lossy": lossy, "licence": "CC0",
                "sha256": hashlib.sha256((folder / f"{name}.npy").read_bytes()).hexdigest(),
            }
        )  # fmt: skip
    np.save(folder / "one.npy", RGB)
    one = {"file": "one.npy", "sha256": hashlib.sha256((folder / "one.npy").read_bytes()).hexdigest()}
    entries_of_set = {"name": "photos", "role": "image", "modality": "dermoscopy", "shape": list(RGB.shape)}
    entries[-1]["window"] = [0, 300]
    entries_of_set |= {"bits_stored": 8, "prior_lossy": "yes (JPEG)", "licence": "CC0", "files": [one]}
    (folder / "manifest.json").write_text(json.dumps({"images": entries, "sets": [entries_of_set]}))


def test_the_manifest(tmp_path, monkeypatch):
    monkeypatch.delenv("MMIP_DATA", raising=False)
    shared_folder(tmp_path)
    found = {image.name: image for image in shared_images(tmp_path)}
    assert set(found) == {"he-00", "he-01", "ct"}
    assert (found["he-01"].task, found["he-01"].group, found["he-01"].jpeg_origin) == ("nuclei", "histology", "unknown")
    assert np.array_equal(found["he-01"].labels, np.load(tmp_path / "he_labels.npy")[1])
    assert found["ct"].array[[0, -1], 0, 0].tolist() == [4 * 64, 35 * 64]
    assert (found["ct"].window, found["he-00"].window) == ((0, 300), None)
    (photo,) = shared_images(tmp_path, "photos")
    assert (photo.name, photo.jpeg_origin) == ("one", "yes")
    assert [image.name for image in shared_images(tmp_path, "*-01")] == ["he-01"]
    assert [image.name for image in select_images(["shared:c*"], _as_data(tmp_path))] == ["ct"]


def _as_data(folder):
    place = folder / "elsewhere" / "shared"
    place.mkdir(parents=True)
    (place / "data").symlink_to(folder)
    return folder / "elsewhere"


def test_a_file_that_is_not_the_manifests(tmp_path):
    shared_folder(tmp_path)
    np.save(tmp_path / "ct.npy", GREY)
    (tmp_path / "he_labels.npy").unlink()
    reasons = {image.name: image.reason for image in shared_images(tmp_path)}
    assert "ct.npy: expected the SHA-256" in reasons["ct"]
    assert "he_labels.npy" in reasons["he"]
