"""Process metrics of several processes are told as one; the build is told beside them."""

import os
import platform
import subprocess
import sys
import time
from importlib import metadata

import pytest

from app.process_metrics import ProcessMetrics

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")  # noqa: PTH110


def told(*processes):
    metrics = ProcessMetrics(lambda: processes)
    return {sample.name: sample for metric in metrics.collect() for sample in metric.samples}


def test_one_process_is_told_of_as_the_library_does():
    found = told(os.getpid())
    assert found["process_resident_memory_bytes"].value > 10_000_000
    assert 3 <= found["process_open_fds"].value < found["process_max_fds"].value
    assert 0 < time.time() - found["process_start_time_seconds"].value < 86_400
    assert found["vitrine_workers"].value == 1


def test_memory_and_cpu_are_added_up_and_the_latest_start_is_told():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        one, two, both = told(os.getpid()), told(other.pid), told(os.getpid(), other.pid)
        other.stdin.close()
    memory = "process_resident_memory_bytes"
    assert both[memory].value == pytest.approx(one[memory].value + two[memory].value, rel=0.2)
    started = "process_start_time_seconds"
    assert both[started].value == two[started].value > one[started].value
    assert both["process_open_fds"].value == pytest.approx(one["process_open_fds"].value, abs=3)
    assert both["vitrine_workers"].value == 2


def test_a_process_that_has_ended_is_left_out():
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    found = told(os.getpid(), ended.pid)
    assert found["process_resident_memory_bytes"].value > 0


def test_the_build_is_told_with_its_versions():
    build = told()["vitrine_build_info"]
    assert build.value == 1
    assert build.labels == {
        "version": metadata.version("vitrine-vae"),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
