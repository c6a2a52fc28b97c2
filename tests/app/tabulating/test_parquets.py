import json

import pytest

from app.jobs.job import InvalidJob
from app.tabulating.parquets import AT_ONCE, ParquetImages

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

ROWS = 3 * AT_ONCE
CONTENTS = [b"image %d" % number for number in range(ROWS)]


def write(path, columns, metadata=None, rows=AT_ONCE + 4):
    parquet.write_table(pyarrow.table(columns).replace_schema_metadata(metadata), path, row_group_size=rows)
    return path


@pytest.fixture
def bare(tmp_path):
    """A column of bytes and one of text beside it, in several stretches."""
    return write(tmp_path / "bare.parquet", {"file": CONTENTS, "label": [f"c{n % 2}" for n in range(ROWS)]})


def opened(path, most_bytes=100, column=None, label=None):
    return ParquetImages(path, most_bytes, column, label)


@pytest.mark.parametrize(
    "stretches",
    [[range(ROWS)], [range(5), range(5, 40), range(40, ROWS)], [range(30, 47), range(3, 22), range(20, 21)]],
    ids=["all", "one-after-the-other", "in-any-order"],
)
def test_rows_come_by_their_numbers_in_whatever_stretches_they_are_read(bare, stretches):
    images = opened(bare)
    for stretch in stretches:
        found = list(images.read(stretch))
        assert [image.number for image in found] == [*stretch]
        assert [image.data for image in found] == CONTENTS[stretch.start : stretch.stop]
    assert (found[0].name, found[0].label) == (f"bare.parquet/{stretch.start}", f"c{stretch.start % 2}")


def test_images_as_hugging_face_writes_them_have_their_path_and_the_name_of_their_class(tmp_path):
    image = [{"bytes": b"one", "path": "a.png"}, {"bytes": None, "path": "b.png"}, None]
    told = {"info": {"features": {"label": {"names": ["Bag", "Shirt"], "_type": "ClassLabel"}}}}
    table = {"image": image, "label": [1, 0, None]}
    path = write(tmp_path / "x.parquet", table, {"huggingface": json.dumps(told)})
    assert [(each.name, each.label, each.data, each.error) for each in opened(path).read(range(3))] == [
        ("a.png", "Shirt", b"one", ""),
        ("b.png", "Bag", None, "no bytes in this row"),
        ("x.parquet/2", None, None, "no bytes in this row"),
    ]


def test_what_render_writes_is_read(tmp_path):
    from app.rendering.parquet import table

    (tmp_path / "x.parquet").write_bytes(table([(b"png", "007.png")], [1], [7], ["Bag", "Shirt"]))
    (found,) = opened(tmp_path / "x.parquet").read(range(1))
    assert found == (0, "007.png", "Shirt", b"png", "")


def test_columns_may_be_named_and_must_be_if_several_hold_bytes(tmp_path):
    path = write(tmp_path / "x.parquet", {"a": [b"1"], "b": [b"2"], "kind": ["Bag"]})
    with pytest.raises(InvalidJob, match=r"name it by --column. Columns of bytes: a, b"):
        opened(path)
    (found,) = opened(path, column="b", label="kind").read(range(1))
    assert (found.data, found.label) == (b"2", "Bag")
    with pytest.raises(InvalidJob, match="bytes in the column kind"):
        opened(path, column="kind")
    with pytest.raises(InvalidJob, match=r"no column class\. Columns: a, b, kind"):
        opened(path, column="a", label="class")


def test_a_stretch_that_is_broken_has_a_reason_and_the_next_one_is_read(tmp_path):
    path = tmp_path / "x.parquet"
    table = pyarrow.table({"file": CONTENTS})
    parquet.write_table(table, path, row_group_size=AT_ONCE, compression="zstd", use_dictionary=False)
    where = parquet.ParquetFile(path).metadata.row_group(1).column(0)
    content = bytearray(path.read_bytes())
    start = where.data_page_offset
    content[start : start + where.total_compressed_size] = bytes(where.total_compressed_size)
    path.write_bytes(content)
    found = list(opened(path).read(range(ROWS)))
    assert [bool(image.error) for image in found] == [
        AT_ONCE <= number < 2 * AT_ONCE for number in range(ROWS)
    ]
    assert found[AT_ONCE].error.startswith("the row cannot be read (")
    again = [image for some in (range(20), range(20, ROWS)) for image in opened(path).read(some)]
    assert again == found


