"""A change of training's arithmetic is noticed in the commit that makes it; ``canary.py`` records anew."""

import json

import pytest

from tests.conftest import skip
from training.errors import TrainingError

pytestmark = pytest.mark.tensorflow

from tests.training import canary  # noqa: E402
from training import data  # noqa: E402

RECORD = json.loads(canary.RECORD.read_text())
# Other kernels (TF_ENABLE_ONEDNN_OPTS=0) and one core in place of two moved these numbers by 5e-5 at most.
# One changed line moves them by far more: the averages' rule (11 for 10) by 0.021, KL by one part in a hundred by 0.008.
RELATIVE = 5e-4


def test_every_shipped_experiment_is_recorded():
    assert set(RECORD) == set(canary.EXPERIMENTS)


@pytest.mark.parametrize("name", canary.EXPERIMENTS)
def test_a_shipped_experiment_begins_to_train_as_it_was_recorded(name):
    try:
        data.load("fashion-mnist")
    except TrainingError:
        skip("Fashion-MNIST is not installed")
    found, recorded = canary.trained(name), RECORD[name]
    remedy = "if you meant to change arithmetic: python -m tests.training.canary, and train what ships anew"
    for key in ("val_loss", "val_kl"):
        assert found[key] == pytest.approx(recorded[key], rel=RELATIVE), remedy
    digest = recorded["sha256"].get(canary.machine_kind())
    if digest is not None:
        assert found["sha256"] == digest, remedy
