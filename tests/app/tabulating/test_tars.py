import io
import tarfile

import pytest

from app.jobs.job import InvalidJob
from app.tabulating.tars import TarImages

MEMBERS = {
    "001.cls": b"3\n",
    "001.png": b"first",
    "part/002.input.jpg": b"second",
    "part/002.cls": b"Bag",
    "part/002.json": b"{}",
    "003.webp": b"third",
}


@pytest.fixture
def tar(tmp_path):
    path = tmp_path / "some.tar"
    with tarfile.open(path, "w") as file:
        for name, content in MEMBERS.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return path


def test_pictures_come_in_the_order_of_the_file_with_the_class_beside_them(tar):
    images = TarImages(tar, 100)
    assert [(image.name, image.label, image.data) for image in images.read(range(3))] == [
        ("001.png", "3", b"first"),
        ("part/002.input.jpg", "Bag", b"second"),
        ("003.webp", None, b"third"),
    ]
    assert [image.number for image in images.read(range(1, 3))] == [1, 2]
    assert (images.count, images.left_out) == (3, 1)


def test_one_that_is_too_large_or_cut_off_meanwhile_has_a_reason(tar):
    assert [bool(image.error) for image in TarImages(tar, 5).read(range(3))] == [False, True, False]
    images = TarImages(tar, 100)
    tar.write_bytes(tar.read_bytes()[:1600])
    assert [image.error for image in images.read(range(3))][1:] == ["the tar file is shorter than it was"] * 2


def test_the_fingerprint_is_of_the_pictures(tar, tmp_path):
    before = TarImages(tar, 100).fingerprint
    (tmp_path / "copy.tar").write_bytes(tar.read_bytes())
    assert TarImages(tmp_path / "copy.tar", 100).fingerprint == before
    with tarfile.open(tar, "a") as file:
        file.addfile(tarfile.TarInfo("004.png"))
    assert TarImages(tar, 100).fingerprint != before


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"no tar file" * 99, "not a whole tar file"),
        (b"\x1f\x8b", "not a whole"),
    ],
    ids=["text", "gzip"],
)
def test_what_is_no_tar_file_is_refused(content, why, tmp_path):
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(InvalidJob, match=why):
        TarImages(tmp_path / "x.tar", 100)


def test_one_that_is_cut_off_is_refused(tar):
    tar.write_bytes(tar.read_bytes()[:3000])
    with pytest.raises(InvalidJob, match="not a whole tar file"):
        TarImages(tar, 100)
