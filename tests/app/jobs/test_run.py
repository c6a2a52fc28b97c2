import json
from pathlib import Path

import pytest

from app.jobs.job import InvalidJob
from app.jobs.run import Interrupted, Progress, is_begun, run
from app.jobs.storage import Folder
from app.rendering.shards import draw_shard


@pytest.fixture
def drawn_here(job, maker, tmp_path):
    """Draws in this process, and remembers what; ``until`` shards, then it is interrupted."""

    class Here:
        def __init__(self):
            self.numbers = []

        def __call__(self, numbers, until=99):
            for count, number in enumerate(numbers):
                if count == until:
                    raise Interrupted("killed")
                self.numbers = [*self.numbers, number]
                yield draw_shard(job, number, maker, Folder(tmp_path / "out"))

    return Here()


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_shards_are_drawn_and_then_described(job, drawn_here, tmp_path):
    told = []
    shards = run(job, str(tmp_path / "out"), {"classes": ("Low", "High")}, drawn_here, told.append)
    assert [shard.number for shard in shards] == drawn_here.numbers == [0, 1, 2]
    assert [progress.images for progress in told] == [0, 10, 20, 25]
    assert all(progress.total == 25 for progress in told)
    described = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert described["count"] == 25
    assert {file["name"]: file["size"] for file in described["files"]} == {
        name: len(content)
        for name, content in files_in(tmp_path / "out").items()
        if name.endswith((".tar", ".csv"))
    }


def test_after_an_interruption_only_what_is_missing_is_drawn_and_the_files_are_the_same(
    job, drawn_here, tmp_path
):
    out = tmp_path / "out"
    run(job, str(out), {}, drawn_here, lambda _: None)
    undisturbed = files_in(out)
    for name in ("dataset.json", "records/00001.json", "00002.tar"):
        (out / name).unlink()
    drawn_here.numbers = []
    told = []
    run(job, str(out), {}, drawn_here, told.append)
    assert drawn_here.numbers == [1, 2]
    assert told[0] == Progress(10, 25, 0.0)
    assert files_in(out) == undisturbed


def test_an_interrupted_data_set_is_not_described(job, drawn_here, tmp_path):
    with pytest.raises(Interrupted):
        run(job, str(tmp_path / "out"), {}, lambda *given: drawn_here(*given, until=2), lambda _: None)
    assert not (tmp_path / "out" / "dataset.json").exists()
    assert (tmp_path / "out" / "records" / "00001.json").exists()


def test_another_data_set_in_the_place_is_refused_by_what_differs(job, drawn_here, tmp_path):
    run(job, str(tmp_path / "out"), {}, drawn_here, lambda _: None)
    other = job.model_copy(update={"count": 26})
    with pytest.raises(InvalidJob, match=r"another data set is there \(count: 26, not 25\)"):
        run(other, str(tmp_path / "out"), {}, drawn_here, lambda _: None)


def test_only_this_very_job_is_begun_at_a_place(job, drawn_here, tmp_path):
    assert not is_begun(job, str(tmp_path / "out"))
    (tmp_path / "out").mkdir()
    assert not is_begun(job, str(tmp_path / "out"))
    run(job, str(tmp_path / "out"), {}, drawn_here, lambda _: None)
    assert is_begun(job, str(tmp_path / "out"))
    assert not is_begun(job.model_copy(update={"count": 26}), str(tmp_path / "out"))


def test_a_folder_with_something_else_is_refused(job, drawn_here, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(InvalidJob, match="something else is there"):
        run(job, str(tmp_path / "out"), {}, drawn_here, lambda _: None)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_the_time_left_follows_from_the_rate():
    assert Progress(0, 10, 0.0).seconds_left is None
    assert Progress(4, 10, 3.0).seconds_left == 2.0
