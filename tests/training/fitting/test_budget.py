import json

import pytest

pytestmark = pytest.mark.tensorflow

from training import runs  # noqa: E402
from training.fitting import budget, fit  # noqa: E402


def asking_for(config, minutes, **more):
    return config.replaced({"optimizer.minutes": minutes, "optimizer.epochs": 1_000, **more})


def test_minutes_become_as_many_epochs_as_they_allow(tiny_config, tiny_dataset, monkeypatch):
    monkeypatch.setattr(budget, "seconds_an_epoch", lambda *_: 2.0)
    found = budget.resolved(asking_for(tiny_config, 0.5), tiny_dataset, fit.compiled)
    assert (found.optimizer.epochs, found.optimizer.minutes) == (15, None)
    most = budget.resolved(asking_for(tiny_config, 60.0), tiny_dataset, fit.compiled)
    assert most.optimizer.epochs == 1_000  # the configuration's own are the most
    least = budget.resolved(asking_for(tiny_config, 0.01), tiny_dataset, fit.compiled)
    assert least.optimizer.epochs == 1


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (0.75, "an epoch takes 45.0 s: 1 of them in 0.75 minutes"),
        (0.1, "1 epoch of 45.0 s, longer than the 0.1 minutes asked for"),
    ],
)
def test_an_epoch_that_is_longer_than_the_minutes_is_said_to_be(
    tiny_config, tiny_dataset, monkeypatch, caplog, minutes, said
):
    monkeypatch.setattr(budget, "seconds_an_epoch", lambda *_: 45.0)
    with caplog.at_level("INFO"):
        budget.resolved(asking_for(tiny_config, minutes), tiny_dataset, fit.compiled)
    assert said in caplog.messages


def test_the_warm_up_of_kl_keeps_its_part_of_the_run(tiny_config, tiny_dataset, monkeypatch):
    monkeypatch.setattr(budget, "seconds_an_epoch", lambda *_: 0.6)
    warmed = asking_for(tiny_config, 0.1, objective={"name": "elbo", "kl_warmup_epochs": 200})
    found = budget.resolved(warmed, tiny_dataset, fit.compiled)
    assert (found.optimizer.epochs, found.objective.kl_warmup_epochs) == (10, 2)


def test_a_run_that_was_begun_goes_on_with_the_epochs_that_it_had(tiny_config, tiny_dataset, tmp_path):
    begun = tiny_config.replaced({"optimizer.epochs": 7})
    (tmp_path / runs.CONFIG).write_text(json.dumps(begun.as_dict()))
    asked = asking_for(tiny_config, 1.0)
    assert budget.resolved(asked, tiny_dataset, fit.compiled, tmp_path) == begun


def test_an_experiment_without_minutes_stays_as_it_is(tiny_config, tiny_dataset):
    assert budget.resolved(tiny_config, tiny_dataset, fit.compiled) is tiny_config


def test_the_time_of_an_epoch_is_measured(tiny_config, tiny_dataset, monkeypatch):
    monkeypatch.setattr(budget, "MEASURED_SECONDS", 0.2)
    seconds = budget.seconds_an_epoch(fit.compiled(tiny_config, tiny_dataset), tiny_config, tiny_dataset)
    assert 0 < seconds < 60  # eight steps of 16 small images; machines are shared


def test_a_run_by_minutes_has_the_weights_of_one_by_its_epochs(
    tiny_config, tiny_dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr(budget, "MEASURED_SECONDS", 0.2)
    found = fit.fit(asking_for(tiny_config, 0.0001), tiny_dataset, tmp_path / "a", progress=False)
    recorded = json.loads((tmp_path / "a" / runs.CONFIG).read_text())
    assert "minutes" not in recorded["optimizer"]
    assert recorded["optimizer"]["epochs"] == 1
    again = tiny_config.replaced({"optimizer.epochs": 1})
    assert (
        fit.fit(again, tiny_dataset, tmp_path / "b", progress=False)["weights_sha256"]
        == (found["weights_sha256"])
    )
