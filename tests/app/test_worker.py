"""A worker as its parent sees it; as a process it is tests/test_life.py's."""

import signal
import subprocess
import sys
import time

import pytest

from app.draining import DrainConfig
from app.worker import LET_GO, RETIRE, Worker


@pytest.fixture
def worker(monkeypatch):
    monkeypatch.setattr("app.draining._guard", lambda seconds: None)  # which would end the tests
    made = Worker(DrainConfig("app.main:app", log_config=None), [])
    yield made
    made.parent_conn.close()
    made.child_conn.close()


def test_it_is_asked_until_it_says_that_it_serves(worker):
    worker.look()
    assert not worker.ready
    worker.pong()
    worker.look()
    assert not worker.ready
    worker.server.started = True
    worker.pong()
    heard = worker.heard
    worker.look()
    assert worker.ready
    assert worker.heard >= heard
    worker.look()  # not before a second has passed
    assert not worker.child_conn.poll()


@pytest.mark.parametrize(("message", "ends"), [(LET_GO, False), (RETIRE, True)])
def test_what_the_parent_says_reaches_the_server(worker, message, ends):
    class Lifespan:
        state: dict[str, object] = {}  # noqa: RUF012

    worker.server.lifespan = Lifespan()
    assert worker.tell(message)
    worker.pong()
    assert worker.server._let_go
    assert worker.server.should_exit is ends
    assert "drain" not in Lifespan.state  # nobody is told that the service is not ready


def test_a_parent_that_is_gone_is_no_error(worker):
    worker.parent_conn.close()
    worker.child_conn.close()
    worker.always_pong()
    assert not worker.tell(LET_GO)


@pytest.mark.fault(1)
@pytest.mark.parametrize("told", [True, False])
def test_a_process_ends_by_sigterm_with_its_parent_whether_or_not_the_system_tells_it(tmp_path, told):
    (tmp_path / "family.py").write_text(
        "import ctypes, multiprocessing, os, time\n"
        "from app import worker\n"
        "def child():\n"
        f"    {'pass' if told else 'worker.ctypes.CDLL = lambda _: None'}\n"
        "    worker.end_with_parent()\n"
        "    print(os.getpid(), flush=True)\n"
        "    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    multiprocessing.get_context('spawn').Process(target=child).start()\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, str(tmp_path / "family.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert int(parent.stdout.readline()) > 0
        parent.send_signal(signal.SIGKILL)
        started = time.monotonic()
        assert parent.stdout.read() == ""  # its end: the child has closed it too
        assert time.monotonic() - started < 30
