"""Two real workers, which take the seconds of importing TensorFlow twice; what each refuses alone, without others."""

import json
import os
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from tests.conftest import PROJECT  # noqa: E402
from tests.tiny import TINY  # noqa: E402
from training import data, launching, runs  # noqa: E402
from training.configs.load import load, to_toml  # noqa: E402
from training.configs.schema import from_dict  # noqa: E402
from training.errors import ConfigError, RunError, WorkerLost  # noqa: E402
from training.fitting import fit, workers  # noqa: E402

EPOCHS = 4
# Trains, and then once more, until the second worker is killed in the middle of the third epoch.
PROGRAM = """
import os, signal, sys
from pathlib import Path
from tests.tiny import drawn_plainly
from training import data, runs
from training.configs.load import load
from training.fitting import fit, loop
from training.fitting.workers import Workers

index, addresses = int(sys.argv[1]), sys.argv[2].split(",")
config = load(Path("tiny.toml"))
dataset = data.load("images", Path("squares.npz"), runs.image_fit(config))
them = Workers(addresses, index)
print(them.each(5 + index), them.from_first(b"seven by" if index == 0 else b""), flush=True)

def train(folder):
    if index == 1:
        fit.follow(config, dataset, them)
    else:
        with drawn_plainly():
            fit.fit(config, dataset, Path(folder), progress=False, workers=them)

train("whole")
steps, epochs = loop._steps, []

def torn_steps(vae, images, order, *rest):
    epochs.append(order)
    if index == 1 and len(epochs) == 3:
        train_steps, taken = vae.train_steps, []
        def take(*given):
            if taken:
                print("steps of epoch 3:", sum(taken), "of", len(order), flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
            train_steps(*given)
            taken.append(len(given[1]))
        vae.train_steps = take
    steps(vae, images, order, *rest)

loop._steps = torn_steps
try:
    train("killed")
except Exception as error:
    print(type(error).__name__, error, flush=True)
"""


