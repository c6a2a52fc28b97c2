import csv
import io

import numpy as np
import pytest

from app.jobs import parquet
from app.jobs.job import InvalidJob
from app.tabulating.columns import SCORES, codes_of
from app.tabulating.writing import check_format, join, write_rows

CODES = codes_of(2, 1)
ROWS = [
    {
        "row": 0,
        "name": "a, b.png",
        "label": "Bag",
        "sha256": "ab",
        "kl": 0.5,
        "kl_by_axis": np.array([0.25, 0.25]),
        "z_mean": np.array([1, -1], np.float32),
        "z_log_var": np.array([0.5, 0.1], np.float32),
        "draws": np.array([[2, 3]], np.float32),
    },
    {"row": 1, "name": "broken.png", "label": None, "sha256": "cd", "error": "no image"},
]


@pytest.fixture
def joined(job, tmp_path):
    """What a job of two shards, a row each, is joined into."""

    def joined(kind):
        asked = job.model_copy(update={"format": kind})
        files = []
        for number, row in enumerate(ROWS):
            files.append(tmp_path / f"{number}.{kind}")
            files[-1].write_bytes(write_rows(asked, CODES, [row]))
        join(asked, files, tmp_path / f"out.{kind}")
        assert sorted(path.name for path in tmp_path.glob(f"*.{kind}")) == [
            f"0.{kind}",
            f"1.{kind}",
            f"out.{kind}",
        ]
        assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
        return tmp_path / f"out.{kind}"

    return joined


def test_csv_has_a_column_for_each_number(job, joined):
    content = write_rows(job.model_copy(update={"format": "csv"}), CODES, ROWS)
    found = list(csv.DictReader(io.StringIO(content.decode())))
    assert found[0] == {
        "row": "0", "name": "a, b.png", "label": "Bag", "sha256": "ab", "kl": "0.5",
        "kl_by_axis0": "0.25", "kl_by_axis1": "0.25", "z_mean0": "1.0", "z_mean1": "-1.0",
        "z_log_var0": "0.5", "z_log_var1": str(float(np.float32(0.1))), "draws0_0": "2.0", "draws0_1": "3.0",
        "notes": "", "error": "",
    }  # fmt: skip
    assert {value for name, value in found[1].items() if name not in ("row", "name", "sha256", "error")} == {
        ""
    }
    assert joined("csv").read_bytes() == content


def test_npz_has_an_array_for_each_column(job, joined):
    content = write_rows(job.model_copy(update={"format": "npz"}), CODES, ROWS)
    with np.load(io.BytesIO(content)) as found, np.load(joined("npz")) as whole:
        assert found["name"].tolist() == ["a, b.png", "broken.png"]
        assert (found["z_mean"].dtype, found["z_mean"].shape) == (np.float32, (2, 2))
        assert found["draws"].shape == (2, 1, 2)
        assert np.isnan(found["z_mean"][1]).all()
        assert found["error"].tolist() == ["", "no image"]
        assert set(whole) == {column.name for column in CODES}
        for name in whole:
            np.testing.assert_array_equal(whole[name], found[name])


def test_parquet_has_lists_and_nulls_and_says_which_job_it_is(job, joined):
    arrow = pytest.importorskip("pyarrow.parquet")
    content = write_rows(job.model_copy(update={"format": "parquet"}), CODES, ROWS)
    table = arrow.read_table(io.BytesIO(content))
    found = table.to_pylist()
    assert (found[0]["z_mean"], found[0]["draws"], found[0]["label"]) == ([1.0, -1.0], [[2.0, 3.0]], "Bag")
    assert (found[1]["z_mean"], found[1]["label"], found[1]["error"]) == (None, None, "no image")
    assert b"images_sha256" in table.schema.metadata[b"vitrine"]
    whole = arrow.read_table(joined("parquet"))
    assert whole.to_pylist() == found
    assert whole.schema.metadata == table.schema.metadata


@pytest.mark.parametrize("kind", ["csv", "npz", "parquet"])
def test_the_same_rows_are_the_same_bytes(job, kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    asked = job.model_copy(update={"format": kind})
    assert write_rows(asked, CODES, ROWS) == write_rows(asked, CODES, ROWS)
    assert write_rows(asked, SCORES, ROWS) != write_rows(asked, CODES, ROWS)


def test_what_cannot_be_joined_leaves_what_was_there(job, tmp_path):
    (tmp_path / "out.csv").write_text("before")
    with pytest.raises(FileNotFoundError):
        join(job, [tmp_path / "missing.csv"], tmp_path / "out.csv")
    assert [(path.name, path.read_text()) for path in tmp_path.glob("*.*")] == [("out.csv", "before")]


def test_parquet_without_pyarrow_is_refused_and_the_others_are_not(monkeypatch):
    monkeypatch.setattr(parquet, "is_installed", lambda: False)
    with pytest.raises(InvalidJob, match=r"vitrine-vae\[parquet\]"):
        check_format("parquet")
    check_format("csv")
    check_format("npz")
