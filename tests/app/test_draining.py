"""The pieces of a server's end; whole ends are tests/test_life.py's."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
import uvloop

from app import draining
from app.draining import DrainConfig, DrainingServer, refuse_new


async def _nothing():
    pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(draining, "_guard", lambda seconds: None)  # which would end the tests
    config = DrainConfig("app.main:app", log_config=None)
    config.drain_seconds = 3.0
    made = DrainingServer(config)
    made.started = True
    made.lifespan = SimpleNamespace(state={}, startup=_nothing, should_exit=False)
    return made


class Connection:
    def __init__(self, cycle=None, silent=True):
        self.cycle, self.silent, self.closed = cycle, silent, False
        self.transport = SimpleNamespace(close=self.close)

    def is_silent(self):
        return self.silent

    def close(self):
        self.closed = True


@pytest.mark.fault(2)
def test_behind_a_filter_no_connection_is_let_in_and_those_that_were_are_still_there():
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.socket() as late,
        socket.create_connection(listening.getsockname()) as early,
    ):
        early.sendall(b"asked")
        refuse_new([listening])
        late.settimeout(0.2)
        with pytest.raises(TimeoutError):
            late.connect(listening.getsockname())
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.recv(5) == b"asked"
            accepted.sendall(b"answered")
        assert early.recv(8) == b"answered"


@pytest.mark.fault(23)
def test_of_many_connections_at_once_some_are_accepted_in_each_turn_of_the_event_loop(server):
    accepted = []

    class Accepted(asyncio.Protocol):
        def __init__(self, **_):
            accepted.append(self)

    async def scenario():
        with (
            socket.create_server(("127.0.0.1", 0), backlog=200) as listening,
            contextlib.ExitStack() as stack,
        ):
            await server.startup([listening])
            for _ in range(100):
                client = stack.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex(listening.getsockname())
            turns = 0
            while len(accepted) < 100:
                await asyncio.sleep(0)
                turns += 1
            for each in server.servers:
                each.close()
        return turns

    server.config.load()
    server.config.http_protocol_class = Accepted
    # uvloop, which takes one by each descriptor, needs a hundred turns for one each.
    assert uvloop.run(scenario()) <= 100 / draining.ACCEPTED_AT_ONCE + 5


def test_a_process_that_begins_to_listen_has_no_other_wait_in_accept(server):
    """All processes share one socket, and whether it blocks."""
    modes = []

    class Listening:
        def __init__(self, **_):
            pass

    async def create_server(*_, sock, **__):
        modes.append(os.get_blocking(sock.fileno()))
        sock.detach()

    async def scenario():
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setblocking(False)  # another process serves from it
            fresh = socket.socket(
                fileno=os.dup(listening.fileno())
            )  # as a process has it that was just started
            asyncio.get_running_loop().create_server = create_server
            await server.startup([fresh])
            fresh.close()

    server.config.load()
    server.config.http_protocol_class = Listening
    asyncio.run(scenario())
    assert modes == [False] * draining.ACCEPTED_AT_ONCE


@pytest.mark.fault(23)
def test_a_thread_that_waits_for_pythons_lock_asks_for_it_after_half_a_millisecond(server, monkeypatch):
    set_to = []
    monkeypatch.setattr(sys, "setswitchinterval", set_to.append)
    monkeypatch.setattr(draining.Server, "startup", lambda self, sockets: _nothing())
    asyncio.run(server.startup([]))
    assert set_to == [0.0005]


def test_a_socket_that_takes_no_filter_is_passed_over():
    closed = socket.socket()
    closed.close()
    refuse_new([closed])


def test_the_service_is_told_by_the_signal_itself(server):
    told = []
    server.lifespan.state["drain"] = lambda: told.append(True)
    server.handle_exit(signal.SIGTERM, None)
    assert told == [True]
    assert server.lifespan.state["draining"] is True
    assert server.should_exit
    server.handle_exit(signal.SIGTERM, None)  # again, as some send it
    assert told == [True]


def test_only_sigterm_waits_for_a_load_balancer(server):
    server.handle_exit(signal.SIGINT, None)
    assert server._accept_seconds == 0.0
    server.should_exit = False
    server.handle_exit(signal.SIGTERM, None)
    assert server._accept_seconds == 3.0


@pytest.mark.fault(3)
def test_sigint_during_the_end_ends_the_process_with_130_and_a_line():
    code = (
        "import signal; from types import SimpleNamespace; from app.draining import *;"
        "logging.config.dictConfig(logs.configuration('text'));"
        "server = DrainingServer(DrainConfig('app.main:app', log_config=None));"
        "server.started = True; server.lifespan = SimpleNamespace(state={});"
        "server.handle_exit(signal.SIGTERM, None); server.handle_exit(signal.SIGINT, None); print('never')"
    )
    done = subprocess.run(
        [sys.executable, "-c", "import logging.config\n" + code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert (done.stdout, done.stderr) == ("", "WARNING:  Stopped at once, requests under way are lost\n")


def test_a_connection_is_closed_when_it_has_been_silent_since_its_last_answer(server):
    answer = object()
    unused, used, busy = Connection(), Connection(cycle=answer), Connection(silent=False)
    server.server_state.connections = {unused, used, busy}
    server._close_silent(10.0)
    assert [each.closed for each in (unused, used, busy)] == [False] * 3
    used.cycle = object()  # another request meanwhile
    server._close_silent(10.0 + draining.SILENT_SECONDS)
    assert not used.closed
    server._close_silent(10.0 + 2 * draining.SILENT_SECONDS)
    assert used.closed
    assert not unused.closed
    server._close_silent(10.0 + draining.UNUSED_SECONDS)
    assert unused.closed
    assert not busy.closed
