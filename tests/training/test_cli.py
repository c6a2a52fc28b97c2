import dataclasses
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.conftest import PROJECT
from tests.full_disk import fill_at
from tests.tiny import TINY
from training import cli as commands
from training.cli import cli
from training.configs.load import to_toml
from training.errors import DataError

DENSE = str(PROJECT / "training" / "configs" / "fashion-dense.toml")
OWN = str(PROJECT / "training" / "configs" / "images.toml")


def write_config(config):
    """Write ``tiny.toml`` into the current folder."""
    Path("tiny.toml").write_text(to_toml(config.as_dict()))


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from training.cli import cli\n"
        "try: cli(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_describe_says_what_the_loss_claims():
    text = CliRunner().invoke(cli, ["describe", DENSE]).output
    assert '[network]\nkind = "dense"\nlatent_dim = 10\n' in text
    assert "standard deviation is 0.707" in text
    assert "variance 1/2" in text


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (["fit", "nowhere.toml"], 2, "nowhere.toml: cannot be read"),
        (["fit", DENSE, "--data", "."], 2, "has no train-images-idx3-ubyte"),
        (["fit", DENSE, "--data", "nowhere"], 2, "nowhere: has no train-images-idx3-ubyte"),
        (["fit", DENSE, "--seed", "-1"], 2, "seed: expected 0 or more. Received: -1"),
        (["fit", OWN], 2, "name a folder of pictures, an .npz or idx files by --data"),
        (["fit", OWN, "--data", "nowhere"], 2, "nowhere: does not exist"),
        (["evaluate", "nowhere"], 1, "not a finished run"),
    ],
)
def test_a_foreseen_failure_is_one_line_and_an_exit_code(
    monkeypatch, capsys, tmp_path, arguments, status, word
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["vitrine-train", *arguments])
    with pytest.raises(SystemExit) as caught:
        commands.main()
    assert caught.value.code == status
    error = capsys.readouterr().err
    assert word in error
    assert len(error.splitlines()) == 1


USAGE = """
import sys
from training import cli
told = []
for arguments in {arguments!r}:
    sys.argv = ["vitrine-train", *arguments]
    try:
        cli.main()
    except SystemExit as ending:
        told.append(ending.code)
print(told, sorted({{"tensorflow", "keras", "matplotlib", "sklearn"}} & set(sys.modules)))
"""


def test_every_usage_error_comes_before_the_seconds_in_which_tensorflow_is_imported(tmp_path):
    """Arguments, configuration, run folder, reference and images."""
    np.savez(tmp_path / "squares.npz", images=np.zeros((30, 4, 4)))
    (tmp_path / "file").write_text("")
    run, unfinished = tmp_path / "run", tmp_path / "unfinished"
    for folder in (run, unfinished):
        folder.mkdir()
        for name in ("config.json", "last.npz"):
            (folder / name).write_text(json.dumps(TINY))
    recorded = {"data": {"sha256": {"train": "0"}}, "source": "nowhere", "seed": 0}
    (run / "environment.json").write_text(json.dumps(recorded))
    (run / "weights.weights.h5").write_text("")
    wrong = {
        ("fit", "nowhere.toml"): 2,
        ("fit", DENSE, "--seed", "-1"): 2,
        ("fit", DENSE, "--data", "nowhere"): 2,
        ("fit", OWN, "--data", "squares.npz", "--out", "file"): 2,
        ("fit", OWN, "--data", "squares.npz", "--out", "run"): 1,
        ("fit", OWN, "--data", "squares.npz", "--out", "unfinished"): 1,
        ("fit", OWN, "--data", "squares.npz", "--out", "new", "--resume"): 1,
        ("fit", OWN, "--data", "squares.npz"): 2,  # all black: too few that differ
        ("evaluate", "nowhere"): 1,
        ("evaluate", "unfinished"): 1,
        ("evaluate", "run", "--data", "nowhere"): 2,
        ("evaluate", "run", "--quality", "--reference", "nowhere"): 1,
        ("evaluate", "run", "--reference", "run"): 2,
        ("recalibrate", "nowhere"): 1,
        ("recalibrate", "run"): 1,  # not evaluated yet
        ("final-phases", "run"): 1,
        ("final-phases", "nowhere"): 1,
        ("export", "nowhere"): 1,
        ("export", "run", "--data", "nowhere"): 2,
        ("export", "run", "--store", "file"): 2,
        ("classifier", "--data", "nowhere"): 2,
        ("classifier", "--dataset", "cifar"): 2,
        ("describe", "nowhere.toml"): 2,
    }
    code = USAGE.format(arguments=list(wrong))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == f"{list(wrong.values())} []", done.stderr
    assert done.stderr.count("\nvitrine-train: ") + 1 == 20  # click tells three itself


