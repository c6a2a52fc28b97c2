import dataclasses
import json

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training import trained  # noqa: E402
from training.errors import ConfigError, RunError  # noqa: E402
from training.fitting import fit  # noqa: E402


def test_a_run_folder_holds_what_is_known_of_the_run(tiny_run, tiny_config):
    assert json.loads((tiny_run / "config.json").read_text())["seed"] == tiny_config.seed
    history = json.loads((tiny_run / "history.json").read_text())
    losses = {p + n for p in ("", "val_") for n in ("loss", "reconstruction", "kl")}
    assert set(history) == losses | {"val_elbo", "val_bits_per_dim", "val_mse", "active_axes"}
    assert all(len(values) == tiny_config.optimizer.epochs for values in history.values())
    recorded = json.loads((tiny_run / "environment.json").read_text())
    assert recorded["libraries"]["tensorflow"].startswith("2.")
    assert recorded["splits"] == {"train": 128, "validation": 32, "test": 40}


def test_a_run_folder_says_all_that_was_found_and_left_out_of_its_images(tiny_run, tiny_dataset):
    written = json.loads((tiny_run / "data.json").read_text())
    assert written == tiny_dataset.describe() == {"notes": [], "classes": {}, "left_out": {}}


def test_the_training_curves_are_a_picture(tiny_run, tmp_path, whole_figures):
    from PIL import Image

    from training import figures

    history = json.loads((tiny_run / "history.json").read_text())
    figures.training_curves(history, "elbo", "tiny", tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        pixels = np.asarray(image.convert("L"))
    assert pixels.shape[1] > pixels.shape[0] > 200
    assert 0.01 < (pixels < 128).mean() < 0.5  # lines and letters, and mostly paper


def test_the_same_seed_gives_the_same_weights_bit_for_bit(tiny_config, tiny_dataset, tiny_run, tmp_path):
    again = fit.fit(tiny_config, tiny_dataset, tmp_path / "again", progress=False)
    recorded = json.loads((tiny_run / "environment.json").read_text())
    assert again["weights_sha256"] == recorded["weights_sha256"]
    _, first, _ = trained.load_run(tiny_run)
    _, second, _ = trained.load_run(tmp_path / "again")
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_another_seed_gives_other_weights(tiny_config, tiny_dataset, tiny_run, tmp_path):
    other = fit.fit(tiny_config.replaced({"seed": 4}), tiny_dataset, tmp_path / "other", progress=False)
    recorded = json.loads((tiny_run / "environment.json").read_text())
    assert other["weights_sha256"] != recorded["weights_sha256"]


def test_when_the_output_is_no_terminal_every_epoch_is_one_line(tiny_config, tiny_dataset, tmp_path, capsys):
    fit.fit(tiny_config, tiny_dataset, tmp_path / "run")
    lines = [line for line in capsys.readouterr().out.splitlines() if "loss" in line]
    assert len(lines) == tiny_config.optimizer.epochs
    assert all(word in lines[-1] for word in ("loss", "reconstruction", "kl", "val_loss"))


def test_a_run_is_not_overwritten(tiny_config, tiny_dataset, tiny_run):
    with pytest.raises(RunError, match="holds a run already"):
        fit.fit(tiny_config, tiny_dataset, tiny_run)


def test_a_folder_that_cannot_be_written_is_named(tiny_config, tiny_dataset, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        fit.fit(tiny_config, tiny_dataset, tmp_path / "file" / "run")


def test_a_run_that_did_not_finish_is_overwritten(tiny_config, tiny_dataset, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    fit.fit(tiny_config, tiny_dataset, tmp_path, progress=False)
    assert trained.load_run(tmp_path)[0] == tiny_config


def test_the_test_split_is_not_touched_by_training(tiny_config, tiny_dataset, tiny_run, tmp_path):
    poisoned = dataclasses.replace(tiny_dataset, test=np.full_like(tiny_dataset.test, np.nan))
    found = fit.fit(tiny_config, poisoned, tmp_path / "run", progress=False)
    recorded = json.loads((tiny_run / "environment.json").read_text())
    assert found["weights_sha256"] == recorded["weights_sha256"]


def test_validation_images_are_measured_and_not_trained_on(tiny_config, tiny_dataset, tiny_run, tmp_path):
    white = dataclasses.replace(tiny_dataset, validation=np.ones_like(tiny_dataset.validation))
    found = fit.fit(tiny_config, white, tmp_path / "run", progress=False)
    recorded = json.loads((tiny_run / "environment.json").read_text())
    assert found["weights_sha256"] == recorded["weights_sha256"]
    usual = json.loads((tiny_run / "history.json").read_text())
    assert found["loss"] == usual["loss"][-1]
    assert found["val_loss"] > 2 * usual["val_loss"][-1]


def test_a_loss_that_is_no_longer_a_number_ends_the_run_in_one_line(tiny_config, tiny_dataset, tmp_path):
    wild = tiny_config.replaced({"optimizer.learning_rate": 1e30})
    with pytest.raises(RunError, match=r"epoch 1: the loss is no longer a number \(loss\); .*learning_rate"):
        fit.fit(wild, tiny_dataset, tmp_path / "run", progress=False)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "config.json",
        "data.json",
        "sources.json",
    }  # nothing was validated
    with pytest.raises(RunError, match="not a finished run"):
        trained.load_run(tmp_path / "run")


@pytest.mark.parametrize("objective", ["iwae", "dreg"])
def test_a_final_phase_trains_on_l_k_while_validation_stays_the_elbo(
    tiny_config, tiny_dataset, tmp_path, objective, capsys
):
    plain = tiny_config.replaced({"objective": {"name": "elbo", "mean_weight": 4.0}, "optimizer.epochs": 8})
    config = plain.replaced({"objective.final_phase": {"name": objective, "epochs": 3, "k": 8}})
    fit.fit(config, tiny_dataset, tmp_path / "final", progress=False)
    lines = capsys.readouterr().out.splitlines()
    begins = f"epoch 6: here begins the final phase, {objective} with 8 draws an image; val_loss stays the negative ELBO"
    assert lines.index(begins) == 5  # after five epochs' lines
    fit.fit(plain, tiny_dataset, tmp_path / "plain", progress=False)
    phased, whole = (
        {
            name: np.array(values)
            for name, values in json.loads((tmp_path / run / "history.json").read_text()).items()
        }
        for run in ("final", "plain")
    )
    assert all(np.array_equal(phased[name][:5], whole[name][:5]) for name in whole)
    # The mean image's error lies on top of the ELBO; L_8 lies below it.
    surplus = phased["loss"] - phased["reconstruction"] - phased["kl"]
    assert (surplus[:5] > 0.05).all()
    assert (surplus[5:] < -0.05).all()
    np.testing.assert_allclose(phased["val_loss"], phased["val_reconstruction"] + phased["val_kl"], rtol=1e-5)


def test_the_cosine_schedule_rises_falls_and_ends_near_nothing(tiny_config):
    config = tiny_config.replaced(
        {"optimizer.schedule": "cosine", "optimizer.epochs": 10, "optimizer.batch_size": 10}
    )
    rate = fit._optimizer(config, num_images=100)._learning_rate
    rates = [float(rate(step)) for step in range(101)]
    assert rates[5] == pytest.approx(config.optimizer.learning_rate, rel=1e-3)  # 5 % of the steps
    assert rates[0] < 0.02 * config.optimizer.learning_rate
    assert max(rates) <= config.optimizer.learning_rate * (1 + 1e-6)
    assert rates[100] == pytest.approx(0.01 * config.optimizer.learning_rate, rel=1e-3)
    assert rates[5:] == sorted(rates[5:], reverse=True)


def test_convolutions_train_and_repeat_bit_for_bit(tiny_config, tiny_dataset, tmp_path):
    halvable = dataclasses.replace(
        tiny_dataset,
        train=tiny_dataset.train[:, :, :4],
        validation=tiny_dataset.validation[:, :, :4],
        test=tiny_dataset.test[:, :, :4],
    )
    config = tiny_config.replaced(
        {
            "network.kind": "conv",
            "network.channels": [4],
            "objective": {"name": "elbo", "kl_warmup_epochs": 1},
            "likelihood": {"name": "discretized-logistic", "components": 2},
            "optimizer.ema_momentum": 0.9,
            "optimizer.schedule": "cosine",
        }
    )
    first, second = (fit.fit(config, halvable, tmp_path / name, progress=False) for name in "ab")
    assert first == second
    assert first["val_loss"] < 30 * 8 * 0.6931  # better than eight bits a pixel


def test_a_likelihood_of_colours_refuses_grey_images(tiny_config, tiny_dataset, tmp_path):
    changes = {"objective": {"name": "elbo"}, "likelihood": {"name": "colour-logistic"}}
    with pytest.raises(ConfigError, match="expected another than colour-logistic, as the images are grey"):
        fit.fit(tiny_config.replaced(changes), tiny_dataset, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_squares_that_do_not_cover_the_images_are_refused_before_anything_is_written(
    tiny_config, tiny_dataset, tmp_path
):
    likelihood = {"name": "causal-logistic", "components": 1, "hidden_units": 4, "block": 7}
    changes = {"objective": {"name": "elbo"}, "likelihood": likelihood}
    sides = " and ".join(map(str, tiny_dataset.image_shape))
    with pytest.raises(ConfigError, match=rf"a divisor of both sides of the images, {sides}\. Received: 7"):
        fit.fit(tiny_config.replaced(changes), tiny_dataset, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_gradient_is_clipped_only_if_that_is_asked_for(tiny_config):
    assert fit._optimizer(tiny_config, num_images=100).global_clipnorm is None
    clipped = tiny_config.replaced({"optimizer.clip_norm": 0.5})
    assert fit._optimizer(clipped, num_images=100).global_clipnorm == 0.5


def test_a_run_that_improves_no_more_ends_early_and_counts_as_finished(tiny_config, tiny_dataset, tmp_path):
    # A rate that is next to nothing improves nothing that float32 could hold.
    stuck = {"optimizer.learning_rate": 1e-12, "optimizer.patience": 2, "optimizer.epochs": 50}
    still = tiny_config.replaced({**stuck, "optimizer.keep": "pictures"})
    found = fit.fit(still, tiny_dataset, tmp_path / "run", progress=False)
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert len(history["loss"]) == found["epoch"] + 2
    assert found["val_mse"] == min(history["val_mse"])
    with pytest.raises(RunError, match=f"finished after {found['epoch'] + 2} epochs; nothing to resume"):
        fit.fit(still, tiny_dataset, tmp_path / "run", progress=False, resume=True)
