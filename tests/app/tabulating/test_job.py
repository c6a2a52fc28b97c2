import pytest

from app.jobs.job import InvalidJob
from app.tabulating.job import TableJob

ASKED = {"model": "m@1-" + "a" * 12, "digest": "a" * 64, "count": 5, "images_sha256": "b" * 64}


def test_a_table_is_described_and_read_again():
    job = TableJob.of(**ASKED, kind="encode", k=0, seed=1)
    assert TableJob.read(job.as_json(), "job.json") == job


def test_other_images_or_draws_are_another_table():
    job = TableJob.of(**ASKED, kind="score", k=128, seed=42)
    other = job.model_copy(update={"k": 64, "images_sha256": "c" * 64})
    assert job.differences(other) == [f"images_sha256: {'b' * 64}, not {'c' * 64}", "k: 128, not 64"]


@pytest.mark.parametrize(
    "changed", [{"kind": "draw"}, {"format": "xlsx"}, {"k": -1}, {"seed": 2**63}, {"images_sha256": ""}]
)
def test_a_table_that_cannot_be_is_refused(changed):
    with pytest.raises(InvalidJob):
        TableJob.of(**ASKED | {"kind": "score", "k": 1, "seed": 1} | changed)


def test_a_job_of_another_kind_is_refused():
    with pytest.raises(InvalidJob, match=r"there/job\.json: "):
        TableJob.read(b'{"model": "m@1", "first_seed": 3}', "there/job.json")
