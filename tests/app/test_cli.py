import contextlib
import gc
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from app import cli as commands
from app import profiles, server
from app.bench import ServerFailed
from app.cli import cli
from app.settings import load_settings
from tests.conftest import FASHION, PROJECT, SHIPPED_STORE
from tests.fakes import digest_of, open_fake, record, write_version
from tests.serving import serving_fakes


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
    # It would have absl, which TensorFlow brings, close the stream that a test's output goes to.
    monkeypatch.setattr("uvicorn.Config.configure_logging", lambda config: None)
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
    assert done.output.startswith("fake@1  8 x 8  2 axes  digest ")


def test_models_as_json_names_versions_that_are_not_served(run, fake_store):
    (write_version(fake_store, number=2) / "decoder" / "weights").write_text("changed")
    found = json.loads(run("models", "--json", "--model-store", str(fake_store)).output)
    assert [entry["model"] for entry in found["models"]] == ["fake@1"]
    assert found["models"][0]["runtime"] == "tensorflow"
    assert list(found["rejected"]) == ["fake/2"]


def test_models_lists_what_was_deleted(run, fake_store):
    digest = record(write_version(fake_store, number=2))
    shutil.rmtree(fake_store / "fake" / "2")
    done = run("models", "--model-store", str(fake_store))
    assert done.stdout.splitlines()[1:] == [f"fake@2-{digest[:12]}  deleted"]
    assert done.stderr == ""
    found = json.loads(run("models", "--json", "--model-store", str(fake_store)).output)
    assert found["deleted"] == [{"model": f"fake@2-{digest[:12]}", "digest": digest}]
    with (fake_store / "published.jsonl").open("a") as file:
        file.write('{"model": "fa')
    done = run("models", "--model-store", str(fake_store))
    assert done.exit_code == 0
    assert done.stderr == f"{fake_store / 'published.jsonl'}: line 2: no record of a version, passed over\n"


