import csv
import io
import json

import numpy as np
import pytest

from app.explore.tables import TABLES, Table

TABLE = Table(
    {"z_mean": np.array([[0.1, -2.0], [3.0, 0.0]], np.float32), "kl": np.array([1.5, 2.5])},
    [
        {"point": "z:0.1,-2.0", "kl": 1.5, "axes": [0.25, 1.25], "nearest": [{"example": 1}]},
        {"point": "z:3.0,0.0", "kl": None, "axes": [2.5, 0.0], "nearest": []},
    ],
    {"model": "fake@1"},
)


def test_json_has_all_of_it_and_null_for_what_is_not_known():
    content = json.loads(TABLES["json"].encode(TABLE))
    assert content == {"model": "fake@1", "images": TABLE.rows}


def test_csv_has_a_line_for_each_image_and_a_column_for_each_number():
    lines = list(csv.DictReader(io.StringIO(TABLES["csv"].encode(TABLE).decode())))
    assert lines[0] == {"image": "0", "point": "z:0.1,-2.0", "kl": "1.5", "axes0": "0.25", "axes1": "1.25"}
    assert lines[1]["kl"] == ""


def test_npy_has_the_first_array_and_npz_each_by_its_name():
    assert np.array_equal(np.load(io.BytesIO(TABLES["npy"].encode(TABLE))), TABLE.arrays["z_mean"])
    with np.load(io.BytesIO(TABLES["npz"].encode(TABLE))) as arrays:
        assert {name: arrays[name].tolist() for name in arrays.files} == {
            name: array.tolist() for name, array in TABLE.arrays.items()
        }


@pytest.mark.parametrize("name", TABLES)
def test_the_same_table_gives_the_same_bytes(name):
    assert TABLES[name].encode(TABLE) == TABLES[name].encode(TABLE)


def test_a_number_that_is_none_is_no_json():
    with pytest.raises(ValueError, match="JSON"):
        TABLES["json"].encode(TABLE._replace(rows=[{"kl": float("nan")}]))
