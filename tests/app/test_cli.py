import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import cli
from tests.fakes import write_version


@pytest.fixture
def run():
    return lambda *arguments: CliRunner().invoke(cli, arguments)


def test_help_leads_with_examples(run):
    text = run("--help").output
    assert text.index("vitrine serve --port 9000") < text.index("Options:")


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from app.cli import cli\n"
        "try: cli(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'numpy', 'fastapi', 'pydantic', 'uvicorn', 'PIL'} & set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_models_lists_what_the_store_holds(run, fake_store):
    done = run("models", "--model-store", str(fake_store))
    assert done.exit_code == 0
    assert done.output.startswith("fake@1  8 x 8, 2 axes, digest ")


def test_models_as_json_names_versions_that_are_not_served(run, fake_store):
    (write_version(fake_store, number=2) / "decoder" / "weights").write_text("changed")
    found = json.loads(run("models", "--json", "--model-store", str(fake_store)).output)
    assert [entry["model"] for entry in found["models"]] == ["fake@1"]
    assert found["models"][0]["runtime"] == "tensorflow"
    assert list(found["rejected"]) == ["fake/2"]


def test_serving_a_model_that_lacks_its_runtime_exits_3_with_the_remedy(run, fake_store, monkeypatch):
    monkeypatch.setenv("VITRINE_RUNTIME", "litert")
    monkeypatch.setenv("VITRINE_DEFAULT_MODEL", "fake")
    done = run("serve", "--model-store", str(fake_store))
    assert done.exit_code == 3
    assert done.stderr.startswith("vitrine: fake@1: has no flatbuffers for LiteRT: set VITRINE_RUNTIME=auto")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["serve", "models"])
def test_without_a_model_the_command_exits_3_and_says_how_to_make_one(run, tmp_path, command):
    done = run(command, "--model-store", str(tmp_path))
    assert done.exit_code == 3
    assert "vitrine-train" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_serving_a_default_model_that_is_not_there_exits_3_and_names_those_that_are(run, fake_store):
    done = run("serve", "--model-store", str(fake_store))
    assert done.exit_code == 3
    assert "fake@1" in done.stderr


def test_a_bad_setting_exits_2_before_anything_is_loaded(run, monkeypatch):
    monkeypatch.setenv("VITRINE_MAX_IMAGES", "many")
    done = run("serve")
    assert done.exit_code == 2
    assert "VITRINE_MAX_IMAGES='many'" in done.stderr


def test_a_misspelt_option_is_refused_with_a_suggestion(run):
    done = run("serve", "--prot", "80")
    assert done.exit_code == 2
    assert "--port" in done.stderr


def test_health_exits_4_when_nothing_answers(run, monkeypatch):
    monkeypatch.setenv("VITRINE_PORT", "1")
    done = run("health")
    assert done.exit_code == 4
    assert "127.0.0.1:1" in done.stderr


def test_the_commands_are_installed():
    assert Path(sys.executable).with_name("vitrine").exists()
