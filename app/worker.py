"""A server process of several: how its parent sees it, and what it does when the parent says so or ends."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import socket
import threading
import time
from multiprocessing import connection

from uvicorn.supervisors.multiprocess import Process

from app import heaps
from app.draining import DrainConfig, DrainingServer

PING_SECONDS = 1.0  # between two questions whether it is alive
LET_GO, RETIRE = b"let go", b"retire"

_PR_SET_PDEATHSIG = 1


class Worker(Process):
    """A server process, seen by its parent and by itself.

    Attributes:
        ready: it has begun to serve.
        began: when it was started, by the monotonic clock.
        heard: when it was heard of last.
    """

    def __init__(self, config: DrainConfig, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self.ready = False
        self.began = self.heard = time.monotonic()
        self._asked = False

    # In the parent.

    def look(self) -> None:
        """Read its answer if there is one, and ask again if it is time to."""
        while self._asked and self.parent_conn.poll():
            self.ready, self._asked, self.heard = self.parent_conn.recv(), False, time.monotonic()
        if not self._asked and (not self.ready or time.monotonic() > self.heard + PING_SECONDS):
            self._asked = self.tell(b"ping")

    def tell(self, message: bytes) -> bool:
        """Send it a message, and say whether that could be done."""
        try:
            self.parent_conn.send(message)
        except OSError:
            return False
        return True

    def ask_to_end(self) -> None:
        """Send it SIGTERM."""
        if self.process.exitcode is None and self.process.pid is not None:
            os.kill(self.process.pid, signal.SIGTERM)

    def close(self) -> None:
        """Give back what a process that has ended took."""
        self.process.join()
        self.parent_conn.close()
        self.child_conn.close()

    # In the process itself.

    @property
    def server(self) -> DrainingServer:
        """Its server."""
        if self._server is None:
            assert isinstance(self.config, DrainConfig)  # noqa: S101  for the type checker
            self._server = DrainingServer(self.config, one_of_several=True)
        assert isinstance(self._server, DrainingServer)  # noqa: S101
        return self._server

    def pong(self) -> None:
        """Do what the parent says, or say whether this process serves."""
        message = self.child_conn.recv()
        if message == LET_GO:
            self.server.let_go()
        elif message == RETIRE:
            self.server.retire()
        else:
            self.child_conn.send(self.server.started)

    def always_pong(self) -> None:
        """Do so for as long as there is a parent."""
        with contextlib.suppress(EOFError, OSError):
            super().always_pong()

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, until a signal or the end of the parent."""
        heaps.bound()
        end_with_parent()
        super().target(sockets)


def end_with_parent() -> None:
    """Have this process get SIGTERM when its parent ends, by whatever: the system tells it where it can.

    A thread waits for the same, for systems that do not tell, and for a parent that has ended already.
    """
    if prctl := getattr(ctypes.CDLL(None), "prctl", None):
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()