@pytest.mark.tensorflow
def test_tensorflow_is_imported_without_a_word_and_its_errors_stay_visible(tmp_path):
    code = (
        "import training.fitting.fit, os, tensorflow as tf; tf.ones(3) + tf.ones(3);"
        "print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    )
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "", "PYTHONPATH": str(PROJECT)}  # empty is unset
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("2\n", "")  # at 2 errors are shown, warnings are not


def test_describe_prints_json():
    found = json.loads(CliRunner().invoke(cli, ["describe", DENSE, "--json"]).stdout)
    assert found["config"]["network"]["latent_dim"] == 10
    assert found["meaning"][1] == "its standard deviation is 0.707 per pixel."


@pytest.mark.tensorflow
def test_json_is_all_of_standard_output_and_progress_goes_to_standard_error(
    tiny_run, tiny_dataset, tmp_path, monkeypatch
):
    from training import data

    monkeypatch.setattr(data, "load", lambda *arguments: tiny_dataset)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_run, "tiny")
    told = {}
    for command in ("evaluate", "export"):
        done = CliRunner().invoke(cli, [command, "tiny", "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        told[command] = json.loads(done.stdout), done.stderr
    found, progress = told["evaluate"]
    assert found == json.loads((tmp_path / "tiny" / "report.json").read_text())
    assert progress.splitlines()[-1] == "written to tiny; next: vitrine-train export tiny"
    found, progress = told["export"]
    manifest = json.loads((tmp_path / "model_store" / "tiny" / "1" / "manifest.json").read_text())
    published = {"name": "tiny", "version": 1, "folder": "model_store/tiny/1"}
    assert found == published | {key: manifest[key] for key in ("digest", "metrics")}
    assert "published model_store/tiny/1" in progress


@pytest.mark.tensorflow
def test_a_full_disk_is_one_line_with_the_command_that_goes_on_which_tells_the_result_as_json(
    tiny_config, tiny_dataset, tmp_path, monkeypatch
):
    from training import data

    monkeypatch.setattr(data, "load", lambda *arguments: tiny_dataset)
    monkeypatch.chdir(tmp_path)
    write_config(tiny_config)
    with monkeypatch.context() as patched:
        fill_at(patched, "weights.weights.h5")
        done = CliRunner().invoke(cli, ["fit", "tiny.toml", "--json"], catch_exceptions=False)
    assert (done.exit_code, done.stdout) == (1, "")
    told = "runs/tiny/weights.weights.h5: cannot be written (No space left on device)"
    again = "vitrine-train fit tiny.toml --resume --out runs/tiny"
    assert done.stderr.splitlines()[-1] == f"vitrine-train: {told}; to go on: {again}"
    assert "epoch 2/2: loss" in done.stderr
    done = CliRunner().invoke(cli, [*shlex.split(again)[1:], "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    recorded = json.loads((tmp_path / "runs" / "tiny" / "environment.json").read_text())
    history = json.loads((tmp_path / "runs" / "tiny" / "history.json").read_text())
    assert json.loads(done.stdout) == {
        "name": "tiny",
        "seed": 3,
        "run": "runs/tiny",
        "images": {"training": 128, "validation": 32},
        "source": "memory",
        "notes": [],
        "ground": tiny_dataset.ground,
        "epoch": 2,
        "weights_sha256": recorded["weights_sha256"],
        "metrics": {name: values[-1] for name, values in history.items()},
    }


def test_without_the_training_packages_one_line_says_how_to_get_them(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.delitem(sys.modules, "training.determinism", raising=False)  # which imports Keras
    monkeypatch.delitem(sys.modules, "training.evaluation.evaluate", raising=False)
    monkeypatch.setattr(sys, "argv", ["vitrine-train", "evaluate", "nowhere"])
    with pytest.raises(SystemExit) as caught:
        commands.main()
    assert caught.value.code == 1
    assert "make setup" in capsys.readouterr().err


@pytest.mark.tensorflow
def test_several_seeds_of_one_experiment_have_run_folders_of_their_own(
    tiny_config, tiny_dataset, tmp_path, monkeypatch
):
    from training import data

    monkeypatch.setattr(data, "load", lambda *arguments: tiny_dataset)
    monkeypatch.chdir(tmp_path)
    write_config(tiny_config)
    digests = {}
    for seed, folder in ((None, "tiny"), (3, "tiny-seed3"), (0, "tiny-seed0")):
        arguments = ["fit", "tiny.toml"] + ([] if seed is None else ["--seed", str(seed)])
        done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        resolved = json.loads((tmp_path / "runs" / folder / "config.json").read_text())
        assert (resolved["name"], resolved["seed"]) == ("tiny", tiny_config.seed if seed is None else seed)
        recorded = json.loads((tmp_path / "runs" / folder / "environment.json").read_text())
        digests[folder] = recorded["weights_sha256"]
    assert digests["tiny"] == digests["tiny-seed3"] != digests["tiny-seed0"]


@pytest.mark.tensorflow
def test_an_interrupted_run_names_its_seed_in_the_command_that_goes_on(
    tiny_config, tiny_dataset, tmp_path, monkeypatch
):
    from training import data, pipeline
    from training.errors import Interrupted

    def interrupted(*arguments, **options):
        raise Interrupted(2)

    monkeypatch.setattr(data, "load", lambda *arguments: tiny_dataset)
    monkeypatch.setattr(pipeline, "run_fit", interrupted)
    monkeypatch.chdir(tmp_path)
    write_config(tiny_config)
    done = CliRunner().invoke(cli, ["fit", "tiny.toml", "--seed", "5", "--tensorboard"])
    assert done.exit_code == 130
    assert "vitrine-train fit tiny.toml --resume --out runs/tiny-seed5 --seed 5 --tensorboard" in done.output


@pytest.mark.tensorflow
def test_fit_evaluate_and_export_end_with_a_version(tiny_config, tiny_dataset, tmp_path, monkeypatch):
    from training import data

    monkeypatch.setattr(data, "load", lambda *arguments: tiny_dataset)
    monkeypatch.chdir(tmp_path)
    write_config(tiny_config)
    asked = {}

    def recalibrate_briefly(model, dataset, *, full):
        asked["full"] = full
        return original(model, dataset, epochs=1, full=full)

    from training import pipeline

    original = pipeline.run_recalibrate
    monkeypatch.setattr(pipeline, "run_recalibrate", recalibrate_briefly)
    commands_in_turn = (
        ["fit", "tiny.toml"],
        ["evaluate", "runs/tiny"],
        ["recalibrate", "runs/tiny"],
        ["final-phases", "runs/tiny", "--minutes", "0.001", "--seeds", "1", "--k", "5"],
        ["export", "runs/tiny"],
    )
    for arguments in commands_in_turn:
        done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        if arguments[0] in ("fit", "evaluate"):  # every command names the next one
            assert "next: vitrine-train" in done.output
    version = tmp_path / "model_store" / "tiny" / "1"
    assert asked == {"full": False}
    report = json.loads((tmp_path / "runs" / "tiny" / "report.json").read_text())
    metrics = json.loads((version / "manifest.json").read_text())["metrics"]
    for added in ("fair_score", "final_phases"):
        assert metrics[added] == report[added]
    assert (version / "final_phases.png").read_bytes() == (
        tmp_path / "runs" / "tiny" / "final_phases.png"
    ).read_bytes()
    assert (version / "card.md").read_text() == (tmp_path / "runs" / "tiny" / "card.md").read_text()


@pytest.mark.tensorflow
@pytest.mark.parametrize("command", ["recalibrate", "rescore", "final-phases"])  # cards name the second
def test_what_needs_an_evaluation_says_so(tiny_run, tmp_path, monkeypatch, capsys, command):
    import shutil

    run = tmp_path / "tiny"
    shutil.copytree(tiny_run, run, ignore=shutil.ignore_patterns("report.json"))
    monkeypatch.setattr(sys, "argv", ["vitrine-train", command, str(run)])
    with pytest.raises(SystemExit) as caught:
        commands.main()
    assert caught.value.code == 1
    assert "not evaluated yet" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--reference", "--beside"])  # published cards name the second
def test_a_reference_model_needs_quality_to_be_measured(tiny_run, option):
    done = CliRunner().invoke(cli, ["evaluate", str(tiny_run), option, str(tiny_run)])
    assert done.exit_code == 2
    assert "add --quality" in done.output


@pytest.mark.tensorflow
def test_own_images_are_trained_on_described_and_found_again(
    tiny_config, tiny_dataset, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "squares.npz", images=tiny_dataset.train)
    write_config(tiny_config.replaced({"data": {"name": "images", "size": [4, 4]}}))

    def run(*arguments):
        done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    told = run("fit", "tiny.toml", "--data", "squares.npz")
    assert told.index("found: 128 images of 6 x 5") < told.index("size: 4 x 4, grey") < told.index("loss")
    recorded = json.loads((tmp_path / "runs" / "tiny" / "environment.json").read_text())
    assert recorded["image_shape"] == [4, 4]
    assert recorded["data"]["files"] == 1
    assert set(recorded["data"]["sha256"]) == {"train", "validation", "test"}
    assert recorded["source"] == str(tmp_path / "squares.npz")
    run("export", "runs/tiny")
    version = tmp_path / "model_store" / "tiny" / "1"
    assert (
        str(tmp_path) not in (version / "manifest.json").read_text()
    )  # whose disk it was is nobody's business
    assert "clothing" not in (version / "card.md").read_text()
    np.savez(tmp_path / "other.npz", images=1 - tiny_dataset.train)
    with pytest.raises(DataError, match="not what this run was trained on"):
        run("evaluate", "runs/tiny", "--data", "other.npz")


@pytest.mark.tensorflow
def test_a_name_that_standard_output_cannot_show_is_escaped(tiny_config, tiny_dataset, tmp_path, monkeypatch):
    from training.fitting import fit

    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "caf\udce9"
    folder.mkdir()
    labels = np.array(["\u732b", "\u72ac"] * 64)
    np.savez(folder / "squares.npz", images=tiny_dataset.train, labels=labels)
    write_config(tiny_config.replaced({"data": {"name": "images"}}))
    result = {"loss": 1.0, "val_loss": 1.0, "epoch": 1, "kl": 1.0, "weights_sha256": "0"}
    monkeypatch.setattr(fit, "fit", lambda *arguments, **options: result)
    arguments = ["fit", "tiny.toml", "--data", str(folder / "squares.npz")]
    done = CliRunner(charset="latin-1").invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert r"classes: \u72ac 64, \u732b 64" in done.stdout
    assert r"caf\udce9" in done.stdout


@pytest.mark.tensorflow
def test_every_data_set_has_a_run_a_model_and_a_card_of_its_own_whose_commands_work_as_printed(
    tiny_config, tiny_dataset, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    own = tiny_config.replaced({"data": {"name": "images"}, "optimizer.epochs": 1})
    nameless = {key: value for key, value in own.as_dict().items() if key != "name"}

    def run(command):
        program, *arguments = shlex.split(command)
        assert program == "vitrine-train"
        done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output

    (tmp_path / "my data").mkdir()
    for name, images in (("bright", tiny_dataset.train), ("dark", 1 - tiny_dataset.train)):
        np.savez(tmp_path / "my data" / f"{name} squares.npz", images=images)
        (tmp_path / f"{name}.toml").write_text(to_toml(nameless))
        data = tmp_path / "my data" / f"{name} squares.npz"  # an absolute path, of which no card tells
        run(f"vitrine-train fit {name}.toml --data '{data}'")
    run("vitrine-train evaluate runs/dark")
    run("vitrine-train export runs/dark")
    card = (tmp_path / "model_store" / "dark" / "1" / "card.md").read_text()
    assert card.startswith("# dark\n")
    assert str(tmp_path) not in card
    again = re.findall(r"^    (vitrine-train .*)", card, re.MULTILINE)
    assert again[0] == (
        "vitrine-train fit dark.toml --data 'my data/dark squares.npz' --seed 3 --out runs/dark-again"
    )
    for command in again:
        run(command)
    first, second = (
        json.loads((tmp_path / "model_store" / "dark" / version / "manifest.json").read_text())["training"]
        for version in "12"
    )
    assert first["weights_sha256"] == second["weights_sha256"]  # "bit for bit", it says
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["bright", "dark", "dark-again"]


def test_a_second_data_set_under_the_same_name_is_told_how_it_gets_its_own(tmp_path):
    from training import runs
    from training.errors import RunError

    for file, words in ((runs.LAST, "unfinished run"), (runs.ENVIRONMENT, "run already")):
        (tmp_path / file).touch()
        with pytest.raises(RunError, match=f"{words}.* a copy of the configuration with another name"):
            runs.check_folder(tmp_path, resume=False)


@pytest.mark.tensorflow
def test_classifier_trains_one_beside_the_shipped_one_and_says_how_good_it_is(
    tiny_dataset, tmp_path, monkeypatch
):
    import hashlib

    from training import data
    from training.metrics import classifier

    # Twenty steps an epoch: in fewer the classifier's running means have not reached the images'.
    train = np.tile(tiny_dataset.train, (20, 1, 1))
    tiny_dataset = dataclasses.replace(tiny_dataset, train=train)
    halves = [(split[:, :3].sum(axis=(1, 2)) > split[:, 3:].sum(axis=(1, 2))).astype("int64")
              for split in (tiny_dataset.train, tiny_dataset.validation, tiny_dataset.test)]  # fmt: skip
    labelled = dataclasses.replace(tiny_dataset, labels=data.Labels(("low", "high"), *halves))
    monkeypatch.setattr(data, "load", lambda *arguments: labelled)
    monkeypatch.chdir(tmp_path)
    shipped = (classifier.FOLDER / "fashion-mnist.npz").read_bytes()
    done = CliRunner().invoke(cli, ["classifier"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    written = (tmp_path / "runs" / "classifier-squares.npz").read_bytes()
    assert f"SHA-256 {hashlib.sha256(written).hexdigest()}, not that of the classifier shipped" in done.output
    accuracy = float(done.output.split("test accuracy ")[1].split()[0])
    assert accuracy > 0.75  # 0.5 by chance, of 40 images
    assert (classifier.FOLDER / "fashion-mnist.npz").read_bytes() == shipped


@pytest.mark.tensorflow
def test_a_run_of_before_the_ground_was_measured_gets_it_from_its_images(
    monkeypatch, tiny_model, tiny_dataset
):
    import dataclasses

    from training import pipeline
    from training.trained import TrainedModel

    light = dataclasses.replace(tiny_dataset, train=1 - tiny_dataset.train)
    without = {key: value for key, value in tiny_model.environment.items() if key != "ground"}
    earlier = dataclasses.replace(tiny_model, environment=without)
    assert earlier.ground is None
    monkeypatch.setattr(TrainedModel, "from_run", lambda _: earlier)
    assert pipeline.model_of(Path("runs/earlier"), light).ground == light.ground == "light"