def test_an_image_that_is_too_large_has_a_reason(bare):
    assert "Received: 7 bytes" in next(opened(bare, most_bytes=6).read(range(1))).error


@pytest.mark.parametrize("content", [b"", b"PAR1 no table PAR1"])
def test_what_is_no_parquet_file_is_refused_in_one_line(content, tmp_path):
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(InvalidJob, match=r"x\.parquet: no Parquet file that can be read") as refused:
        opened(tmp_path / "x.parquet")
    assert "\n" not in str(refused.value)


def test_a_table_without_rows_has_no_images_whatever_its_columns(tmp_path):
    for kind in (pyarrow.binary(), pyarrow.null()):
        path = write(tmp_path / "x.parquet", {"a": pyarrow.array([], kind)})
        for images in (opened(path), opened(path, column="file", label="class")):
            assert (images.count, list(images.read(range(0)))) == (0, [])


@pytest.mark.parametrize("path", [5, 0, 0.5, True, {"at": "a.png"}, ["a.png"], ""], ids=repr)
def test_a_path_that_is_no_text_is_no_name(path, tmp_path):
    image = [{"bytes": b"one", "path": path}, {"bytes": b"two", "path": None}]
    images = opened(write(tmp_path / "x.parquet", {"image": image}))
    assert [each.name for each in images.read(range(2))] == ["x.parquet/0", "x.parquet/1"]


def test_text_that_is_no_utf8_is_of_its_row_alone(tmp_path):
    text = pyarrow.array([b"caf\xe9", b"b"]).view(pyarrow.string())
    image = pyarrow.StructArray.from_arrays([pyarrow.array([b"one", b"two"]), text], ["bytes", "path"])
    path = write(tmp_path / "x.parquet", {"image": image, "label": text})
    assert list(opened(path).read(range(2))) == [
        (0, r"caf\xe9", "caf\ufffd", b"one", ""),
        (1, "b", "b", b"two", ""),
    ]


def test_a_label_that_python_has_no_value_for_is_none(tmp_path):
    label = pyarrow.array([2**61, 0], pyarrow.timestamp("ms"))
    path = write(tmp_path / "x.parquet", {"image": [b"one", b"two"], "label": label})
    assert [(each.data, each.label) for each in opened(path).read(range(2))] == [
        (b"one", None),
        (b"two", "1970-01-01 00:00:00"),
    ]


def test_bytes_deeper_in_a_column_are_no_image(tmp_path):
    with pytest.raises(InvalidJob, match="Columns of bytes: none"):
        opened(write(tmp_path / "x.parquet", {"image": [{"bytes": {"bytes": b"one"}}]}))


def test_labels_may_be_bytes_and_are_text_then(tmp_path):
    path = write(tmp_path / "x.parquet", {"image": [b"1", b"2"], "label": ["Käfer".encode(), b"\xff"]})
    found = [(each.data, each.label) for each in opened(path).read(range(2))]
    assert found == [(b"1", "Käfer"), (b"2", "\ufffd")]
    assert [each.data for each in opened(path, column="label").read(range(2))] == ["Käfer".encode(), b"\xff"]


def test_a_table_without_bytes_is_refused(tmp_path):
    with pytest.raises(InvalidJob, match="Columns of bytes: none"):
        opened(write(tmp_path / "x.parquet", {"a": ["text"]}))


def test_the_fingerprint_changes_with_the_table(bare, tmp_path):
    before = opened(bare).fingerprint
    assert opened(bare).fingerprint == before
    write(bare, {"file": [*CONTENTS[:-1], b"another"]})
    assert opened(bare).fingerprint != before
