import pytest

from tests.tiny import TINY
from training.configs.schema import from_dict
from training.errors import ConfigError

ELBO = {"objective": {"name": "elbo"}}
WARMED = {"objective": {"name": "elbo", "kl_warmup_epochs": 2}}
PHASE = {"objective": {"name": "elbo", "final_phase": {"name": "dreg", "epochs": 1, "k": 2}}}
DENSE = TINY["network"]
CONV = DENSE | {"kind": "conv", "channels": [8]}


@pytest.fixture(scope="module")
def config():
    return from_dict(TINY)


def test_a_resolved_configuration_reads_back_as_itself(config):
    assert from_dict(config.as_dict()) == config
    assert config.network.encoder_units == (8,)
    assert config.as_dict()["network"]["encoder_units"] == [8]


def test_a_configuration_of_everything_reads_back_as_itself():
    changes = {
        "data": {"name": "images", "size": [8, 4], "channels": 3},
        "network": CONV | {"kind": "spatial", "residual_blocks": 1, "spatial_channels": 2},
        "likelihood": {"name": "discretized-logistic", "components": 3},
        "prior": {"components": [1, 2]},
        "traversal": {"axis": 1, "low": -1, "high": 2},
    }
    resolved = from_dict(TINY | PHASE | changes)
    assert from_dict(resolved.as_dict()) == resolved
    assert resolved.objective.final_phase.k == 2
    assert resolved.data.size == (8, 4)


def test_what_a_kind_does_not_have_reads_as_having_none_of_it(config):
    network, objective = config.network, config.objective
    assert (network.channels, network.residual_blocks, network.spatial_channels) == ((), 0, 0)
    assert (objective.k, objective.beta, objective.kl_warmup_epochs, objective.free_bits) == (1, 1.0, 0, 0.0)
    assert (objective.mean_weight, objective.final_phase) == (0.0, None)
    assert (config.data.size, config.data.channels) == (None, None)
    assert config.final_phase_begins == config.optimizer.epochs == 2


def test_the_final_phase_begins_so_many_epochs_before_the_end():
    assert from_dict(TINY | PHASE).final_phase_begins == 1


def test_a_replaced_value_leaves_the_others_and_the_original_as_they_were(config):
    changed = config.replaced({"optimizer.epochs": 3, "objective": {"name": "elbo", "beta": 0.5}})
    assert (changed.optimizer.epochs, changed.objective.beta) == (3, 0.5)
    assert changed.optimizer.learning_rate == config.optimizer.learning_rate
    assert (config.optimizer.epochs, config.objective.name) == (2, "textbook")


def test_a_replaced_value_is_checked_like_any_other(config):
    with pytest.raises(ConfigError, match=r"seed: expected 0 or more\. Received: -1"):
        config.replaced({"seed": -1})


def test_a_variance_of_its_own_goes_with_the_elbo(config):
    resolved = config.replaced(ELBO | {"likelihood.variance": 0.1})
    assert resolved.likelihood.parameters == {"variance": 0.1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Fashion Dense"}, "name: expected at most 64 lower-case letters"),
        ({"name": "modèle²"}, "name: expected at most 64 lower-case letters"),
        ({"name": "m" * 65}, "name: expected at most 64 lower-case letters"),
        ({"name": 3}, "name: expected text. Received: 3"),
        ({"seed": -1}, "seed: expected 0 or more. Received: -1"),
        ({"seed": 2**32}, "seed: expected less than 4294967296. Received: 4294967296"),
        (
            {"data": {"name": "images", "size": [8, 6]}, "network": CONV | {"channels": [4, 4]}},
            "data.size: expected sides that can be halved 2 times, once for each of network.channels",
        ),
        ({"likelihood.variance": 0.1}, "likelihood.variance: expected 0.5 of gaussian"),
        (
            {"likelihood": {"name": "bernoulli"}},
            "likelihood.variance: expected 0.5 of gaussian, whose negative ELBO the textbook's loss is",
        ),
        (
            PHASE | {"objective.final_phase.epochs": 2},
            "objective.final_phase.epochs: expected fewer than optimizer.epochs, 2. Received: 2",
        ),
        (
            PHASE | {"objective.kl_warmup_epochs": 2},
            "objective.kl_warmup_epochs: expected an end before the final phase, 1 or less. Received: 2",
        ),
        (
            PHASE | {"prior.vamp_components": 2},
            "prior.vamp_components: expected 0 unless the objective is elbo without free bits or a final",
        ),
        ({"prior.vamp_components": 3}, "prior.vamp_components: expected 0 unless the objective is elbo"),
        (
            {"objective": {"name": "elbo", "free_bits": 0.5}, "prior.vamp_components": 3},
            "prior.vamp_components: expected 0 unless the objective is elbo",
        ),
        (
            WARMED | {"optimizer.keep": "best"},
            "optimizer.keep: expected 'last', as KL is warmed up to the end. Received: 'best'",
        ),
        ({"traversal.axis": 2}, "traversal.axis: expected less than network.latent_dim, 2. Received: 2"),
        ({"traversal.low": -1.0}, "traversal.low: expected given together with traversal.high, or neither"),
        (
            {"traversal.low": 1.0, "traversal.high": 0.5},
            "traversal.low: expected at most traversal.high, 0.5. Received: 1.0",
        ),
    ],
)
def test_what_does_not_fit_the_rest_is_named_with_what_was_expected(config, changes, message):
    with pytest.raises(ConfigError) as caught:
        config.replaced(changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
