"""A change of training's arithmetic is noticed in the commit that makes it; ``canary.py`` records anew."""

import json
import subprocess
import sys

import pytest

from tests.conftest import PROJECT, as_users_train, skip
from training.errors import TrainingError

pytestmark = pytest.mark.tensorflow

from tests.training import canary  # noqa: E402
from training import data  # noqa: E402

RECORD = json.loads(canary.RECORD.read_text())


def test_every_shipped_experiment_is_recorded():
    assert set(RECORD) == set(canary.EXPERIMENTS)


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    """Trains an experiment by its name as users do, in a process that has imported TensorFlow for all of them."""
    command = [sys.executable, "-m", "tests.training.canary", "-"]
    environment = as_users_train() | {"TF_CPP_MIN_LOG_LEVEL": "2"}
    told = tmp_path_factory.mktemp("canary") / "told.txt"
    with (
        told.open("w") as errors,
        subprocess.Popen(
            command,
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):

        def train(name):
            process.stdin.write(f"{name}\n")
            process.stdin.flush()
            for line in process.stdout:
                if line.startswith("{"):
                    return json.loads(line)
            raise AssertionError(told.read_text())

        yield train
        process.stdin.close()


@pytest.mark.parametrize("name", canary.EXPERIMENTS)
def test_a_shipped_experiment_begins_to_train_as_it_was_recorded(name, apart):
    try:
        data.load("fashion-mnist")
    except TrainingError:
        skip("Fashion-MNIST is not installed")
    found, recorded = apart(name), RECORD[name]
    remedy = "if you meant to change arithmetic: python -m tests.training.canary, and train what ships anew"
    assert canary.agree(found, recorded), f"{found} for {recorded}: {remedy}"
    digest = recorded["sha256"].get(canary.machine_kind())
    if digest is not None:
        assert found["sha256"] == digest, remedy


FOUND = {"val_loss": [2600.0, 2500.0], "val_kl": [12.0, 14.0], "sha256": "new"}
KNOWN = {
    "val_loss": [2600.1, 2500.0],
    "val_kl": [12.0, 14.0007],
    "sha256": {"elsewhere": "old"},
}  # 5e-5 apart


def test_digests_of_other_machines_outlive_a_record_that_differs_by_rounding_alone():
    entry = canary.entry(FOUND, KNOWN)
    assert entry == KNOWN | {"sha256": {"elsewhere": "old", canary.machine_kind(): "new"}}


@pytest.mark.parametrize(
    "changes",
    [{"val_loss": [2600.1, 2501.0]}, {"val_kl": [12.0, 14.14]}, {"val_kl": [12.0]}, {"val_kl": []}],
    ids=["bound", "a hundredth of KL", "one epoch", "no epoch"],
)
def test_digests_of_another_arithmetic_are_forgotten(changes):
    assert canary.entry(FOUND, KNOWN | changes) == FOUND | {"sha256": {canary.machine_kind(): "new"}}


def test_another_digest_on_the_same_machine_is_another_arithmetic_however_close_its_numbers_are():
    known = KNOWN | {"sha256": {"elsewhere": "old", canary.machine_kind(): "before"}}
    assert canary.entry(FOUND, known) == FOUND | {"sha256": {canary.machine_kind(): "new"}}
    same = KNOWN | {"sha256": {"elsewhere": "old", canary.machine_kind(): "new"}}
    assert canary.entry(FOUND, same) == same


def test_a_new_experiment_has_the_digest_of_this_machine_alone():
    assert canary.entry(FOUND, {}) == FOUND | {"sha256": {canary.machine_kind(): "new"}}
