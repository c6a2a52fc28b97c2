import pytest

from tests.tiny import TINY
from training.configs.schema import from_dict
from training.errors import ConfigError
from training.models.likelihoods.registry import REGISTRY

ELBO = {"objective": {"name": "elbo"}}
PHASE = {"objective": {"name": "elbo", "final_phase": {"name": "dreg", "epochs": 1, "k": 2}}}
CONV = TINY["network"] | {"kind": "conv", "channels": [8]}


@pytest.fixture(scope="module")
def config():
    return from_dict(TINY)


@pytest.mark.parametrize("name", REGISTRY)
def test_a_likelihood_has_the_parameters_that_its_entry_names(name, config):
    given = {"variance": 0.5} if name == "gaussian" else {}
    likelihood = config.replaced(ELBO | {"likelihood": {"name": name} | given}).likelihood
    assert list(likelihood.parameters) == list(REGISTRY[name].parameters)


def test_a_whole_number_may_stand_for_a_fraction(config):
    rate = config.replaced({"optimizer.learning_rate": 1}).optimizer.learning_rate
    assert (rate, type(rate)) == (1.0, float)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"name": "imagenet"}}, "data.name: expected one of 'fashion-mnist', 'emoji', 'images'"),
        (
            {"data.size": [8, 8]},
            "data.size: belongs to images alone; leave it out. Received: [8, 8]",
        ),
        ({"data": {"name": "images", "size": [8]}}, "data.size: expected 2 or more values. Received: [8]"),
        ({"data": {"name": "images", "size": [8, 8, 8]}}, "data.size: expected at most 2 values"),
        ({"data": {"name": "images", "size": [8, 0]}}, "data.size[1]: expected more than 0. Received: 0"),
        ({"data": {"name": "images", "channels": 2}}, "data.channels: expected 1 or 3. Received: 2"),
        ({"data": {"name": "images", "channels": "rgb"}}, "data.channels: expected a whole number"),
        ({"data": {"name": "images", "channels": True}}, "data.channels: expected a whole number"),
        (
            {"network.kind": "deep"},
            "network.kind: expected one of 'dense', 'conv', 'residual', 'separable', 'spatial', 'palette'",
        ),
        ({"network.latent_dims": 3}, "unknown key 'network.latent_dims'; did you mean 'network.latent_dim'?"),
        ({"network.latent_dim": "ten"}, "network.latent_dim: expected a whole number. Received: 'ten'"),
        ({"network.latent_dim": 10.0}, "network.latent_dim: expected a whole number. Received: 10.0"),
        ({"network.latent_dim": True}, "network.latent_dim: expected a whole number. Received: True"),
        ({"network.latent_dim": 0}, "network.latent_dim: expected more than 0. Received: 0"),
        (
            {"network.encoder_units": [1.5]},
            "network.encoder_units[0]: expected a whole number. Received: 1.5",
        ),
        ({"network.encoder_units": 8}, "network.encoder_units: expected a list. Received: 8"),
        ({"network.decoder_units": [8, 0]}, "network.decoder_units[1]: expected more than 0"),
        ({"network.kind": "conv"}, "missing key: network.channels"),
        ({"network": CONV | {"channels": []}}, "network.channels: expected 1 or more values"),
        ({"network": CONV | {"channels": [0]}}, "network.channels[0]: expected more than 0"),
        (
            {"network.channels": [8]},
            "network.channels: belongs to conv, residual, separable, spatial and palette alone",
        ),
        ({"network": CONV | {"kind": "residual"}}, "missing key: network.residual_blocks"),
        (
            {"network": CONV | {"kind": "residual", "residual_blocks": 0}},
            "network.residual_blocks: expected more than 0",
        ),
        (
            {"network.residual_blocks": 1},
            "network.residual_blocks: belongs to residual, separable, spatial and palette alone",
        ),
        (
            {"network": CONV | {"kind": "spatial", "residual_blocks": 1}},
            "missing key: network.spatial_channels",
        ),
        (
            {"network.spatial_channels": 1},
            "network.spatial_channels: belongs to spatial alone",
        ),
        (
            {"likelihood": {"name": "poisson"}},
            "likelihood.name: expected one of 'gaussian', 'gaussian-shared'",
        ),
        (
            ELBO | {"likelihood": {"name": "bernoulli", "variance": 0.5}},
            "likelihood.variance: belongs to gaussian alone; leave it out. Received: 0.5",
        ),
        (ELBO | {"likelihood": {"name": "gaussian"}}, "missing key: likelihood.variance"),
        (ELBO | {"likelihood.variance": 1e-6}, "likelihood.variance: expected 2.45e-06 or more"),
        (ELBO | {"likelihood.variance": float("inf")}, "likelihood.variance: expected a finite number"),
        (
            ELBO | {"likelihood": {"name": "discretized-logistic", "components": 0}},
            "likelihood.components: expected more than 0",
        ),
        (
            {"likelihood.components": 2},
            "likelihood.components: belongs to discretized-logistic, colour-logistic, autoregressive-logistic, causal-logistic and causal-colour-logistic alone",
        ),
        (
            {"objective": {"name": "mse"}},
            "objective.name: expected one of 'textbook', 'elbo', 'iwae', 'dreg'",
        ),
        ({"objective.k": 5}, "objective.k: belongs to iwae and dreg alone"),
        ({"objective": {"name": "iwae"}}, "missing key: objective.k"),
        ({"objective": {"name": "iwae", "k": 1}}, "objective.k: expected 2 or more. Received: 1"),
        ({"objective.beta": 0.5}, "objective.beta: belongs to elbo alone"),
        (
            {"objective.mean_weight": 5.0},
            "objective.mean_weight: belongs to elbo alone",
        ),
        (
            {"objective": {"name": "dreg", "k": 5, "kl_warmup_epochs": 2}},
            "objective.kl_warmup_epochs: belongs to elbo alone",
        ),
        ({"objective": {"name": "elbo", "beta": -1.0}}, "objective.beta: expected 0 or more. Received: -1.0"),
        (
            {"objective": {"name": "elbo", "free_bits": float("nan")}},
            "objective.free_bits: expected a finite",
        ),
        ({"objective": {"name": "elbo", "kl_warmup_epochs": -1}}, "kl_warmup_epochs: expected 0 or more"),
        ({"objective": {"name": "elbo", "mean_weight": -1.0}}, "objective.mean_weight: expected 0 or more"),
        (
            {"objective.final_phase": PHASE["objective"]["final_phase"]},
            "objective.final_phase: belongs to elbo alone",
        ),
        (
            PHASE | {"objective.final_phase.name": "elbo"},
            "objective.final_phase.name: expected 'iwae' or 'dreg'. Received: 'elbo'",
        ),
        (PHASE | {"objective.final_phase.epoch": 1}, "did you mean 'objective.final_phase.epochs'?"),
        (PHASE | {"objective.final_phase": {"epochs": 1}}, "final_phase.name, objective.final_phase.k"),
        (PHASE | {"objective.final_phase.epochs": 0}, "objective.final_phase.epochs: expected more than 0"),
        (PHASE | {"objective.final_phase.k": 1}, "objective.final_phase.k: expected 2 or more"),
        (ELBO | {"prior.vamp_components": -1}, "prior.vamp_components: expected 0 or more"),
        ({"prior.components": [0]}, "prior.components[0]: expected more than 0"),
        (
            {"prior.flow_layers": 4},
            "unknown key 'prior.flow_layers'; known here: vamp_components, components",
        ),
        ({"optimizer.name": "sgd"}, "optimizer.name: expected 'adam' or 'nadam'. Received: 'sgd'"),
        ({"optimizer.learning_rate": "0.1"}, "optimizer.learning_rate: expected a number. Received: '0.1'"),
        ({"optimizer.learning_rate": True}, "optimizer.learning_rate: expected a number. Received: True"),
        ({"optimizer.learning_rate": 0.0}, "optimizer.learning_rate: expected more than 0"),
        ({"optimizer.learning_rate": float("inf")}, "optimizer.learning_rate: expected a finite number"),
        ({"optimizer.learning_rate": float("nan")}, "optimizer.learning_rate: expected a finite number"),
        ({"optimizer.schedule": "step"}, "optimizer.schedule: expected 'constant' or 'cosine'"),
        ({"optimizer.ema_momentum": 1.0}, "optimizer.ema_momentum: expected less than 1"),
        ({"optimizer.ema_momentum": -0.1}, "optimizer.ema_momentum: expected 0 or more"),
        ({"optimizer.epochs": 0}, "optimizer.epochs: expected more than 0"),
        ({"optimizer.batch_size": 0}, "optimizer.batch_size: expected more than 0"),
        (
            {"optimizer.precision": "bfloat16"},
            "optimizer.precision: leave it out, as networks are trained in float32 alone",
        ),
        (
            {"optimizer.keep": "first"},
            "optimizer.keep: expected 'last', 'best' or 'pictures'. Received: 'first'",
        ),
        ({"traversal.axis_order": "random"}, "traversal.axis_order: expected 'canonical' or 'as-trained'"),
        ({"traversal.axis": -1}, "traversal.axis: expected 0 or more"),
        ({"traversal.low": 0.0, "traversal.high": 20.0}, "traversal.high: expected 8 or less"),
        ({"traversal.low": -9.0, "traversal.high": 0.0}, "traversal.low: expected -8 or more"),
        ({"traversal.steps": 65}, "traversal.steps: expected 64 or less"),
        ({"traversal.steps": 1}, "traversal.steps: expected 2 or more"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_was_expected(config, changes, message):
    with pytest.raises(ConfigError) as caught:
        config.replaced(changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
