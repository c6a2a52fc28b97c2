import math

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training.fitting import callbacks, fit  # noqa: E402
from training.metrics import bounds  # noqa: E402
from training.trained import TrainedModel  # noqa: E402


def test_the_textbooks_bound_follows_from_its_loss():
    logs = {"val_loss": 0.03, "val_reconstruction": 0.02, "val_kl": 7.84}
    assert callbacks.elbo(logs, "textbook", 784) == pytest.approx(-(0.03 * 784 + 392 * math.log(math.pi)))


def test_any_other_bound_is_the_sum_of_its_parts_whatever_the_loss():
    logs = {"val_loss": 1.0, "val_reconstruction": 20.0, "val_kl": 5.0}
    assert callbacks.elbo(logs, "iwae", 784) == -25.0


@pytest.mark.parametrize("objective", ["textbook", "elbo"])
def test_the_bound_that_is_shown_is_the_one_that_evaluation_reports(
    tiny_config, tiny_dataset, tmp_path, objective
):
    config = tiny_config.replaced({"objective": {"name": objective}})
    found = fit.fit(config, tiny_dataset, tmp_path / "run", progress=False)
    model = TrainedModel.from_run(tmp_path / "run")
    images = np.repeat(tiny_dataset.validation, 20, axis=0)
    row = bounds.bounds(model, images, ((len(images), (1,)),)).log_p_x[0]
    # Two sets of draws of q(z given x) for 32 images of 30 pixels: the standard error is near 0.05 nats.
    assert found["val_elbo"] == pytest.approx(row.nats, abs=0.4)
    assert found["val_bits_per_dim"] == pytest.approx(row.bits_per_dim, abs=0.02)


def history(loss, val_loss):
    return {"loss": loss, "val_loss": val_loss}


def kinds(config, history, kl=(1.0, 1.0), clipped=0.0):
    return [kind for kind, _ in callbacks.warnings_of(config, history, np.asarray(kl), clipped)]


def test_collapse_is_named_after_warm_up_when_more_than_half_of_the_axes_are_empty(tiny_config):
    steady = history([3.0, 2.0], [3.0, 2.0])
    assert kinds(tiny_config, steady, kl=(0.01, 0.02, 5.0)) == ["collapse"]
    assert kinds(tiny_config, steady, kl=(0.01, 5.0)) == []
    warmed = tiny_config.replaced({"objective": {"name": "elbo", "kl_warmup_epochs": 2}})
    assert kinds(warmed, steady, kl=(0.01, 0.02, 5.0)) == []


def test_overfitting_is_named_when_the_two_losses_part_for_three_epochs(tiny_config):
    falling = [5.0, 4.0, 3.0, 2.0]
    assert kinds(tiny_config, history(falling, [2.0, 2.1, 2.2, 2.3])) == ["overfitting"]
    assert kinds(tiny_config, history(falling, [2.0, 2.1, 2.0, 2.3])) == []
    assert kinds(tiny_config, history(falling[::-1], [2.0, 2.1, 2.2, 2.3])) == []


def test_losses_that_part_in_a_final_phase_are_different_bounds_and_no_overfitting(tiny_config):
    parted = history([5.0, 4.0, 3.0, 2.0, 1.0], [2.0, 2.1, 2.2, 2.3, 2.4])

    def with_final_phase(epochs):
        phase = {"name": "iwae", "k": 2, "epochs": epochs}
        return tiny_config.replaced(
            {"objective": {"name": "elbo", "final_phase": phase}, "optimizer.epochs": 5}
        )

    assert kinds(with_final_phase(4), parted) == []
    before = {name: values[:4] for name, values in parted.items()}
    assert kinds(with_final_phase(1), before) == ["overfitting"]


def test_clipping_is_named(tiny_config):
    assert kinds(tiny_config, history([3.0, 2.0], [3.0, 2.0]), clipped=0.06) == ["clipping"]


def test_a_warning_is_printed_once(tiny_config, tiny_dataset, tmp_path, capsys):
    drowned = tiny_config.replaced({"objective": {"name": "elbo", "beta": 1000.0}, "optimizer.epochs": 4})
    fit.fit(drowned, tiny_dataset, tmp_path / "run", progress=False)
    error = capsys.readouterr().err
    assert error.count("posterior collapse: 2 of 2 axes") == 1


def test_validation_and_selection_measure_the_bound_while_kl_is_warmed_up(
    tiny_config, tiny_dataset, tmp_path
):
    warmed = tiny_config.replaced({"objective": {"name": "elbo", "beta": 4.0, "kl_warmup_epochs": 50}})
    found = fit.fit(warmed, tiny_dataset, tmp_path / "run", progress=False)
    assert found["val_loss"] == pytest.approx(found["val_reconstruction"] + found["val_kl"], rel=1e-5)
    assert found["loss"] < found["reconstruction"] + 0.5 * found["kl"]  # training's own is distorted


def test_a_moving_line_ends_with_the_measurements(tiny_config, tiny_dataset, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("click._termui_impl.isatty", lambda stream: True)
    fit.fit(tiny_config, tiny_dataset, tmp_path / "run", progress=True)
    last = capsys.readouterr().out.rstrip().split("\r")[-1]
    assert "epoch 2/2" in last
    assert "bits/dim" in last
    assert "axes active" in last
