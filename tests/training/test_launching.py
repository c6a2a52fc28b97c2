"""The launcher, with programs in the place of workers; tests/training/fitting/test_workers.py has real ones."""

import json
import os
import signal
import subprocess
import sys
import time

import click
import pytest

from tests.conftest import PROJECT
from training import launching
from training.errors import Interrupted, WorkerLost
from training.launching import Place, place_of

# A worker is a program that finds its index and the cluster among its arguments.
HEAD = """
import os, signal, sys, time
index = int(sys.argv[sys.argv.index("--worker-index") + 1])
cluster = sys.argv[sys.argv.index("--cluster") + 1].split(",")
"""


@pytest.fixture
def launch(monkeypatch):
    """Launches so many programs; those that lost another one wait no longer than a test may."""

    def run(program, count=2):
        monkeypatch.setattr(launching, "COMMAND", (sys.executable, "-c", HEAD + program))
        monkeypatch.setattr(launching, "GRACE", 1.0)
        monkeypatch.setattr(launching, "LONGEST_GRACE", 2.0)
        return launching.launch(["fit", "tiny.toml"], count)

    return run


def test_every_worker_is_told_of_all_and_which_it_is(launch, tmp_path):
    program = f"""
import json
told = [sys.argv[1:3], cluster, sys.argv[sys.argv.index("--workers") + 1], os.environ.get("TF_CONFIG")]
open("{tmp_path}/" + str(index), "w").write(json.dumps(told))
"""
    launch(program, 3)
    told = [json.loads((tmp_path / str(index)).read_text()) for index in range(3)]
    assert told[0] == told[1] == told[2]
    words, cluster, count, surroundings = told[0]
    assert (words, count, surroundings) == (["fit", "tiny.toml"], "3", None)
    assert len(set(cluster)) == 3


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL) if index == 1 else time.sleep(60)", r"worker 1 of 2 was ended by SIGKILL \(exit code 137\)"),
        ("os.kill(os.getpid(), signal.SIGKILL) if index == 0 else sys.exit(75)", r"worker 0 of 2 was ended by SIGKILL \(exit code 137\)"),
        ("print('out of memory', file=sys.stderr); sys.exit(3 if index == 1 else 75)", r"worker 1 of 2 ended with exit code 3 \(out of memory\)"),
        ("sys.exit(75) if index else time.sleep(60)", "worker 0 of 2 does not answer"),
    ],
    ids=["killed", "the first one killed", "an error of its own", "one hangs"],
)  # fmt: skip
def test_a_worker_that_ends_ends_all_with_one_line_that_says_which_and_how(launch, program, told):
    with pytest.raises(WorkerLost, match=f"^{told}; training stopped$"):
        launch(program)


def test_what_the_first_worker_says_itself_is_not_said_again(launch, capfd):
    with pytest.raises(SystemExit) as caught:
        launch("print('no disk', file=sys.stderr); sys.exit(1 if index == 0 else 75)")
    assert caught.value.code == 1
    assert capfd.readouterr().err == "no disk\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_every_worker_and_the_first_ones_exit_code_counts(launch, tmp_path, number):
    program = f"""
def stop(number, frame):
    open("{tmp_path}/stopped" + str(index), "w").close()
    sys.exit(128 + number)
signal.signal({number:d}, stop)
open("{tmp_path}/" + str(index), "w").close()
if index == 0:
    while not os.path.exists("{tmp_path}/1"): time.sleep(0.01)
    os.kill(os.getppid(), {number:d})
time.sleep(60)
"""
    with pytest.raises(SystemExit) as caught:
        launch(program)
    assert caught.value.code == 128 + number
    assert {path.name for path in tmp_path.iterdir()} == {"0", "1", "stopped0", "stopped1"}


def test_a_signal_before_training_begins_is_an_interruption(launch):
    with pytest.raises(Interrupted) as caught:
        launch("index == 0 and os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)")
    assert caught.value.signal == signal.SIGTERM


def test_workers_end_with_a_launcher_that_is_killed(tmp_path):
    worker = f"{HEAD}\nfrom training import launching\nlaunching.end_with_the_launcher()\n" + (
        f"open('{tmp_path}/' + str(index), 'w').write(str(os.getpid()))\ntime.sleep(60)"
    )
    code = f"import sys\nfrom training import launching\nlaunching.COMMAND = (sys.executable, '-c', {worker!r})\nlaunching.launch([], 2)"
    launcher = subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT)
    files = [tmp_path / str(index) for index in range(2)]
    until = time.monotonic() + 30
    while not all(file.exists() and file.read_text() for file in files) and time.monotonic() < until:
        time.sleep(0.05)
    launcher.kill()
    launcher.wait()
    pids = [int(file.read_text()) for file in files]
    while any(running(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(running(pid) for pid in pids)


def running(pid):
    try:
        os.kill(pid, 0)
        return subprocess.run(["ps", "-o", "stat=", str(pid)], capture_output=True, check=False).stdout[
            :1
        ] not in (b"", b"Z")
    except ProcessLookupError:
        return False


CONFIG = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}
CHIEF = {"cluster": {"chief": ["c:1"], "worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}


@pytest.mark.parametrize(
    ("cluster", "index", "place"),
    [
        (None, None, None),
        ("a:1,b:2", 1, Place(("a:1", "b:2"), 1)),
        ("[::1]:5,b:2", 0, Place(("[::1]:5", "b:2"), 0)),
        ("a:1", 0, None),
        (json.dumps(CONFIG), None, Place(("a:1", "b:2"), 1)),
        (json.dumps(CONFIG), 0, Place(("a:1", "b:2"), 0)),
        (json.dumps(CHIEF), None, Place(("c:1", "a:1"), 1)),
    ],
)
def test_a_cluster_is_a_list_or_what_tf_config_says(cluster, index, place):
    assert place_of(cluster, index) == place


@pytest.mark.parametrize(
    ("cluster", "index", "told"),
    [
        (None, 1, "--worker-index: of which workers"),
        ("a:1,b:2", None, "expected a number below 2"),
        ("a:1,b:2", 2, "Received: 2"),
        ("a,b:2", 0, "'a': expected host:port"),
        ("a:1,a:1", 0, "an address stands there twice"),
        ("{}", None, "TF_CONFIG: names no cluster and task"),
        ("{", None, "TF_CONFIG: names no cluster and task"),
        ('{"cluster": []}', None, "TF_CONFIG: names no cluster and task"),
    ],
)
def test_what_names_no_worker_is_a_usage_error(cluster, index, told):
    with pytest.raises(click.UsageError, match=told):
        place_of(cluster, index)
