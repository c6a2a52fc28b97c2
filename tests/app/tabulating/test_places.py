import io
import tarfile
from pathlib import Path

import pytest

from app.jobs.job import InvalidJob
from app.tabulating.places import Place, is_table
from tests.app.tabulating.conftest import FILES, MOST_BYTES


def write_tar(path: Path, names: list[str]) -> None:
    with tarfile.open(path, "w") as file:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            file.addfile(member, io.BytesIO(name.encode()))


def test_a_folder_of_pictures_is_that(place):
    assert place.open().count == len(FILES)


def test_a_folder_of_tables_is_all_of_them_one_behind_the_other(tmp_path):
    write_tar(tmp_path / "00001.tar", ["c.png"])
    write_tar(tmp_path / "00000.tar", ["a.png", "b.png", "x.txt"])
    (tmp_path / "index").mkdir()
    images = Place(str(tmp_path), MOST_BYTES).open()
    assert (images.count, images.left_out) == (3, 1)
    for numbers in (range(3), range(1, 3), range(2, 3), range(1)):
        found = list(images.read(numbers))
        assert [image.number for image in found] == [*numbers]
        assert [image.data for image in found] == [b"a.png", b"b.png", b"c.png"][numbers.start : numbers.stop]


def test_the_fingerprint_of_several_is_of_each(tmp_path):
    write_tar(tmp_path / "00000.tar", ["a.png"])
    write_tar(tmp_path / "00001.tar", ["c.png"])
    before = Place(str(tmp_path), MOST_BYTES).open().fingerprint
    write_tar(tmp_path / "00001.tar", ["d.png"])
    assert Place(str(tmp_path), MOST_BYTES).open().fingerprint != before


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("a.parquet", True), ("00000.tar", True), (".a.tar", False), ("a.tar.gz", False), ("a.png", False)],
)
def test_a_table_is_known_by_its_name(name, is_one):
    assert is_table(name) == is_one


def test_another_file_is_refused(tmp_path):
    (tmp_path / "x.csv").write_text("")
    with pytest.raises(InvalidJob, match=r"expected a folder, or a file called like \.parquet, \.tar"):
        Place(str(tmp_path / "x.csv"), MOST_BYTES).open()


def test_a_table_without_images_is_refused_only_where_no_other_has_any(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for name in ("a", "c"):
        parquet.write_table(
            pyarrow.table({"a": pyarrow.array([], pyarrow.null())}), tmp_path / f"{name}.parquet"
        )
    write_tar(tmp_path / "d.tar", ["notes.txt"])
    for place in (tmp_path, tmp_path / "a.parquet", tmp_path / "d.tar"):
        with pytest.raises(InvalidJob, match="no rows in Parquet files there, and no pictures in tar files"):
            Place(str(place), MOST_BYTES).open()
    parquet.write_table(pyarrow.table({"a": [b"1", b"2"]}), tmp_path / "b.parquet")
    images = Place(str(tmp_path), MOST_BYTES).open()
    assert [(each.number, each.data) for each in images.read(range(2))] == [(0, b"1"), (1, b"2")]
