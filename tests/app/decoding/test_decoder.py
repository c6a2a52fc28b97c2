import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.decoding import decoder
from app.decoding.decoder import Decoder
from app.errors import DecoderUnavailable
from tests.app.decoding.asking import ALLOWANCE, PNG, WORDS, is_alive
from tests.conftest import PROJECT

NAMED = "VITRINE_API_KEYS"


@pytest.fixture
def started(monkeypatch):
    monkeypatch.setenv(NAMED, "swordfish")
    made = Decoder(ALLOWANCE)
    yield made
    made.end()
    assert not is_alive(made.number)


def descriptors(number="self"):
    return {int(path.name) for path in Path(f"/proc/{number}/fd").iterdir()}


def test_a_decoder_can_open_write_and_start_nothing_and_gains_no_rights(started):
    status = Path(f"/proc/{started.number}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert resource.prlimit(started.number, resource.RLIMIT_FSIZE) == (0, 0)
    assert resource.prlimit(started.number, resource.RLIMIT_NPROC) == (0, 0)
    assert resource.prlimit(started.number, resource.RLIMIT_CORE) == (0, 0)
    opened = descriptors(started.number)
    most = resource.prlimit(started.number, resource.RLIMIT_NOFILE)[1]
    assert opened == {0, 1, 2, most - 1}  # its connection, and no others
    memory = resource.prlimit(started.number, resource.RLIMIT_AS)[0]
    assert ALLOWANCE.memory < memory < ALLOWANCE.memory + 1_000_000_000


def test_a_decoder_knows_no_secret_of_the_services_environment(started):
    environment = Path(f"/proc/{started.number}/environ").read_bytes()
    assert b"swordfish" not in environment
    assert NAMED.encode() not in environment


def test_a_decoder_loads_neither_the_server_nor_a_runtime(started):
    maps = Path(f"/proc/{started.number}/maps").read_text()
    assert "_imaging" in maps
    for other in ("pydantic", "litert", "tensorflow", "uvloop", "httptools"):
        assert other not in maps


def test_a_decoder_finds_the_service_where_only_a_hook_of_an_editable_installation_does(monkeypatch):
    monkeypatch.setattr(sys, "path", [each for each in sys.path if Path(each or ".").resolve() != PROJECT])
    made = Decoder(ALLOWANCE)
    made.end()


def test_a_decoder_has_a_session_of_its_own_so_that_a_terminals_signals_are_the_services(started):
    assert os.getsid(started.number) == started.number


PARENT = """
import sys, time
from tests.app.decoding.asking import ALLOWANCE
from app.decoding.decoder import Decoder
print(Decoder(ALLOWANCE).number, flush=True)
time.sleep(600)
"""


def test_a_decoder_ends_with_a_service_that_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, cwd=PROJECT)
    try:
        number = int(parent.stdout.readline())
        assert is_alive(number)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    deadline = time.monotonic() + 20
    while is_alive(number):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        ("raise SystemExit(3)", "it ended"),
        ("import sys; sys.exit(0)", "it ended"),
        (
            "import json, socket, sys; from_text = json.loads(sys.argv[1]); "
            "socket.socket(fileno=from_text['descriptor']).sendall(b'x' * 100)",
            "kind 120",
        ),
    ],
)
def test_a_decoder_that_cannot_be_started_is_an_error_whose_reason_the_log_has(
    monkeypatch, caplog, start, reason
):
    monkeypatch.setattr(decoder, "_START", start)
    with pytest.raises(DecoderUnavailable) as caught:
        Decoder(ALLOWANCE)
    assert caught.value.detail == "No process that decodes uploads can be started. Try again in 2 s."
    assert f"cannot be started: {reason}" in caplog.text


def test_what_keeps_a_decoder_from_being_imported_is_in_the_log(monkeypatch, caplog):
    start = decoder._START.replace("from app.decoding import child", "import no_such_package")
    monkeypatch.setattr(decoder, "_START", start)
    with pytest.raises(DecoderUnavailable):
        Decoder(ALLOWANCE)
    assert "No module named 'no_such_package'" in caplog.text


def test_without_descriptors_left_no_decoder_is_started_and_nothing_else_is_lost(monkeypatch, caplog):
    before = descriptors()
    highest = max(before)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
    filled = []
    try:
        while True:
            try:
                filled.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        with pytest.raises(DecoderUnavailable):
            Decoder(ALLOWANCE)
        for _ in range(2):  # enough for the connection, not for the process
            os.close(filled.pop())
        with pytest.raises(DecoderUnavailable):
            Decoder(ALLOWANCE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for each in filled:
            os.close(each)
    assert "Too many open files" in caplog.text
    assert descriptors() == before
    made = Decoder(ALLOWANCE)
    answer = made.ask(WORDS | {"files": [("file", len(PNG))]}, [PNG], 784)
    assert len(answer.content) == 784
    made.end()


def test_a_decoder_that_has_no_thread_to_look_after_it_is_not_started(monkeypatch, caplog):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(decoder.threading.Thread, "start", refuse)
    with pytest.raises(DecoderUnavailable):
        Decoder(ALLOWANCE)
    assert "can't start new thread" in caplog.text
