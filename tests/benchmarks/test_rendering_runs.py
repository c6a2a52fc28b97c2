import random
import subprocess
import sys

import pytest

from benchmarks.rendering_runs import CHUNK, Sample, compared, kill, memory, same


@pytest.fixture
def folders(tmp_path):
    for name in ("whole", "other"):
        (tmp_path / name / "index").mkdir(parents=True)
        (tmp_path / name / "00000.tar").write_bytes(b"shard")
        (tmp_path / name / "index" / "00000.csv").write_bytes(b"seed")
    return tmp_path / "whole", tmp_path / "other"


def test_runs_with_the_same_files_are_identical_whatever_was_left_unfinished(folders):
    (folders[1] / ".part-00000.tar-1").write_bytes(b"sha")
    found = compared(*folders)
    assert found["identical"]
    assert (found["files"], found["bytes"], found["unfinished"]) == (2, 9, 1)


def test_what_differs_is_missing_or_is_there_beside_is_named(folders):
    whole, other = folders
    (other / "00000.tar").write_bytes(b"shars")
    (other / "index" / "00000.csv").rename(other / "index" / "00001.csv")
    found = compared(whole, other)
    assert not found["identical"]
    assert found["differing"] == ["00000.tar"]
    assert found["missing"] == ["index/00000.csv"]
    assert found["more"] == ["index/00001.csv"]


@pytest.mark.parametrize("changed", ["last", "longer"])
def test_large_files_are_compared_to_their_end(tmp_path, changed):
    content = bytes(CHUNK + 5)
    (tmp_path / "a").write_bytes(content)
    (tmp_path / "b").write_bytes(content)
    assert same(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b").write_bytes(content[:-1] + b"x" if changed == "last" else content + b"\0")
    assert not same(tmp_path / "a", tmp_path / "b")


def samples(pss):
    return [Sample(float(k), k * 1000, mib, 2 * mib, 3) for k, mib in enumerate(pss)]


def test_memory_is_flat_if_the_end_is_no_higher_than_before_and_the_start_does_not_count():
    found = memory(samples([10, *[200, 210] * 8]))
    assert found["flat"] is True
    assert found["pss_mib_by_quarter"] == [205] * 4
    assert found["highest_rss_mib_by_quarter"] == [420] * 4
    assert found["samples"] == 16


def test_one_sample_that_meets_more_shards_makes_no_growth_if_there_was_one_before():
    usual = [200] * 7
    found = memory(samples([10, *usual, 200, *usual, 240]))
    assert found["flat"] is False
    found = memory(samples([10, 240, *usual, *usual, 240]))
    assert found["flat"] is True
    assert found["highest_pss_mib_by_quarter"] == [240, 200, 200, 240]


def test_memory_that_grows_with_the_images_is_not_flat_and_its_slope_is_told():
    found = memory(samples([10, *(100 + 2 * k for k in range(1, 17))]))
    assert found["flat"] is False
    assert found["pss_mib_per_100000_images"] == 200


def test_of_too_few_samples_nothing_is_said():
    assert memory(samples([10, 20, 30]))["flat"] is None


@pytest.mark.process
@pytest.mark.parametrize(("asked", "killed"), [("command", "command"), ("all", "all"), ("worker", "command")])
def test_a_command_ends_by_sigkill_and_without_workers_itself_is_killed(asked, killed):
    process = subprocess.Popen(
        [sys.executable, "-c", "input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        assert kill(process, asked, random.Random(1)) == killed  # noqa: S311
    assert process.returncode == -9
