import pytest
from pydantic import ValidationError

from app.rendering.job import InvalidJob, Job

ASKED = {"model": "m@1-" + "a" * 12, "digest": "a" * 64, "first_seed": 5, "count": 25, "render": "mean"}


def test_every_seed_is_in_one_shard_and_the_last_shard_may_be_shorter():
    job = Job(**ASKED, shard_images=10)
    assert job.shards == 3
    assert [[*job.seeds(number)] for number in range(3)] == [
        [*range(5, 15)],
        [*range(15, 25)],
        [*range(25, 30)],
    ]


def test_names_sort_as_numbers_do():
    job = Job(**ASKED | {"first_seed": 95}, shard_images=10)
    keys = [job.key(seed) for number in range(job.shards) for seed in job.seeds(number)]
    assert keys == sorted(keys)
    assert keys[0] == "095"
    many = Job(**ASKED | {"count": 2_000_000}, shard_images=1)
    assert many.stem(7) == "0000007"
    assert job.stem(2) == "00002"


def test_what_is_written_is_read():
    job = Job(**ASKED, label="Bag", temperature=0.5)
    assert Job.read(job.as_json(), "job.json") == job


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"model": 1}'])
def test_what_is_no_data_set_is_refused_with_the_files_name(content):
    with pytest.raises(InvalidJob, match=r"here/job\.json: "):
        Job.read(content, "here/job.json")


@pytest.mark.parametrize(
    "changed", [{"first_seed": 2**63 - 24}, {"count": 0}, {"temperature": float("inf")}, {"unknown": 1}]
)
def test_a_data_set_that_cannot_be_is_refused(changed):
    with pytest.raises(ValidationError):
        Job(**ASKED | changed)


def test_the_last_seed_may_be_the_greatest():
    job = Job(**ASKED | {"first_seed": 2**63 - 25})
    assert job.seeds(0)[-1] == 2**63 - 1


def test_differences_name_both_values():
    assert Job(**ASKED).differences(Job(**ASKED | {"count": 3, "label": "0"})) == [
        "count: 25, not 3",
        "label: None, not 0",
    ]