def by_two(folder, *words):
    """Processes of two workers that are told where both are, and what they said."""
    addresses = ",".join(f"127.0.0.1:{port}" for port in launching.free_ports(2))
    started = [
        subprocess.Popen(
            [sys.executable, *words, str(index), addresses],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    said = [process.communicate(timeout=200) for process in started]
    return [process.returncode for process in started], said


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A folder with a run of two workers, and one that lost a worker in its third epoch and was resumed."""
    folder = tmp_path_factory.mktemp("two")
    config = from_dict(TINY | {"data": {"name": "images"}})
    changes = {
        "optimizer.epochs": EPOCHS,
        "optimizer.clip_norm": 1.0,
        "optimizer.ema_momentum": 0.9,
        "objective": {"name": "elbo", "kl_warmup_epochs": 1},
        "augmentation": {"shift": 0.1},
    }
    (folder / "tiny.toml").write_text(to_toml(config.replaced(changes).as_dict()))
    rng = np.random.default_rng(0)
    np.savez(folder / "squares.npz", images=rng.integers(0, 255, (200, 6, 5), dtype=np.uint8))
    codes, said = by_two(folder, "-c", PROGRAM)
    left = {path.name for path in (folder / "killed").iterdir()}
    words = ["fit", "tiny.toml", "--data", "squares.npz", "--out", "killed", "--resume", "--workers", "2"]
    resumed = subprocess.run(
        [sys.executable, "-m", "training.cli", *words, "--json"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return SimpleNamespace(folder=folder, codes=codes, said=said, left=left, resumed=resumed)


def test_each_worker_learns_every_ones_number_and_what_the_first_one_says(two):
    assert [said.splitlines()[0] for said, _ in two.said] == ["[5, 6] b'seven by'"] * 2


def test_two_workers_train_what_one_does_up_to_rounding(two, tmp_path):
    config = load(two.folder / "tiny.toml")
    dataset = data.load("images", two.folder / "squares.npz", runs.image_fit(config))
    alone = fit.fit(config, dataset, tmp_path / "one", progress=False)
    together = json.loads((two.folder / "whole" / "history.json").read_text())
    for name, values in json.loads((tmp_path / "one" / "history.json").read_text()).items():
        np.testing.assert_allclose(together[name], values, rtol=1e-4, atol=1e-6, err_msg=name)
    assert alone["loss"] < 0.99 * together["loss"][0]  # it has learnt something
    with np.load(tmp_path / "one" / "last.npz") as one, np.load(two.folder / "whole" / "last.npz") as both:
        names = [name for name in one.files if name != "described"]
        for name in names:
            np.testing.assert_allclose(both[name], one[name], rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.fault(31)
def test_a_worker_that_lost_another_amid_an_epoch_says_so_and_the_last_checkpoint_is_there(two):
    assert two.codes == [0, -signal.SIGKILL]
    taken, steps = map(int, re.findall(r"\d+", two.said[1][0].splitlines()[-1])[1:])
    assert 0 < taken < steps
    told = "WorkerLost worker 0 of 2 lost another, which ended or cannot be reached; training stopped"
    assert two.said[0][0].splitlines()[-1] == told
    assert runs.LAST in two.left
    assert runs.ENVIRONMENT not in two.left


@pytest.mark.fault(31)
def test_a_run_of_two_workers_that_was_killed_goes_on_to_the_same_weights_to_the_bit(two):
    assert two.resumed.returncode == 0, two.resumed.stderr
    whole = json.loads((two.folder / "whole" / "environment.json").read_text())
    assert json.loads(two.resumed.stdout)["weights_sha256"] == whole["weights_sha256"]
    with np.load(two.folder / "whole" / "last.npz") as a, np.load(two.folder / "killed" / "last.npz") as b:
        assert all(np.array_equal(a[name], b[name]) for name in a.files)
    assert "epoch 3/4" in two.resumed.stderr
    assert "epoch 2/4" not in two.resumed.stderr


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"optimizer.minutes": 1.0}, "optimizer.minutes: expected none with several workers"),
        ({"objective": {"name": "elbo", "free_bits": 0.1}}, "objective.free_bits: expected 0"),
        ({"optimizer.batch_size": 1}, "optimizer.batch_size: expected at least an image for each of 2"),
    ],
)
def test_what_several_workers_cannot_train_as_one_would_is_refused(tiny_config, tiny_dataset, changes, told):
    with pytest.raises(ConfigError, match=told):
        workers.check(tiny_config.replaced(changes), tiny_dataset, SimpleNamespace(count=2))
    workers.check(tiny_config, tiny_dataset, SimpleNamespace(count=16))


class Second(workers.Workers):
    """The second of two, which is told what the first one said."""

    def __init__(self, told):
        self.index, self.count, self.leads, self.told = 1, 2, False, told

    def from_first(self, content):
        self.said = content
        return self.told or content


def test_a_worker_that_was_started_otherwise_than_the_first_one_says_in_what(tiny_config, tiny_dataset):
    first = Second(None)
    assert first.meet(tiny_config, tiny_dataset, {"epoch": 3}) == {"epoch": 3}
    second = Second(first.said)
    assert second.meet(tiny_config, tiny_dataset, {}) == {"epoch": 3}
    with pytest.raises(RunError, match="worker 1: other experiment than worker 0"):
        second.meet(tiny_config.replaced({"seed": 4}), tiny_dataset, {})


def test_a_failed_exchange_is_a_lost_worker_and_other_failures_stay_what_they_are():
    import tensorflow as tf

    with pytest.raises(WorkerLost), Second(None).together():
        raise tf.errors.UnavailableError(None, None, "gone")
    with pytest.raises(tf.errors.InvalidArgumentError), Second(None).together():
        raise tf.errors.InvalidArgumentError(None, None, "wrong")
