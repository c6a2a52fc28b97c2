from pathlib import Path

import pytest

from tests.tiny import TINY
from training.configs import schema
from training.errors import ConfigError

TAIL = {"objective": "elbo", "tail_objective": "dreg", "tail_epochs": 1, "k": 2}
CONFIGS = sorted(Path(schema.__file__).parent.glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_experiment_loads_and_is_named_like_its_file(path):
    assert schema.load(path).name == path.stem


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_experiment_begins_with_its_command_and_what_to_expect(path):
    header = [line for line in path.read_text().splitlines() if line.startswith("#")][:10]
    assert any(f"vitrine-train fit training/configs/{path.name}" in line for line in header)
    assert any("minutes" in line for line in header)
    assert any("val_loss" in line for line in header)


def test_the_reference_model_is_the_textbooks():
    dense = schema.load(next(path for path in CONFIGS if path.stem == "fashion-dense"))
    assert (dense.encoder_units, dense.latent_dim, dense.decoder_units) == ((150, 100), 10, (100, 150))
    assert (dense.optimizer, dense.learning_rate, dense.epochs, dense.batch_size) == ("nadam", 0.001, 25, 128)
    assert (dense.objective, dense.likelihood_variance, dense.seed) == (
        "textbook",
        0.5,
        42,
    )


def test_a_resolved_configuration_reads_back_as_itself():
    resolved = schema.from_dict(TINY | {"encoder_units": [8]})
    assert schema.from_dict(resolved.as_dict()) == resolved


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latent_dims": 3}, "unknown key 'latent_dims'; did you mean 'latent_dim'?"),
        ({"zzz": 3}, "known keys"),
        ({"latent_dim": "ten"}, "latent_dim: expected a whole number. Received: 'ten'"),
        ({"latent_dim": 10.0}, "latent_dim: expected a whole number"),
        ({"latent_dim": True}, "latent_dim: expected a whole number"),
        ({"latent_dim": 0}, "latent_dim: expected greater than zero"),
        ({"learning_rate": "fast"}, "learning_rate: expected a number"),
        ({"encoder_units": [1.5]}, "encoder_units: expected a list of whole numbers"),
        ({"decoder_units": [0]}, "decoder_units: expected widths greater than zero"),
        ({"name": "Fashion Dense"}, "name: expected at most 64 lower-case letters"),
        ({"name": "modèle²"}, "name: expected at most 64 lower-case letters"),
        ({"name": "m" * 65}, "name: expected at most 64 lower-case letters"),
        ({"seed": -1}, "seed: expected 0 to 2^32 - 1"),
        ({"seed": 2**32}, "seed: expected 0 to 2^32 - 1"),
        ({"learning_rate": float("inf")}, "learning_rate: expected greater than zero and finite"),
        ({"learning_rate": float("nan")}, "learning_rate: expected greater than zero and finite"),
        ({"likelihood_variance": 0.1}, "likelihood_variance: expected 0.5"),
        ({"walk_low": 1.0, "walk_high": 0.5}, "walk_low: expected -8 to walk_high"),
        ({"walk_low": 0.0, "walk_high": 20.0}, "walk_low: expected -8 to walk_high"),
        ({"walk_steps": 65}, "walk_steps: expected 2 to 64"),
        ({"optimizer": "sgd"}, "optimizer: expected one of"),
        ({"objective": "mse"}, "objective: expected one of"),
        ({"network": "deep"}, "network: expected one of"),
        ({"network": "conv"}, "channels: expected one width or more"),
        ({"channels": [8]}, "channels: expected one width or more, but none for dense"),
        (
            {"network": "residual", "channels": [8]},
            "residual_blocks: expected 1 or more for residual and spatial",
        ),
        ({"residual_blocks": 1}, "residual_blocks: expected 1 or more for residual and spatial, else 0"),
        ({"spatial_channels": 1}, "spatial_channels: expected 1 or more for spatial, else 0"),
        ({"mean_weight": 5.0}, "mean_weight: expected 0.0 unless the objective is elbo"),
        ({"vamp_components": 3}, "vamp_components: expected 0 unless the objective is elbo"),
        ({"axis_order": "random"}, "axis_order: expected one of"),
        ({"prior_components": [0]}, "prior_components: expected numbers greater than zero"),
        ({"network": "conv", "channels": [0]}, "channels: expected widths greater than zero"),
        ({"image_size": [8, 8]}, "image_size: expected left out: it belongs to data"),
        ({"data": "images", "image_size": [8]}, "image_size: expected height and width"),
        ({"data": "images", "image_size": [8, 0]}, "image_size: expected height and width"),
        (
            {"data": "images", "image_size": [8, 6], "network": "conv", "channels": [4, 4]},
            "image_size: expected sides that can be halved 2 times",
        ),
        ({"data": "images", "image_channels": 2}, "image_channels: expected 1 or 3"),
        ({"data": "images", "image_channels": "rgb"}, "image_channels: expected a whole number"),
        ({"learning_rate_schedule": "step"}, "learning_rate_schedule: expected one of"),
        ({"ema_momentum": 1.0}, "ema_momentum: expected 0 to below 1"),
        ({"precision": "float16"}, "precision: expected one of"),
        ({"k": 5}, "k: expected 2 or more for iwae and dreg, else 1"),
        ({"tail_objective": "elbo"}, "tail_objective: expected one of"),
        ({"tail_objective": "dreg", "tail_epochs": 1, "k": 2}, "tail_objective: expected left out unless"),
        (TAIL | {"vamp_components": 2}, "tail_objective: expected left out unless"),
        (TAIL | {"tail_epochs": 0}, "tail_epochs: expected 1 or more, fewer than epochs"),
        (TAIL | {"tail_epochs": 2}, "tail_epochs: expected 1 or more, fewer than epochs"),
        ({"tail_epochs": 1}, "tail_epochs: expected 1 or more, fewer than epochs, with a tail"),
        (TAIL | {"k": 1}, "k: expected 2 or more"),
        (TAIL | {"kl_warmup_epochs": 2}, "kl_warmup_epochs: expected an end before the tail"),
        ({"objective": "iwae"}, "k: expected 2 or more"),
        ({"beta": 0.5}, "beta: expected 1.0 unless the objective is elbo"),
        ({"objective": "elbo", "beta": -1.0}, "beta: expected zero or more"),
        ({"objective": "elbo", "free_bits": float("nan")}, "free_bits: expected zero or more"),
        ({"objective": "dreg", "k": 5, "kl_warmup_epochs": 2}, "kl_warmup_epochs: expected 0 unless"),
        ({"likelihood": "poisson"}, "likelihood: expected one of"),
        ({"likelihood": "bernoulli", "objective": "elbo"}, "likelihood_variance: expected left out"),
        (
            {"likelihood_variance": None, "objective": "elbo"},
            "likelihood_variance: expected 2.45e-6 or more",
        ),
        ({"likelihood_components": 0}, "likelihood_components: expected greater than zero"),
        ({"walk_axis": 2}, "walk_axis: expected 0 to latent_dim - 1"),
        ({"walk_low": -1.0}, "walk_low: expected given together with walk_high"),
        ({"walk_steps": 1}, "walk_steps: expected 2 to 64"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_was_expected(changes, message):
    with pytest.raises(ConfigError) as caught:
        schema.from_dict(TINY | changes)
    assert message in str(caught.value)


def test_missing_keys_are_named():
    with pytest.raises(ConfigError, match="missing keys: latent_dim, seed"):
        schema.from_dict({k: v for k, v in TINY.items() if k not in ("seed", "latent_dim")})


def test_a_whole_number_may_stand_for_a_fraction():
    assert schema.from_dict(TINY | {"learning_rate": 1}).learning_rate == 1.0


def test_a_variance_of_its_own_goes_with_the_elbo():
    resolved = schema.from_dict(TINY | {"objective": "elbo", "likelihood_variance": 0.1})
    assert resolved.likelihood_variance == 0.1


def test_the_known_likelihoods_are_those_there_are():
    from training.models import likelihoods

    assert schema.LIKELIHOODS == likelihoods.NAMES


@pytest.mark.parametrize("content", [None, b"name = ", b'name = "\xff"'])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "odd.toml"
    if content:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"odd\.toml"):
        schema.load(path)
