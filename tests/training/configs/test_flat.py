import json
import tomllib
from pathlib import Path

import pytest

from tests.conftest import SHIPPED_STORE
from tests.tiny import TINY
from training.configs import flat, load
from training.configs.schema import from_dict

FORMER = """# an experiment
name = "old"
data = "images"
image_size = [8, 8]
latent_dim = 4
network = "conv"
channels = [8]
encoder_units = [16]
decoder_units = [16]
objective = "elbo"
likelihood = "discretized-logistic"
likelihood_components = 3
tail_objective = "dreg"
tail_epochs = 2
k = 5
prior_components = [2, 4]
optimizer = "adam"
learning_rate = 0.002
learning_rate_schedule = "cosine"
epochs = 10
batch_size = 16
seed = 1
walk_axis = 3
"""
PRESENT = """name = "old"
seed = 1

[data]
name = "images"
size = [8, 8]

[network]
kind = "conv"
latent_dim = 4
channels = [8]
encoder_units = [16]
decoder_units = [16]

[likelihood]
name = "discretized-logistic"
components = 3

[objective]
name = "elbo"

[objective.final_phase]
name = "dreg"
epochs = 2
k = 5

[prior]
components = [2, 4]

[optimizer]
name = "adam"
learning_rate = 0.002
schedule = "cosine"
epochs = 10
batch_size = 16

[traversal]
axis = 3
"""


def test_a_former_configuration_is_sorted_into_sections():
    assert flat.in_sections(tomllib.loads(FORMER)) == tomllib.loads(PRESENT)


def test_a_configuration_in_sections_is_not_flat():
    assert flat.is_flat(tomllib.loads(FORMER))
    assert not flat.is_flat(tomllib.loads(PRESENT))
    assert not flat.is_flat(TINY | {"latent_dim": 2})
    assert not flat.is_flat({})


def test_keys_of_every_kind_that_said_nothing_are_left_out_of_the_present_form():
    listed = tomllib.loads(FORMER) | {
        "tail_objective": "",
        "tail_epochs": 0,
        "k": 1,
        "beta": 1.0,
        "walk_low": None,
    }
    found = flat.in_sections(listed)
    assert found["objective"] == {"name": "elbo"}
    assert found["traversal"] == {"axis": 3}


@pytest.mark.parametrize("version", sorted(SHIPPED_STORE.glob("*/*")), ids=lambda path: path.parent.name)
def test_a_published_configuration_is_the_experiment_that_ships(version):
    recorded = json.loads((version / "manifest.json").read_text())["training"]["config"]
    table = flat.in_sections(recorded) if flat.is_flat(recorded) else recorded
    path = Path(load.__file__).parent / f"{version.parent.name}.toml"
    assert from_dict(table) == load.load(path)
