"""A short form of ``make soak``: twenty seconds of mixed traffic, with clients that crash."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests import soak
from tests.conftest import SHIPPED_MODEL


@pytest.mark.process
@pytest.mark.fault(30)
def test_mixed_traffic_with_clients_that_crash_breaks_nothing_and_leaves_nothing(tmp_path):
    found, told = soak.run(tmp_path, seconds=20, model=SHIPPED_MODEL)
    assert found.unexpected == []
    assert {200, 404, 422} <= set(found.statuses)
    assert set(found.crashes) == set(soak.CRASHES)
    assert told["requests"] > 200
    for what, spare in (("open files", 3), ("threads", 2)):
        before, after = map(int, told[f"{what}, idle before and after"].split(", "))
        assert after <= before + spare, told
    first, last = map(int, told["memory, MB, first and last after warm-up"].split(", "))
    assert last < first + 60, told


def test_a_slope_is_that_of_the_line_through_the_samples():
    assert soak.slope([(0, 5.0), (1, 7.0), (2, 9.0)]) == pytest.approx(2)
    assert soak.slope([(0, 5.0), (1, 5.2), (2, 4.8), (3, 5.0)]) == pytest.approx(-0.04)
    assert soak.slope([(0, 5.0)]) == 0


def test_open_files_and_threads_of_a_process_and_its_children_are_seen():
    program = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    )
    before = soak.processes_of(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        with socket.socket():
            during = soak.processes_of(os.getpid())
        child.stdin.close()
    assert during[0] > before[0] + 5_000_000
    assert during[1] >= before[1] + 3
    assert during[2] == before[2] + 2


def test_a_process_that_ended_and_that_nobody_waited_for_counts_for_nothing():
    """Between its end and its parent's wait a process has a status, without memory in it."""
    before = soak.processes_of(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert "Z (zombie)" in Path(f"/proc/{child.pid}/status").read_text()
        with_it = soak.processes_of(os.getpid())
    assert with_it[1:] == before[1:]
    assert abs(with_it[0] - before[0]) < 5_000_000
