"""A server process for a measurement, and a client of it that takes little time of its own."""

import collections
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import httptools

from app.settings import PROJECT, Settings

HOST = "127.0.0.1"
OPEN_SECONDS = 60  # that other models may take to be opened before it is measured all the same
STOP_SECONDS = 10
ANSWER_SECONDS = 3600  # one client, and no picture is refused: it may be any size
SAID_LINES = 5  # of a server that did not start

_SERVE = "from app.bench import serving; serving.end_with_parent(); from app.cli import main; main()"
_ADDRESS = re.compile(rf"running on http://{re.escape(HOST)}:(\d+)")


class ServerFailed(Exception):
    """The server process did not start, or gave another answer than a picture."""


@contextlib.contextmanager
def serving(settings: Settings) -> Iterator[int]:
    """Run ``vitrine serve`` with these settings, in one process, and return the port on this machine.

    Every model has been opened then. It ends with the block, and with this process however that ends.

    Raises:
        ServerFailed: it did not start; with what it said last.
    """
    # No load balancer has to see that it ends.
    alone = settings.model_copy(update={"host": HOST, "port": 0, "workers": 1, "drain_seconds": 0.0})
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", _SERVE, "serve"],
        cwd=PROJECT,  # this code, wherever the command was started
        env=alone.for_process(),
        stdin=subprocess.PIPE,  # closed with this process, see ``end_with_parent``
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the command, which then ends it
    ) as process:
        try:
            port = _port_of(process)
            _wait_until_all_are_open(port)
            yield port
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def end_with_parent() -> None:
    """Have this process end when the other end of its standard input is closed."""

    def watch() -> None:
        os.read(0, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _port_of(process: "subprocess.Popen[str]") -> int:
    """Return the port that a server says it listens on."""
    assert process.stderr is not None  # noqa: S101  for the type checker
    said: collections.deque[str] = collections.deque(maxlen=SAID_LINES)
    for line in process.stderr:
        if found := _ADDRESS.search(line):
            return int(found[1])
        said.append(line.strip())
    raise ServerFailed(f"the server to be measured did not start: {' / '.join(said) or 'it said nothing'}")


def _wait_until_all_are_open(port: int) -> None:
    """Wait for the models that a server opens in the background, which keeps a core busy."""
    deadline = time.monotonic() + OPEN_SECONDS
    while time.monotonic() < deadline:
        ready = _read(port, "/readyz")
        known = {*ready["models"], *(path.replace("/", "@") for path in ready["rejected"])}
        # The last of a name is its newest version.
        newest = {
            each["model"].partition("@")[0]: each["model"] for each in _read(port, "/version")["models"]
        }
        if known.issuperset(newest.values()):
            return
        time.sleep(0.05)


def _read(port: int, path: str) -> Any:
    connection = http.client.HTTPConnection(HOST, port, timeout=OPEN_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", path)
        with connection.getresponse() as response:
            body = response.read()
    if response.status != 200:
        raise ServerFailed(f"{path} of the server to be measured: {response.status}")
    return json.loads(body)


class Client:
    """One connection that is kept alive: a socket that waits, and httptools' parser.

    Args:
        port: where a server listens on this machine.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=ANSWER_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._complete = False

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body; called by the parser."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Note the answer's end; called by the parser."""
        self._complete = True

    def get(self, target: str) -> bytes:
        """Return the body that a GET of `target`, path and query, is answered with.

        Raises:
            ServerFailed: it is no 200, or the connection ended.
        """
        self._body, self._complete = [], False
        self._socket.sendall(f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        while not self._complete:
            received = self._socket.recv(1_048_576)
            if not received:
                raise ServerFailed(f"{target} of the server to be measured: the connection ended")
            self._parser.feed_data(received)
        body = b"".join(self._body)
        if (status := self._parser.get_status_code()) != 200:
            raise ServerFailed(f"{target} of the server to be measured: {status}, {body[:200]!r}")
        return body

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
