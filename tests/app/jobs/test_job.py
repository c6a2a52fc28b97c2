import pytest

from app.jobs.job import InvalidJob, ShardedJob

ASKED = {"model": "m@1-" + "a" * 12, "digest": "a" * 64, "count": 25}


def test_every_image_is_in_one_shard_and_the_last_shard_may_be_shorter():
    job = ShardedJob(**ASKED, shard_images=10)
    assert [job.images(number) for number in range(job.shards)] == [range(10), range(10, 20), range(20, 25)]


def test_names_sort_as_numbers_do():
    assert ShardedJob(**ASKED).stem(2) == "00002"
    assert ShardedJob(**ASKED | {"count": 2_000_000}, shard_images=1).stem(7) == "0000007"


def test_what_is_written_is_read():
    job = ShardedJob(**ASKED, shard_images=7)
    assert ShardedJob.read(job.as_json(), "job.json") == job


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"model": 1}'])
def test_what_is_no_job_is_refused_with_the_files_name(content):
    with pytest.raises(InvalidJob, match=r"here/job\.json: "):
        ShardedJob.read(content, "here/job.json")


def test_a_job_that_cannot_be_is_refused_in_one_line():
    with pytest.raises(InvalidJob, match=r"^count: Input should be greater than or equal to 1$"):
        ShardedJob.of(**ASKED | {"count": 0})


def test_differences_name_both_values():
    assert ShardedJob(**ASKED).differences(ShardedJob(**ASKED | {"count": 3, "shard_images": 9})) == [
        "count: 25, not 3",
        "shard_images: 10000, not 9",
    ]
