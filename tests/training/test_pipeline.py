import shutil

import pytest

pytestmark = pytest.mark.tensorflow

from training import pipeline  # noqa: E402


@pytest.fixture
def run(tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "tiny")
    return tmp_path / "tiny"


def test_each_step_finds_what_the_one_before_left(tiny_config, tiny_dataset, run, tmp_path, capsys):
    pipeline.say_found(tiny_config, tiny_dataset)
    assert "tiny: 128 training and 32 validation images from memory" in capsys.readouterr().out
    report = pipeline.evaluate(run, tiny_dataset)
    assert (run / "card.md").exists()
    assert f"reconstruction MSE {report.reconstruction.reconstruction_mse:.4f}" in capsys.readouterr().out
    found = pipeline.export(run, tiny_dataset, tmp_path / "store")
    assert (found["name"], found["version"]) == ("tiny", 1)
    assert found["metrics"]["test"] == report.reconstruction.as_dict()


def test_a_run_that_is_not_evaluated_is_measured_before_it_is_published(tiny_dataset, run, tmp_path, capsys):
    (run / "report.json").unlink(missing_ok=True)
    pipeline.export(run, tiny_dataset, tmp_path / "store")
    assert "not evaluated yet" in capsys.readouterr().out


def test_what_a_fit_found_is_plain_values(tiny_config, tiny_dataset, tmp_path):
    short = tiny_config.replaced({"optimizer.epochs": 1})
    found = pipeline.fit(short, tiny_dataset, tmp_path / "run", progress=False)
    assert (found["epoch"], found["seed"], found["images"]) == (1, 3, {"training": 128, "validation": 32})
    assert {"loss", "val_loss", "val_mse"} <= set(found["metrics"])
