import json
import shutil

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training.errors import RunError  # noqa: E402
from training.evaluation.evaluate import evaluate  # noqa: E402
from training.fitting import fit, start  # noqa: E402
from training.models.vae import VariationalAutoencoder, weights_sha256  # noqa: E402
from training.publish.export import export  # noqa: E402


@pytest.fixture(scope="module")
def version(tiny_run, tiny_model, tiny_dataset, tmp_path_factory):
    report = evaluate(tiny_model, tiny_dataset, tiny_run)
    return export(tiny_model, report, tiny_dataset.validation, tmp_path_factory.mktemp("store"))


def test_weights_are_those_of_the_run_and_of_the_version_that_it_became(
    tiny_config, tiny_model, tiny_run, version
):
    for folder in (tiny_run, version):
        vae = VariationalAutoencoder(tiny_config, (6, 5))
        assert start.begin(vae, tiny_config, folder) == weights_sha256(vae) == tiny_model.weights_sha256
        assert start.experiment_of(folder) == (tiny_config, (6, 5))


def test_training_goes_on_from_a_version_and_says_so(
    tiny_config, tiny_model, tiny_dataset, version, tmp_path
):
    slow = {"optimizer.learning_rate": 1e-6, "optimizer.epochs": 1}
    on = tiny_config.replaced({"start_from": str(version), **slow})
    fit.fit(on, tiny_dataset, tmp_path / "run", progress=False)
    recorded = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert recorded["started_from_weights"] == tiny_model.weights_sha256
    before = json.loads((version / "manifest.json").read_text())["training"]["history"]["val_loss"][-1]
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    # Eight steps of a millionth change next to nothing; from chance the loss would be three times as high.
    assert history["val_loss"] == pytest.approx([before], rel=0.01)


def test_weights_that_do_not_fit_are_refused_by_the_name_of_what_differs(tiny_config, tiny_run, tmp_path):
    vae = VariationalAutoencoder(tiny_config, (6, 6))
    with pytest.raises(RunError, match="trained on images of 6 x 5, and these are 6 x 6; set"):
        start.begin(vae, tiny_config, tiny_run)
    wide = tiny_config.replaced({"network.decoder_units": [9]})
    with pytest.raises(RunError, match=r"its network was .*decoder_units=\(8,\)"):
        start.begin(VariationalAutoencoder(wide, (6, 5)), wide, tiny_run)
    with pytest.raises(RunError, match="not a finished run"):
        start.begin(vae, tiny_config, tmp_path / "nowhere")


def test_weights_that_were_changed_are_refused(tiny_config, version, tmp_path):
    changed = tmp_path / "version"
    shutil.copytree(version, changed)
    manifest = json.loads((changed / "manifest.json").read_text())
    manifest["training"]["weights_sha256"] = "0" * 64
    (changed / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunError, match="not those that its manifest names"):
        start.begin(VariationalAutoencoder(tiny_config, (6, 5)), tiny_config, changed)
    shutil.rmtree(changed / "encoder")
    with pytest.raises(RunError, match="holds no weights that can be read; name the run folder"):
        start.begin(VariationalAutoencoder(tiny_config, (6, 5)), tiny_config, changed)


def test_a_version_that_tells_no_configuration_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"training": {}}))
    with pytest.raises(RunError, match="does not tell its configuration"):
        start.experiment_of(tmp_path)
    (tmp_path / "manifest.json").write_bytes(np.zeros(3).tobytes())
    with pytest.raises(RunError, match="cannot be read"):
        start.experiment_of(tmp_path)


def test_a_compiled_model_begins_with_a_runs_weights_without_a_word_about_its_optimizer(
    tiny_config, tiny_model, tiny_dataset, tiny_run
):
    """The file holds that state too; Keras' warning would fail this test."""
    vae = fit.compiled(tiny_config, tiny_dataset)
    assert start.begin(vae, tiny_config, tiny_run) == tiny_model.weights_sha256
    assert int(vae.optimizer.iterations.numpy()) == 0
