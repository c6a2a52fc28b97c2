import csv
import io
import pickle

import pytest

from app.jobs.job import InvalidJob
from app.jobs.records import recorded
from app.jobs.storage import Folder
from app.settings import Settings
from app.tabulating.measuring import Measure
from app.tabulating.task import Tabulating, file_of, tabulate_shard
from tests.app.tabulating.conftest import FILES


def test_a_shard_has_a_table_and_an_index_and_counts_what_was_not_read(job, model, place, tmp_path):
    folder = Folder(tmp_path / "out")
    measure = Measure(job, model, Settings())
    shards = [tabulate_shard(job, number, place.open(), measure, folder) for number in range(2)]
    assert [(shard.images, shard.unread) for shard in shards] == [(4, 2), (2, 0)]
    assert recorded(job, 1, folder) == shards[1]
    rows = list(csv.DictReader(io.StringIO(folder.get("00001.csv").decode())))
    assert [row["row"] for row in rows] == ["4", "5"]
    index = list(csv.DictReader(io.StringIO(folder.get("index/00000.csv").decode())))
    assert [(row["name"], row["label"]) for row in index] == [
        ("alone.png", ""),
        ("bags/a.png", "bags"),
        ("bags/broken.png", "bags"),
        ("shirts/empty.gif", "shirts"),
    ]
    assert [bool(row["error"]) for row in index] == [False, False, True, True]
    assert file_of(job, 1) == "00001.csv"


def test_a_shard_made_again_is_the_same_bytes(job, model, place, tmp_path):
    made = [
        tabulate_shard(job, 0, place.open(), Measure(job, model, Settings()), Folder(tmp_path / name))
        for name in ("once", "again")
    ]
    assert made[0] == made[1]
    assert len(made[0].files) == 2


def test_images_that_changed_are_refused_before_the_model_is_opened(job, place, photos, tmp_path):
    task = pickle.loads(pickle.dumps(Tabulating(job, place, str(tmp_path / "out"), "nowhere")))  # noqa: S301
    assert task.job.count == len(FILES)
    (photos / "more.png").write_bytes(b"x")
    with pytest.raises(InvalidJob, match="other images are there than before"):
        task.open()
