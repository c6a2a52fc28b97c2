import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from app import bench, profiles
from app.cli import cli
from app.settings import load_settings
from tests.fakes import open_fake, write_version


@pytest.fixture
def run():
    return lambda *arguments: CliRunner().invoke(cli, arguments)


@pytest.fixture
def not_served(monkeypatch):
    """What ``vitrine serve`` would have served, and where; its port is bound and let go again."""
    configs = []

    def note(config, sockets):
        configs.append(config)
        for each in sockets:
            each.close()
        return 0

    monkeypatch.setattr("app.server.run", note)
    monkeypatch.setenv("VITRINE_PORT", "0")
    monkeypatch.setattr(os, "environ", os.environ.copy())  # the command sets variables for its workers
    return configs


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


def test_serving_a_default_model_that_is_not_there_exits_3_and_names_those_that_are(
    run, fake_store, monkeypatch
):
    write_version(fake_store, "other")
    monkeypatch.setenv("VITRINE_DEFAULT_MODEL", "mine")
    done = run("serve", "--model-store", str(fake_store))
    assert done.exit_code == 3
    assert "expected one of fake@1, other@1. Received: mine." in done.stderr
    assert done.stderr.endswith("Set VITRINE_DEFAULT_MODEL.\n")


def test_serving_several_models_of_which_none_is_the_default_says_what_to_set(run, fake_store, monkeypatch):
    write_version(fake_store, "other")
    for command in ("serve", "bench"):
        done = run(command, *(("--model-store", str(fake_store)) if command == "serve" else ()))
        assert done.exit_code == 3
        assert "Received: fashion" not in done.stderr  # which nobody has said
        assert done.stderr.endswith("Set VITRINE_DEFAULT_MODEL to one of fake, other.\n")
        assert len(done.stderr.splitlines()) == 1
        break


def test_serving_a_store_of_one_model_asks_nobody_for_its_name(run, fake_store, not_served, monkeypatch):
    monkeypatch.setenv("VITRINE_RUNTIME", "tensorflow")
    assert run("serve", "--model-store", str(fake_store)).exit_code == 0
    assert len(not_served) == 1


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


@pytest.fixture
def fake_bench(fake_store, tmp_path, monkeypatch):
    """The fake model as the default one, opened without any runtime; the folder is free to be written to."""
    monkeypatch.setenv("VITRINE_MODEL_STORE", str(fake_store))
    monkeypatch.setenv("VITRINE_DEFAULT_MODEL", "fake")
    monkeypatch.setattr(bench, "opener", lambda choice: open_fake)
    monkeypatch.chdir(tmp_path)


def test_bench_prints_a_row_for_each_count(run, fake_bench):
    done = run("bench", "--seconds", "0", "--n", "1", "--n", "33")
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[0] for row in rows if "%" in row[-1]] == ["1", "33"]
    assert done.stdout.startswith("fake@1 by fake; ")


def test_bench_as_json_prints_nothing_else(run, fake_bench):
    report = json.loads(run("bench", "--seconds", "0", "--json").stdout)
    assert [loop["n"] for loop in report["loop"]] == [1, 21, 100, 400]
    assert all(set(loop["shares"]) == {"codes", "decode", "grid", "png"} for loop in report["loop"])


def test_tuning_writes_a_profile_that_the_settings_take(run, fake_bench, tmp_path, monkeypatch):
    done = run("bench", "--tune", "--seconds", "0", "--json", "--out", "mine.json")
    assert done.exit_code == 0, done.output
    profile = profiles.read(tmp_path / "mine.json")
    assert json.loads(done.stdout) == profile.model_dump(mode="json")
    monkeypatch.setenv("VITRINE_PROFILE", str(tmp_path / "mine.json"))
    settings = load_settings()
    assert (settings.worker_threads, settings.inference_threads) == (
        profile.worker_threads,
        profile.inference_threads,
    )


def test_tuning_replaces_a_profile_that_is_refused_here(run, fake_bench, monkeypatch):
    assert run("bench", "--tune", "--seconds", "0").exit_code == 0
    path = Path("vitrine-profile.json")
    found = json.loads(path.read_text())
    path.write_text(json.dumps(found | {"cores": found["cores"] + 1}))
    monkeypatch.setenv("VITRINE_PROFILE", str(path))
    for command in (("serve",), ("bench",)):
        done = run(*command)
        assert done.exit_code == 2
        assert "vitrine bench --tune" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert run("bench", "--tune", "--seconds", "0").exit_code == 0
    assert json.loads(path.read_text())["cores"] == found["cores"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--out", "mine.json"), "--out goes with --tune"),
        (("--tune", "--n", "3"), "--n has no meaning with --tune"),
        (("--tune", "--out", "nowhere/mine.json"), "is no folder"),
        (("--seconds", "-1"), "--seconds"),
    ],
)
def test_options_of_bench_that_contradict_are_refused_before_anything_is_measured(run, arguments, complaint):
    done = run("bench", *arguments)
    assert done.exit_code == 2
    assert complaint in done.stderr


def test_bench_without_the_model_exits_3_and_names_those_that_are_there(run, fake_bench):
    done = run("bench", "--model", "another", "--seconds", "0")
    assert done.exit_code == 3
    assert "fake@1" in done.stderr
