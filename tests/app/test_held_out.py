import json

import numpy as np
import pytest

from app.errors import ModelError
from app.held_out import open_map, read_examples
from app.store import scan
from tests.fakes import CLASSES, MAP, list_files, png_bytes, seal, write_version


def version_of(folder, **changes):
    write_version(folder, **changes)
    return scan(folder).find("fake")


def broken(folder, **arrays):
    """A version whose map's arrays are others; its checksums are right."""
    return version_of(folder, mapped=MAP | arrays)


def test_a_map_has_an_image_a_class_and_a_place_for_each_code(tmp_path):
    found = open_map(version_of(tmp_path, mapped=MAP))
    assert len(found) == 6
    assert np.array_equal(found.positions, MAP["positions"])
    assert np.array_equal(found.z_mean, MAP["z_mean"])
    assert [found.class_of(index) for index in (0, 5)] == list(CLASSES)
    assert found.images.shape == (6, 8, 8)
    # 0.5 and a tenth of the code, as a level.
    assert found.images[:, 0, 0].tolist() == [76, 102, 128, 178, 181, 128]
    assert found.images[:, 7, 7].tolist() == [76, 76, 102, 153, 153, 178]
    assert (found.columns, found.method) == (4, "z_mean")


def test_colour_images_are_cut_from_the_sheet_too(tmp_path):
    found = open_map(version_of(tmp_path, mapped=MAP, shape=(4, 6, 3)))
    assert found.images.shape == (6, 4, 6, 3)
    assert found.images[5, 0, 0].tolist() == [128] * 3
    assert found.images[5, 3, 5].tolist() == [178] * 3


def test_a_map_may_be_without_classes_and_a_version_without_a_map(tmp_path):
    assert open_map(version_of(tmp_path / "without")) is None
    found = open_map(version_of(tmp_path / "plain", mapped=MAP | {"classes": np.empty(0, np.int32)}))
    assert found.names == ()
    assert found.class_of(3) is None


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"positions": MAP["positions"][:, :1]}, "positions: expected"),
        ({"positions": np.full((6, 2), np.nan, np.float32)}, "positions: expected"),
        ({"classes": np.array([0, 0, 0, 1, 1, 2])}, "classes: expected numbers from 0 to 1"),
        ({"classes": np.array([0, 0, 0, 1, 1])}, "classes: expected"),
        ({"classes": np.array(["0"] * 6)}, "classes: expected"),
    ],
)
def test_a_map_that_is_not_what_the_manifest_says_is_refused(tmp_path, arrays, reason):
    with pytest.raises(ModelError, match=f"fake@1: map: {reason}"):
        open_map(broken(tmp_path, **arrays))


def test_a_sheet_of_another_size_is_refused(tmp_path):
    folder = write_version(tmp_path, mapped=MAP)
    (folder / "map.png").write_bytes(png_bytes(np.zeros((8, 32), np.uint8)))
    manifest = json.loads((folder / "manifest.json").read_text())
    seal(folder, manifest | {"files": list_files(folder)})
    with pytest.raises(ModelError, match=r"map\.png is \(8, 32\), not \(16, 32\)"):
        open_map(scan(tmp_path).find("fake"))


def test_the_images_of_a_map_are_read_once_and_only_if_they_are_asked_for(tmp_path):
    version = version_of(tmp_path, mapped=MAP)
    asked, other = open_map(version), open_map(version)
    images = asked.images
    (version.folder / "map.png").unlink()
    assert asked.images is images
    with pytest.raises(ModelError, match=r"fake@1: map: map\.png: cannot be read"):
        other.images  # noqa: B018


def test_a_sheet_that_was_changed_since_the_version_was_opened_is_refused(tmp_path):
    version = version_of(tmp_path, mapped=MAP)
    found = open_map(version)
    sheet = version.folder / "map.png"
    sheet.write_bytes(sheet.read_bytes()[:-1] + b"!")
    with pytest.raises(ModelError, match=r"map\.png: changed since it was published"):
        found.images  # noqa: B018


def test_a_map_whose_files_are_not_listed_is_refused_by_the_manifest(tmp_path):
    folder = write_version(tmp_path / "store", mapped=MAP)
    manifest = json.loads((folder / "manifest.json").read_text())
    seal(folder, manifest | {"map": manifest["map"] | {"sprites": "sheet.png"}})
    write_version(tmp_path / "store", number=2)
    assert "map: sheet.png is not among the files" in scan(tmp_path / "store").rejected["fake/1"]


def test_examples_are_read_as_they_are(tmp_path):
    examples = read_examples(version_of(tmp_path))
    assert examples.shape == (2, 8, 8)
    assert examples[:, 3, 3].tolist() == [51, 204]


def test_an_example_of_another_shape_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"examples/0\.png is \(8, 8\), not \(8, 9\)"):
        read_examples(version_of(tmp_path, image={"shape": [8, 9]}))
