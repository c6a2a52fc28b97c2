from pathlib import Path

import numpy as np
import pytest

from training import configs, defaults
from training.configs.load import load
from training.data import Dataset


def dataset(count=320, shape=(64, 48, 3)):
    train = np.zeros((count, *shape), np.float32)
    return Dataset("pets", train, train[:2], train[:2], {"train": "0" * 64}, "memory")


def test_the_experiment_has_the_size_and_the_colours_of_the_images():
    colour = defaults.experiment("pets", dataset(), 10.0)
    assert (colour.data.size, colour.data.channels) == ((64, 48), 3)
    grey = defaults.experiment("pets", dataset(shape=(32, 32)), 10.0)
    assert (grey.data.size, grey.data.channels) == ((32, 32), 1)


def test_the_configuration_to_copy_is_what_the_command_trains_on_a_few_hundred_pictures():
    copied = load(Path(configs.__file__).parent / "images.toml")
    chosen = defaults.experiment("images", dataset(shape=(64, 64, 3)), 10.0)
    for part in ("network", "likelihood", "objective", "prior", "augmentation", "optimizer"):
        assert getattr(copied, part) == getattr(chosen, part)


@pytest.mark.parametrize(
    ("count", "batch_size", "passes", "latent_dim"),
    [(20, 16, 80, 32), (320, 16, 5, 32), (1_600, 16, 1, 32), (5_000, 32, 1, 64), (16_000, 64, 1, 64)],
)
def test_batches_and_axes_grow_with_the_pictures_and_an_epoch_has_a_hundred_steps(
    count, batch_size, passes, latent_dim
):
    config = defaults.experiment("pets", dataset(count, (8, 8)), 10.0)
    section = config.optimizer
    assert (section.batch_size, section.passes, config.network.latent_dim) == (batch_size, passes, latent_dim)
    assert section.minutes == 10.0


def test_pictures_are_mirrored_only_if_that_is_asked_for():
    assert not defaults.experiment("pets", dataset(), 1.0).augmentation.mirror
    assert defaults.experiment("pets", dataset(), 1.0, mirror=True).augmentation.mirror


def test_going_on_keeps_the_networks_and_learns_slower():
    before = defaults.experiment("pets", dataset(), 10.0, seed=7)
    on = defaults.going_on(before, "more-pets", dataset(5_000), 5.0, "model_store/pets/1")
    assert (on.network, on.likelihood, on.seed) == (before.network, before.likelihood, 7)
    assert (on.name, on.start_from, on.optimizer.batch_size) == ("more-pets", "model_store/pets/1", 32)
    assert on.optimizer.learning_rate == before.optimizer.learning_rate / 2


@pytest.mark.parametrize(
    ("folder", "name"), [("Own Shapes", "own-shapes"), ("Fotos 2024!", "fotos-2024"), ("写真", "pictures")]
)
def test_a_model_is_called_after_its_folder_as_far_as_a_name_may_be(folder, name):
    assert defaults.name_of(folder) == name


def test_a_quarter_of_the_epochs_may_pass_without_improvement():
    config = defaults.experiment("pets", dataset(), 10.0).replaced({"optimizer.epochs": 60})
    assert defaults.patient(config).optimizer.patience == 15
