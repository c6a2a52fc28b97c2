"""Real servers for tests: started, waited for, stopped."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn

from app.http.protocol import VitrineProtocol
from app.main import Vitrine, create_app
from app.settings import Settings
from tests.conftest import SHIPPED_MODEL
from tests.fakes import open_fake

VITRINE = Path(sys.executable).with_name("vitrine")


class Server:
    """A running ``vitrine serve`` and what it has written."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self.log = log
        self.url = ""

    def wait_until_ready(self, workers: int, seconds: float = 120) -> None:
        """Wait for every worker's own word: the port opens with the first."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            text = self.log.read_text()
            address = re.search(r"Uvicorn running on (http://[^ ]+)", text)
            if address and text.count("Application startup complete") >= workers:
                self.url = address[1]
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    def stop(self, with_signal: int = signal.SIGTERM) -> float:
        """Stop the server and return the seconds it took."""
        started = time.monotonic()
        self.process.send_signal(with_signal)
        self.process.wait(30)
        return time.monotonic() - started


@contextlib.contextmanager
def serving(
    folder: Path,
    *options: str,
    workers: int = 1,
    port: int = 0,
    program: Path = VITRINE,
    **environment: str,
) -> Iterator[Server]:
    """Run ``vitrine serve``, or another `program`'s, on a free port of this machine."""
    log = folder / f"server-{time.monotonic_ns()}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [program, "serve", "--port", str(port), "--workers", str(workers), *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,  # nothing may depend on where it is started
            start_new_session=True,  # so that its worker processes can be ended with it
            env=os.environ | {"VITRINE_DEFAULT_MODEL": SHIPPED_MODEL} | environment,
        )
    server = Server(process, log)
    try:
        server.wait_until_ready(workers)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def serving_in_a_thread(app: Vitrine, **options: Any) -> Iterator[int]:
    """Serve an application on a free port of this machine, with options of uvicorn's, and return the port."""
    # Without uvicorn's logging, which has absl close the stream that a test's output goes to.
    config = uvicorn.Config(app, port=0, http=VitrineProtocol, ws="none", log_config=None, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port: int = server.servers[0].sockets[0].getsockname()[1]
        yield port
    finally:
        server.should_exit = True
        thread.join()


@contextlib.contextmanager
def serving_fakes(settings: Settings) -> Iterator[int]:
    """Serve fake models in a thread, and return the port."""
    with serving_in_a_thread(create_app(settings, open_fake)) as port:
        yield port
