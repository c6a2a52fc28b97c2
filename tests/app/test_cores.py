import os

import pytest

from app.cores import available_cores, processor_name


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)


def system(tmp_path, groups, **files):
    """A file system with /proc/self/cgroup and some files under /sys/fs/cgroup."""
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    ("quota", "cores"),
    [("50000 100000", 1), ("200000 100000", 2), ("350000 100000", 4), ("max 100000", 8), ("9000000 1000", 8)],
)
def test_a_quota_of_version_two_bounds_the_cores(tmp_path, quota, cores):
    assert available_cores(system(tmp_path, "0::/\n", **{"sys/fs/cgroup/cpu.max": quota})) == cores


@pytest.mark.fault(22)
def test_the_least_quota_on_the_way_up_counts(tmp_path):
    files = {"sys/fs/cgroup/a/cpu.max": "200000 100000", "sys/fs/cgroup/a/b/cpu.max": "max 100000"}
    assert available_cores(system(tmp_path, "0::/a/b\n", **files)) == 2


@pytest.mark.fault(22)
@pytest.mark.parametrize(("quota", "cores"), [("150000", 2), ("-1", 8)])
def test_a_quota_of_version_one_bounds_the_cores(tmp_path, quota, cores):
    folder = "sys/fs/cgroup/cpu"
    files = {f"{folder}/cpu.cfs_quota_us": quota, f"{folder}/cpu.cfs_period_us": "100000"}
    assert available_cores(system(tmp_path, "3:cpu,cpuacct:/\n0::/\n", **files)) == cores


def test_the_processor_is_called_what_it_calls_itself(tmp_path):
    text = "processor\t: 0\nmodel\t\t: 49\nmodel name\t: A Processor: 3 GHz\n"
    assert processor_name(system(tmp_path, "", **{"proc/cpuinfo": text})) == "A Processor: 3 GHz"


def test_a_processor_without_a_name_is_called_by_its_architecture(tmp_path):
    assert processor_name(tmp_path)


def test_without_control_groups_the_affinity_counts(tmp_path):
    assert available_cores(tmp_path) == 8
