import io
import json

import pytest

from app.rendering import parquet

pyarrow_parquet = pytest.importorskip("pyarrow.parquet")


def test_columns_and_what_hugging_face_reads_of_them():
    images = [(b"one", "0.png"), (b"two", "1.png")]
    written = parquet.table(images, [1, 0], [0, 1], ["a", "b"])
    assert written == parquet.table(images, [1, 0], [0, 1], ["a", "b"])
    table = pyarrow_parquet.read_table(io.BytesIO(written))
    assert table.to_pydict() == {
        "image": [{"bytes": b"one", "path": "0.png"}, {"bytes": b"two", "path": "1.png"}],
        "seed": [0, 1],
        "label": [1, 0],
    }
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["label"] == {"names": ["a", "b"], "_type": "ClassLabel"}
    assert features["image"] == {"_type": "Image"}


def test_without_classes_there_is_no_label():
    table = pyarrow_parquet.read_table(io.BytesIO(parquet.table([(b"one", "0.png")], [None], [0], [])))
    assert table.column_names == ["image", "seed"]
