import subprocess
import sys

import pytest
from click.testing import CliRunner

from tests.conftest import PROJECT
from training import cli as commands
from training.cli import cli

DENSE = str(PROJECT / "training" / "configs" / "fashion-dense.toml")


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
    assert "latent_dim           10" in text
    assert "standard deviation is 0.707" in text
    assert "variance 1/2" in text


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (["fit", "nowhere.toml"], 2, "nowhere.toml: cannot be read"),
        (["fit", DENSE, "--data", "."], 2, "has no train-images-idx3-ubyte"),
        (["fit", DENSE, "--data", "nowhere"], 2, "nowhere: has no train-images-idx3-ubyte"),
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


def test_without_the_training_packages_one_line_says_how_to_get_them(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.delitem(sys.modules, "training.fit", raising=False)
    monkeypatch.delitem(sys.modules, "training.evaluate", raising=False)
    monkeypatch.setattr(sys, "argv", ["vitrine-train", "evaluate", "nowhere"])
    with pytest.raises(SystemExit) as caught:
        commands.main()
    assert caught.value.code == 1
    assert "make setup" in capsys.readouterr().err


@pytest.mark.tensorflow
def test_fit_evaluate_and_export_end_with_a_version(tiny_config, tiny_dataset, tmp_path, monkeypatch):
    from training import data

    monkeypatch.setattr(data, "load", lambda name, folder: tiny_dataset)
    monkeypatch.chdir(tmp_path)
    lines = [
        f"{key} = {list(value) if isinstance(value, tuple) else repr(value)}"
        for key, value in tiny_config.as_dict().items()
        if value is not None
    ]
    (tmp_path / "tiny.toml").write_text("\n".join(lines).replace("'", '"'))
    for arguments in (["fit", "tiny.toml"], ["evaluate", "runs/tiny"], ["export", "runs/tiny"]):
        done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        if arguments[0] != "export":  # every command names the next one
            assert "next: vitrine-train" in done.output
    assert (tmp_path / "model_store" / "tiny" / "1" / "manifest.json").exists()