def test_serving_by_default_a_version_that_was_deleted_exits_3_and_names_its_digest(run, fake_store):
    digest = record(write_version(fake_store, number=2))
    shutil.rmtree(fake_store / "fake" / "2")
    for reference in ("fake@2", f"fake@2-{digest[:12]}"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("VITRINE_DEFAULT_MODEL", reference)
            done = run("serve", "--model-store", str(fake_store))
        assert done.exit_code == 3
        said = f"vitrine: {reference} was published as digest {digest}, and has been deleted."
        assert done.stderr == f"{said} Ask for one of fake@1. Set VITRINE_DEFAULT_MODEL.\n"


def test_serving_a_model_that_lacks_its_runtime_exits_3_with_the_remedy(run, fake_store, monkeypatch):
    monkeypatch.setenv("VITRINE_RUNTIME", "litert")
    monkeypatch.setenv("VITRINE_DEFAULT_MODEL", "fake")
    done = run("serve", "--model-store", str(fake_store))
    assert done.exit_code == 3
    assert done.stderr.startswith("vitrine: fake@1: has no flatbuffers for LiteRT: set VITRINE_RUNTIME=auto")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.fault(6)
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


@pytest.mark.parametrize(("workers", "held"), [("1", True), ("2", False)])
def test_collections_are_held_while_the_process_that_serves_starts(
    run, fake_store, not_served, monkeypatch, workers, held
):
    monkeypatch.setenv("VITRINE_RUNTIME", "tensorflow")
    configured, found = server.configuration, []

    def noting(*arguments):
        found.append(not gc.isenabled())
        return configured(*arguments)

    monkeypatch.setattr("app.server.configuration", noting)
    assert run("serve", "--model-store", str(fake_store), "--workers", workers).exit_code == 0
    assert found == [held]
    assert gc.isenabled()


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


NO_VITRINE = {
    "ssh": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    "tls": b"\x15\x03\x01\x00\x02\x02\x46",
    "garbage": bytes(range(256)) * 8,
    "no text": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe",
    "another service": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
    "a line without end": b"HTTP/1.1 200 OK\r\nX: " + 70_000 * b"x",
    "cut off": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    "silence": b"",
}


@pytest.mark.parametrize("answer", NO_VITRINE.values(), ids=NO_VITRINE)
def test_health_exits_4_in_one_line_when_what_answers_is_no_vitrine(run, monkeypatch, answer):
    def serve():
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(answer)
            connection.recv(10_000)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        monkeypatch.setenv("VITRINE_PORT", str(listening.getsockname()[1]))
        done = run("health")
        thread.join()
    assert done.exit_code == 4
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_health_does_not_wait_for_whoever_sends_a_byte_now_and_then(run, monkeypatch):
    def serve():
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            while True:
                connection.sendall(b"x")
                time.sleep(0.02)

    monkeypatch.setattr(commands, "HEALTH_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        monkeypatch.setenv("VITRINE_PORT", str(listening.getsockname()[1]))
        assert run("health").exit_code == 4  # at all
        thread.join()


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "command",
    [
        "vitrine --help",
        "vitrine models",
        "vitrine-train --version",
        "vitrine-train describe training/configs/fashion-dense.toml",
    ],
)
def test_output_that_cannot_be_written_is_one_line_and_exit_code_1(command, unbuffered):
    name, *arguments = command.split()
    words = [sys.executable, "-c", MAINS[name], *arguments]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    reading, writing = os.pipe()
    os.close(reading)  # a pipe that nobody reads
    with Path("/dev/full").open("w") as full, os.fdopen(writing, "w") as closed:
        for output, reason in ((full, "No space left on device"), (closed, "Broken pipe")):
            done = subprocess.run(
                words,
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
                cwd=PROJECT,
                check=False,
            )
            assert (done.returncode, done.stderr) == (1, f"{name}: standard output: {reason}\n")


MAINS = {
    "vitrine": "from app.cli import main; main()",
    "vitrine-train": "from training.cli import main; main()",
}


def test_a_busy_port_exits_5_before_a_model_is_loaded(run, fake_store, monkeypatch):
    monkeypatch.setenv("VITRINE_RUNTIME", "tensorflow")
    monkeypatch.setattr(os, "environ", os.environ.copy())  # the command sets variables for its workers
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        for workers in ("1", "2"):
            options = ("--port", port, "--workers", workers, "--model-store", str(fake_store))
            done = run("serve", *options)
            assert done.exit_code == 5
            assert done.stderr.startswith(f"vitrine: 127.0.0.1:{port}: Address already in use. ")
            assert len(done.stderr.splitlines()) == 1


def test_a_kubernetes_service_of_our_name_is_passed_over_in_one_line(
    run, fake_store, not_served, monkeypatch, caplog
):
    monkeypatch.setenv("VITRINE_RUNTIME", "tensorflow")
    monkeypatch.setenv("VITRINE_PORT", "tcp://10.96.12.7:8000")
    monkeypatch.setattr("app.server.listen", lambda host, port: [])
    done = run("serve", "--model-store", str(fake_store))
    assert done.exit_code == 0
    assert not_served[0].port == 8000
    [line] = caplog.messages
    assert "VITRINE_PORT" in line


@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_host_or_store_on_the_command_line_is_the_default(run, not_served, monkeypatch, blank):
    monkeypatch.setenv("VITRINE_HOST", "0.0.0.0")  # noqa: S104
    done = run("serve", "--host", blank, "--model-store", blank)
    assert done.exit_code == 0, done.stderr
    assert not_served[0].host == "127.0.0.1"
    assert done.stderr == ""


def test_models_as_json_knows_all_that_the_text_knows(run, fake_store, monkeypatch):
    monkeypatch.setenv("VITRINE_RUNTIME", "litert")
    entry = json.loads(run("models", "--json", "--model-store", str(fake_store)).output)["models"][0]
    text = run("models", "--model-store", str(fake_store)).output
    assert entry["image_shape"] == [8, 8]
    assert entry["latent_dim"] == 2
    assert entry["samples_render"] == "mean"
    assert entry["runtime"] is None
    digest, reason = entry["digest"][:12], entry["reason"]
    assert text == f"fake@1  8 x 8  2 axes  digest {digest}  {reason}\n"
    assert reason.startswith("has no flatbuffers for LiteRT")


def test_models_says_how_much_memory_each_takes_if_asked(run, monkeypatch):
    monkeypatch.setenv("VITRINE_MODEL_STORE", str(SHIPPED_STORE))
    found = json.loads(run("models", "--memory", "--json").output)["models"]
    taken = {entry["model"]: entry["memory_bytes"] for entry in found}
    # Weights alone are a megabyte, and some tens more are the runtime's own library and the kernels' copies.
    assert all(1e6 < each < 300e6 for each in taken.values())
    assert taken[FASHION] > taken["fashion-dense@7"]


def test_the_commands_are_installed():
    assert Path(sys.executable).with_name("vitrine").exists()


@pytest.fixture
def fake_bench(fake_store, tmp_path, monkeypatch):
    """The fake model as the default one, opened without any runtime; the folder is free to be written to."""
    monkeypatch.setenv("VITRINE_MODEL_STORE", str(fake_store))
    monkeypatch.setenv("VITRINE_DEFAULT_MODEL", "fake")
    for module in ("app.bench.subject", "app.main"):
        monkeypatch.setattr(f"{module}.opener", lambda choice: open_fake)
    monkeypatch.setattr("app.bench.stages.serving", serving_fakes)
    monkeypatch.chdir(tmp_path)


def test_a_pinned_reference_is_taken_wherever_a_version_is(
    run, not_served, fake_bench, fake_store, monkeypatch
):
    pinned = f"fake@1-{digest_of(fake_store / 'fake' / '1')[:12]}"
    done = run("bench", "--model", pinned, "--seconds", "0", "--n", "1", "--json")
    assert json.loads(done.stdout)["model"] == "fake@1"
    monkeypatch.setenv("VITRINE_DEFAULT_MODEL", pinned)
    done = run("serve")
    assert done.exit_code == 0, done.output
    assert len(not_served) == 1


def test_bench_prints_a_row_for_each_count(run, fake_bench):
    done = run("bench", "--seconds", "0", "--n", "1", "--n", "33")
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[0] for row in rows if len(row) == 6 and "%" in row[2]] == ["1", "33"]
    assert [row[:2] for row in rows if row[0] in ("mean", "draw") and "%" in row[-1]] == [
        ["mean", "1"],
        ["mean", "33"],
        ["draw", "1"],
        ["draw", "33"],
    ]
    said = done.stdout.splitlines()
    assert said[0].startswith("a name without a version is measured by its newest version")
    assert said[1].startswith("fake@1 by fake; ")


def test_bench_as_json_prints_nothing_else(run, fake_bench):
    report = json.loads(run("bench", "--seconds", "0", "--json").stdout)
    assert [loop["n"] for loop in report["loop"]] == [1, 21, 100, 400]
    assert all(set(loop["shares"]) == {"codes", "decode", "grid", "png"} for loop in report["loop"])
    assert [stages["n"] for stages in report["stages"]] == 2 * [1, 21, 400]


def test_bench_whose_server_does_not_start_exits_1_in_one_line(run, fake_bench, monkeypatch):
    @contextlib.contextmanager
    def failing(settings):
        raise ServerFailed("the server to be measured did not start: no memory")
        yield

    monkeypatch.setattr("app.bench.stages.serving", failing)
    done = run("bench", "--seconds", "0", "--n", "1")
    assert done.exit_code == 1
    assert done.stderr == "vitrine: the server to be measured did not start: no memory\n"


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
