"""Where the service listens; its processes are tests/test_process.py's."""

import contextlib
import logging
import socket
import tempfile
from pathlib import Path

import pytest

from app import server
from app.metrics import FILES
from app.settings import Settings, counters


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_busy_port_is_refused_in_one_line_with_the_remedy(taken):
    with pytest.raises(server.ListenError) as refusal:
        server.listen("127.0.0.1", taken)
    assert str(refusal.value) == (
        f"127.0.0.1:{taken}: Address already in use. Another program listens there: choose another port by "
        "VITRINE_PORT or --port."
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "a" * 300, "2001:db8::1"])
def test_an_address_that_is_not_this_machines_is_refused_with_the_remedy(host):
    with pytest.raises(server.ListenError, match=r"VITRINE_HOST or --host\.$"):
        server.listen(host, 0)


def test_a_host_of_several_addresses_is_listened_on_at_one_port(monkeypatch):
    addresses = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 0, 0, 0)),  # which this machine lacks
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
    found = server.listen("several", 0)
    try:
        assert [each.getsockname()[0] for each in found] == ["127.0.0.1", "127.0.0.2"]
        assert len({each.getsockname()[1] for each in found}) == 1
    finally:
        for each in found:
            each.close()


def test_an_address_of_ipv6_is_written_in_brackets():
    assert server.address_of("::1", 8000) == "[::1]:8000"
    assert server.address_of("0.0.0.0", 8000) == "0.0.0.0:8000"  # noqa: S104


def test_worker_processes_count_in_a_folder_that_goes_with_them(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("_VITRINE_COUNTERS", "")  # put back afterwards
    with server._counters(2) as folder:
        assert folder.parent == tmp_path
        assert counters() == folder
    assert not folder.exists()


def test_a_folder_that_was_removed_meanwhile_is_no_error(monkeypatch):
    monkeypatch.setenv("_VITRINE_COUNTERS", "")
    with server._counters(2) as folder:
        folder.rmdir()


def test_where_no_folder_can_be_made_the_workers_are_told_so_in_one_line(monkeypatch, caplog):
    def refused(**_):
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refused)
    monkeypatch.setenv("_VITRINE_COUNTERS", "/of/another/time")
    with caplog.at_level(logging.WARNING, "uvicorn.error"), server._counters(2) as folder:
        assert folder is None
        assert counters() is None
    assert [record.message for record in caplog.records] == [
        "no temporary folder can be written to: /metrics answers 503; set TMPDIR to one that can"
    ]


def test_shared_memory_takes_the_counters_where_no_temporary_folder_can_be_written_to(monkeypatch, tmp_path):
    made = tempfile.TemporaryDirectory

    def only_there(dir=None, **options):  # noqa: A002
        if dir is None:
            raise FileNotFoundError
        return made(dir=tmp_path, **options)

    monkeypatch.setattr(tempfile, "TemporaryDirectory", only_there)
    monkeypatch.setenv("_VITRINE_COUNTERS", "")
    with contextlib.ExitStack() as stack:
        assert stack.enter_context(server._counters(2)).parent == Path(tmp_path)


@pytest.mark.fault(16)
def test_a_temporary_folder_without_space_for_the_counters_is_refused_with_the_remedy(monkeypatch, tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(server.CountersError) as refusal, server._counters(2):
        pass
    size = 2 * sum(FILES.values())
    assert f"No space left on device: the files in which workers count, {size} bytes" in str(refusal.value)
    assert str(refusal.value).endswith("Make space, or set TMPDIR to another folder.")


def test_the_configuration_carries_the_seconds_of_the_end_and_the_form_of_the_log():
    config = server.configuration(Settings(drain_seconds=3, graceful_seconds=7, log_format="json"))
    assert (config.drain_seconds, config.timeout_graceful_shutdown) == (3, 7)
    assert config.log_config["formatters"]["default"] == {"()": "app.logs.Json"}
