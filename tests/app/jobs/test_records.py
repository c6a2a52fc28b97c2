import hashlib
import json

import pytest

from app.jobs.job import ShardedJob
from app.jobs.records import Shard, description, recorded, write_shard
from app.jobs.storage import Folder

JOB = ShardedJob(model="m@1-" + "a" * 12, digest="a" * 64, count=25, shard_images=10)
FILES = {"00000.tar": b"images", "index/00000.csv": b"seed"}


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "out")


def test_a_shard_is_recorded_when_all_of_it_is_there(folder):
    assert recorded(JOB, 0, folder) is None
    shard = write_shard(JOB, 0, FILES, folder)
    assert recorded(JOB, 0, folder) == shard
    assert (shard.number, shard.images, shard.unread) == (0, 10, 0)
    for name, (size, digest) in shard.files.items():
        content = folder.get(name)
        assert content == FILES[name]
        assert (len(content), hashlib.sha256(content).hexdigest()) == (size, digest)


@pytest.mark.parametrize(
    "record", [b"", b"{", b"[]", b'{"number": 1, "images": 10, "files": {}}', b'{"files": 3}']
)
def test_a_record_that_is_none_has_the_shard_made_again(folder, record):
    write_shard(JOB, 0, FILES, folder)
    folder.put("records/00000.json", record)
    assert recorded(JOB, 0, folder) is None


def test_a_file_that_was_cut_has_its_shard_made_again(folder):
    write_shard(JOB, 0, FILES, folder)
    folder.put("00000.tar", b"imag")
    assert recorded(JOB, 0, folder) is None


@pytest.mark.parametrize("unread", [0, 2])
def test_a_record_is_read_as_it_was_written(unread):
    shard = Shard(3, 10, {"00003.tar": (10, "ab")}, unread)
    assert Shard.read(shard.as_json()) == shard
    assert (b"unread" in shard.as_json()) == (unread > 0)


def test_the_description_names_every_file(folder):
    shards = [write_shard(JOB, number, {f"0000{number}.tar": b"x"}, folder) for number in range(JOB.shards)]
    told = json.loads(description(JOB, {"classes": ("Low", "High")}, shards))
    assert told["classes"] == ["Low", "High"]
    assert [file["name"] for file in told["files"]] == ["00000.tar", "00001.tar", "00002.tar"]
    assert (told["digest"], told["count"], told["shards"]) == (JOB.digest, 25, 3)
