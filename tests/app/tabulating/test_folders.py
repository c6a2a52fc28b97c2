import os

import pytest

from app.jobs.job import InvalidJob
from app.tabulating.folders import FolderImages
from tests.app.tabulating.conftest import FILES, MOST_BYTES


def read(folder, most_bytes=MOST_BYTES):
    images = FolderImages(folder, most_bytes)
    return list(images.read(range(images.count)))


def test_pictures_come_by_their_names_with_the_uppermost_folder_as_label(photos):
    found = read(photos)
    assert [image.name for image in found] == sorted(FILES)
    assert [image.label for image in found] == [None, "bags", "bags", "shirts", "shirts", "shirts"]
    assert {image.name: image.data for image in found} == FILES
    assert FolderImages(photos, MOST_BYTES).left_out == 1  # the text; hidden files do not count


def test_some_of_them_are_those_with_these_numbers(photos):
    assert [image.number for image in FolderImages(photos, MOST_BYTES).read(range(2, 4))] == [2, 3]


def test_what_is_no_file_or_too_large_has_a_reason_and_nothing_is_waited_for(photos):
    os.mkfifo(photos / "pipe.png")
    (photos / "nowhere.png").symlink_to(photos / "missing")
    (photos / "large.png").write_bytes(bytes(MOST_BYTES + 1))
    (photos / "around").symlink_to(photos, target_is_directory=True)
    reasons = {image.name: image.error for image in read(photos) if image.error}
    assert reasons == {
        "pipe.png": "no file",
        "nowhere.png": "No such file or directory",
        "large.png": "expected at most 10000 bytes (VITRINE_MAX_UPLOAD_BYTES). Received: 10001 bytes.",
    }


def test_a_file_that_goes_away_meanwhile_has_a_reason(photos):
    images = FolderImages(photos, MOST_BYTES)
    (photos / "bags" / "a.png").unlink()
    assert [image.error for image in images.read(range(1, 3))] == ["No such file or directory", ""]


def test_a_folder_that_cannot_be_listed_is_a_row_of_its_own(photos, monkeypatch):
    listed = os.scandir

    def refuse(path):
        if str(path).endswith("bags"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = {image.name: image for image in read(photos)}
    assert found["bags/"].data is None
    assert found["bags/"].error == "a folder that could not be listed before"
    assert len(found) == len(FILES) - 1


def test_the_fingerprint_changes_with_names_and_sizes(photos):
    before = FolderImages(photos, MOST_BYTES).fingerprint
    assert FolderImages(photos, MOST_BYTES).fingerprint == before
    (photos / "more.png").write_bytes(b"x")
    assert FolderImages(photos, MOST_BYTES).fingerprint != before


def test_names_in_any_bytes_become_text(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    assert [image.name for image in read(tmp_path)] == [r"caf\xe9.png"]


def test_a_folder_without_pictures_or_that_is_none_is_refused(tmp_path):
    with pytest.raises(InvalidJob, match="no picture there"):
        FolderImages(tmp_path, MOST_BYTES)
    with pytest.raises(InvalidJob, match="No such file"):
        FolderImages(tmp_path / "nowhere", MOST_BYTES)
