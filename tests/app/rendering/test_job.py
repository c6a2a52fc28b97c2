import pytest
from pydantic import ValidationError

from app.rendering.job import Job

ASKED = {"model": "m@1-" + "a" * 12, "digest": "a" * 64, "first_seed": 5, "count": 25, "render": "mean"}


def test_every_seed_is_in_one_shard_and_the_last_shard_may_be_shorter():
    job = Job(**ASKED, shard_images=10)
    assert [[*job.seeds(number)] for number in range(job.shards)] == [
        [*range(5, 15)],
        [*range(15, 25)],
        [*range(25, 30)],
    ]


def test_keys_sort_as_seeds_do():
    job = Job(**ASKED | {"first_seed": 95}, shard_images=10)
    keys = [job.key(seed) for number in range(job.shards) for seed in job.seeds(number)]
    assert keys == sorted(keys)
    assert keys[0] == "095"


@pytest.mark.parametrize(
    "changed", [{"first_seed": 2**63 - 24}, {"count": 0}, {"temperature": float("inf")}, {"unknown": 1}]
)
def test_a_data_set_that_cannot_be_is_refused(changed):
    with pytest.raises(ValidationError):
        Job(**ASKED | changed)


def test_the_last_seed_may_be_the_greatest():
    job = Job(**ASKED | {"first_seed": 2**63 - 25})
    assert job.seeds(0)[-1] == 2**63 - 1
