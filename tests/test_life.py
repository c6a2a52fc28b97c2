"""Life and death of the service: signals, killed processes, logs, descriptors, full disks. Real processes all."""

import contextlib
import http.client
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from tests.conftest import PROJECT, skip
from tests.serving import VITRINE, serving
from tests.test_process import eventually, free_port, workers_of

pytestmark = pytest.mark.process
AT_ONCE = {"VITRINE_DRAIN_SECONDS": "0"}  # the end is not what is tested: no load balancer is waited for


def address(server):
    host, port = server.url.removeprefix("http://").split(":")
    return host, int(port)


class Clients:
    """Clients that ask without a break, each on its connection as long as the service keeps it."""

    def __init__(self, server, number):
        self.address = address(server)
        self.statuses, self.lost, self.closes = [], [], 0
        self.threads = [threading.Thread(target=self.ask, args=(each,)) for each in range(number)]

    def ask(self, number):
        while True:
            try:
                connection = http.client.HTTPConnection(*self.address, timeout=30)
                connection.connect()
            except OSError:  # refused: the service has ended
                return
            for step in range(1_000_000):
                try:
                    connection.request("GET", f"/samples?n={1 + step % 8}&seed={number * 1000 + step}")
                    answer = connection.getresponse()
                    answer.read()
                except (OSError, http.client.HTTPException) as error:
                    self.lost.append((number, step, repr(error)))
                    break
                self.statuses.append(answer.status)
                if answer.will_close:
                    self.closes += 1
                    break
            connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        for thread in self.threads:
            thread.join()


@pytest.mark.fault(2)
@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_under_load_loses_no_request_and_ends_with_0(tmp_path, workers):
    with serving(tmp_path, workers=workers) as server:
        kept = [http.client.HTTPConnection(*address(server), timeout=30) for _ in range(4)]
        for connection in kept:
            connection.request("GET", "/livez")
            assert connection.getresponse().read() == b'{"status":"alive"}'
        with Clients(server, 16) as clients:
            eventually(lambda: len(clients.statuses) > 100)
            before = len(clients.statuses)
            started = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)  # for the parent to tell its workers, on a busy machine
            for connection in kept:  # open ones
                connection.request("GET", "/readyz")
                answer = connection.getresponse()
                assert (answer.status, answer.headers["connection"]) == (503, "close")
                assert json.loads(answer.read())["type"] == "/problems/not-ready"
            new = httpx.get(f"{server.url}/readyz")
            assert (new.status_code, new.headers["connection"]) == (503, "close")
            assert httpx.get(f"{server.url}/livez").status_code == 200
            assert server.process.wait(30) == 0
            assert time.monotonic() - started < 20
        assert len(clients.statuses) > before + 16
        assert clients.closes >= 16
        assert set(clients.statuses) == {200}
        assert clients.lost == []
        assert "Traceback" not in server.log.read_text()


@pytest.mark.fault(2)
def test_requests_that_are_sent_together_during_the_end_are_all_answered_and_the_last_says_close(tmp_path):
    together = b"".join(b"GET /samples?n=%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(1, 5))
    with serving(tmp_path) as server, socket.create_connection(address(server)) as sending:
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: "Draining" in server.log.read_text())
        sending.sendall(together)
        received = b"".join(iter(lambda: sending.recv(65_536), b""))
        assert server.process.wait(30) == 0
    assert received.count(b"HTTP/1.1 200 OK") == 4
    assert received.count(b"connection: close") == 1
    assert received.index(b"connection: close") > received.rindex(b"HTTP/1.1 200 OK")


@pytest.mark.fault(2)
@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", [1, 2])
def test_silent_clients_do_not_hold_up_the_end(tmp_path, workers, with_signal):
    with serving(tmp_path, workers=workers, **AT_ONCE) as server, contextlib.ExitStack() as stack:
        unused = [stack.enter_context(socket.create_connection(address(server))) for _ in range(4)]
        with httpx.Client() as client:
            assert client.get(f"{server.url}/livez").status_code == 200  # and stays connected
            assert server.stop(with_signal) < 15  # of 20 graceful seconds
            assert server.process.returncode == 0
        assert [each.recv(1) for each in unused] == [b""] * 4  # closed, not reset
        log = server.log.read_text()
    assert "Traceback" not in log
    assert "cut off" not in log


@pytest.mark.fault(2)
def test_a_request_that_does_not_end_in_time_is_cut_off_in_one_line(tmp_path):
    with serving(tmp_path, VITRINE_GRACEFUL_SECONDS="1", VITRINE_DRAIN_SECONDS="0") as server:
        with socket.create_connection(address(server)) as sending:
            sending.sendall(b"POST /reconstruct HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nbegun")
            time.sleep(0.2)
            assert server.stop() < 10
        assert server.process.returncode == 0
        log = server.log.read_text()
    assert log.count("1 connections were cut off: not done within 1 s of the end") == 1
    assert "Traceback" not in log


@pytest.mark.fault(3)
@pytest.mark.parametrize("workers", [1, 2])
def test_sigint_twice_ends_at_once_with_one_line(tmp_path, workers):
    with serving(tmp_path, workers=workers) as server:
        with socket.create_connection(address(server)) as sending:
            sending.sendall(b"POST /reconstruct HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nbegun")
            time.sleep(0.2)
            server.process.send_signal(signal.SIGINT)
            eventually(lambda: "Draining" in server.log.read_text())
            assert server.process.poll() is None
            assert server.stop(signal.SIGINT) < 5
        assert server.process.returncode == 130
        log = server.log.read_text()
    assert log.count("Stopped at once") == 1
    assert "Traceback" not in log


@pytest.mark.fault(2)
def test_sigterm_before_the_service_serves_ends_it_with_0_and_one_line(tmp_path):
    process = subprocess.Popen(
        [VITRINE, "serve", "--port", "0"], stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    caught = Path(f"/proc/{process.pid}/status")
    eventually(
        lambda: int(re.search(r"SigCgt:\s*(\w+)", caught.read_text())[1], 16) & 1 << signal.SIGTERM - 1
    )
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "topped before it served" in said
    assert "Traceback" not in said


@pytest.mark.fault(1)
def test_the_workers_of_a_killed_parent_end_and_the_port_is_free(tmp_path):
    with serving(tmp_path, workers=2) as server:
        children = workers_of(server)
        assert len(children) == 2
        with socket.create_connection(address(server)):  # and says nothing
            server.process.kill()
            server.process.wait()
            eventually(lambda: not any(is_running(child) for child in children))
        port = address(server)[1]
        with serving(tmp_path, port=port) as successor:
            assert httpx.get(f"{successor.url}/samples?n=1").status_code == 200


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.fault(4)
def test_a_worker_that_does_nothing_for_more_than_5_s_is_not_killed(tmp_path):
    with serving(tmp_path, workers=2) as server:
        before = workers_of(server)
        os.kill(before[0], signal.SIGSTOP)
        time.sleep(7)
        os.kill(before[0], signal.SIGCONT)
        time.sleep(1)
        assert workers_of(server) == before
        assert httpx.get(f"{server.url}/samples?n=1").status_code == 200


@pytest.mark.fault(14)
def test_sighup_has_every_worker_read_the_store_again_and_loses_no_request(tmp_path):
    with serving(tmp_path, workers=2) as server:
        before = workers_of(server)
        with Clients(server, 8) as clients:
            eventually(lambda: len(clients.statuses) > 50)
            server.process.send_signal(signal.SIGHUP)
            answered = len(clients.statuses)
            eventually(lambda: len(clients.statuses) > answered + 50)
            assert workers_of(server) == before
            server.stop()
        assert set(clients.statuses) == {200}
        assert clients.lost == []
        assert server.process.returncode == 0


@pytest.mark.fault(1, 20)
def test_workers_are_added_taken_away_and_replaced_when_killed(tmp_path):
    with serving(tmp_path, workers=2) as server:
        server.process.send_signal(signal.SIGTTIN)
        eventually(lambda: server.log.read_text().count("Application startup complete") == 3)
        assert len(workers_of(server)) == 3
        server.process.send_signal(signal.SIGTTOU)
        eventually(lambda: len(workers_of(server)) == 2)
        first = workers_of(server)[0]
        os.kill(first, signal.SIGKILL)
        eventually(lambda: server.log.read_text().count("Application startup complete") == 4)
        assert first not in workers_of(server)
        assert f"worker [{first}] was ended by signal 9" in server.log.read_text()


@pytest.mark.fault(29)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_log_that_nobody_reads_does_not_hold_up_the_service(tmp_path, workers):
    port = free_port()
    environment = os.environ | AT_ONCE | {"VITRINE_ACCESS_LOG": "true", "VITRINE_PORT": str(port)}
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [VITRINE, "serve", "--workers", str(workers)],
        stdout=writing,
        stderr=writing,
        cwd=tmp_path,
        env=environment,
    )
    try:
        eventually(lambda: is_ready(port))
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            for _ in range(1500):  # a line each: more than the pipe holds
                connection.request("GET", f"/livez?{'x' * 200}")
                answer = connection.getresponse()
                assert answer.read()
                assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reading)
        os.close(writing)


def is_ready(port):
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200


@pytest.mark.fault(16, 29)
@pytest.mark.parametrize("streams", ["<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
@pytest.mark.parametrize("workers", [1, 2])
def test_streams_that_are_closed_or_on_a_full_disk_keep_nothing_from_serving(tmp_path, workers, streams):
    port = free_port()
    command = f"exec {VITRINE} serve --port {port} --workers {workers} {streams}"
    environment = os.environ | AT_ONCE | {"VITRINE_ACCESS_LOG": "true"}
    process = subprocess.Popen(["sh", "-c", command], cwd=tmp_path, env=environment)
    try:
        eventually(lambda: is_ready(port) or process.poll() is not None)
        answer = httpx.get(f"http://127.0.0.1:{port}/samples?n=1&seed=1")
        assert (answer.status_code, answer.content[:4]) == (200, b"\x89PNG")  # and no line of the log in it
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def in_mounts_of_its_own(script, **environment):
    """Run a shell script that mounts; skip the test where that is not allowed."""
    command = ["unshare", "--mount", "sh", "-ec", script]
    if shutil.which("unshare") is None or subprocess.run([*command[:2], "true"], check=False).returncode:
        skip("mounting is not allowed here")
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | environment
    )


@pytest.mark.fault(5, 16)
def test_workers_without_space_for_their_counters_end_with_3_and_the_reason_once(tmp_path):
    script = f"mount -t tmpfs -o size=256k none {tmp_path}; exec {VITRINE} serve --port 0 --workers 2"
    with in_mounts_of_its_own(script, TMPDIR=str(tmp_path)) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    [line] = said.splitlines()
    assert line.startswith(f"vitrine: {tmp_path}: No space left on device: the files in which workers count")
    assert line.endswith("Make space, or set TMPDIR to another folder.")


@pytest.mark.fault(18)
@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_is_written_but_to_the_temporary_folder(tmp_path, workers):
    port = free_port()
    script = (
        f"mount -t tmpfs none /tmp; mount -o remount,bind,ro /; ! touch {Path.home()}/written 2>/dev/null;"
        f"cd /; exec {VITRINE} serve --port {port} --workers {workers}"
    )
    with in_mounts_of_its_own(script, **AT_ONCE) as process:
        try:
            eventually(lambda: is_ready(port) or process.poll() is not None)
            assert httpx.get(f"http://127.0.0.1:{port}/samples?n=1").status_code == 200
            assert httpx.get(f"http://127.0.0.1:{port}/metrics").status_code == 200
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=60)
            assert process.returncode == 0, said
            assert "Traceback" not in said
        finally:
            process.kill()


@pytest.mark.fault(21)
def test_more_connections_than_descriptors_give_no_500_and_the_service_recovers(tmp_path):
    with serving(tmp_path) as server:
        time.sleep(1)  # in which the service imports what requests may need
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (64, 64))
        with contextlib.ExitStack() as stack:
            asking = [stack.enter_context(socket.create_connection(address(server))) for _ in range(150)]
            received = []
            for number, connection in enumerate(asking):
                connection.settimeout(0.5)
                path = (b"/samples?n=1", b"/static/style.css", b"/", b"/samples.webp?n=1")[number % 4]
                with contextlib.suppress(OSError):
                    connection.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
                    received.append(connection.recv(12))
            answered = [status for status in received if status]
            assert len(answered) > 10
            assert set(answered) <= {b"HTTP/1.1 200", b"HTTP/1.1 503"}
        eventually(lambda: is_ready(address(server)[1]))
        for path in ("/samples?n=3", "/", "/docs", "/version", "/metrics", "/openapi.json", "/problems"):
            assert httpx.get(server.url + path).status_code == 200
        assert "Traceback" not in server.log.read_text()


@pytest.mark.fault(28)
def test_a_deadline_that_passes_is_one_line_of_the_log(tmp_path):
    with serving(tmp_path, VITRINE_DEADLINE_SECONDS="0.002", VITRINE_QUEUE_SECONDS="60") as server:
        answer = httpx.get(
            f"{server.url}/samples?n=400&render=draw", headers={"X-Request-Id": "late"}, timeout=60
        )
        assert answer.status_code == 504
        eventually(lambda: "request late: " in server.log.read_text())
        assert "Traceback" not in server.log.read_text()


@pytest.mark.fault(32)
def test_a_misspelt_variable_ends_the_start_with_2_and_the_nearest_name(tmp_path):
    done = subprocess.run(
        [VITRINE, "serve"],
        env=os.environ | {"VITRINE_WORKRES": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert (
        done.stderr == "vitrine: VITRINE_WORKRES: there is no such setting; did you mean VITRINE_WORKERS?\n"
    )


def test_every_line_of_a_json_log_is_an_object_with_the_time_and_requests_have_their_id(tmp_path):
    wanted = {"VITRINE_LOG_FORMAT": "json", "VITRINE_ACCESS_LOG": "true"}
    log = tmp_path / "log"
    port = free_port()
    with log.open("w") as output:
        process = subprocess.Popen(
            [VITRINE, "serve", "--port", str(port)],
            stdout=output,
            stderr=subprocess.DEVNULL,
            env=os.environ | wanted,
        )
        try:
            eventually(lambda: is_ready(port))
            httpx.get(f"http://127.0.0.1:{port}/samples?n=0&x=%0Aforged", headers={"X-Request-Id": "mine"})
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in lines)
    [found] = [line for line in lines if line["request_id"] == "mine"]
    assert (found["method"], found["target"], found["status"]) == ("GET", "/samples?n=0&x=%0Aforged", 422)


STUCK = """
import socket, sys, time
from pathlib import Path
from app import logs, server
from app.draining import DrainConfig
from app.http.protocol import VitrineProtocol
from app.main import create_app
from app.settings import Settings
from tests.fakes import FakeRuntime

class Stuck(FakeRuntime):
    def decode(self, z):
        time.sleep(float(sys.argv[2]))  # what it takes decides whether the event loop computes it
        if Path(sys.argv[1], "stuck").exists():
            Path(sys.argv[1], "begun").touch()
            time.sleep(600)
        return super().decode(z)

settings = Settings(model_store=Path(sys.argv[1], "store"), default_model="fake", worker_threads=1)
config = DrainConfig(
    create_app(settings, lambda folder, threads: Stuck()),
    http=VitrineProtocol, ws="none", timeout_graceful_shutdown=1, log_config=logs.configuration("text"),
)
sys.exit(server.run(config, server.listen("127.0.0.1", 0)))
"""


@pytest.mark.fault(2, 27)
@pytest.mark.parametrize("seconds", ["0", "0.05"], ids=["on the event loop", "in a thread"])
def test_a_computation_that_does_not_end_does_not_keep_the_service_from_ending(tmp_path, fake_store, seconds):
    command = [sys.executable, "-c", STUCK, str(tmp_path), seconds]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=PROJECT) as process,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(process.kill)
        lines = iter(process.stderr.readline, "")
        url = next(found[1] for line in lines if (found := re.search("running on (http://[^ ]+)", line)))
        assert httpx.get(f"{url}/samples?n=1").status_code == 200
        (tmp_path / "stuck").touch()
        with socket.create_connection(address(SimpleNamespace(url=url))) as sending:
            sending.sendall(b"GET /samples?n=1&seed=7 HTTP/1.1\r\nHost: x\r\n\r\n")
            eventually((tmp_path / "begun").exists)
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(ConnectionResetError):
                assert sending.recv(1) == b""  # cut off
        _, rest = process.communicate(timeout=30)
        assert process.returncode == 0
        assert time.monotonic() - started < 10
    assert "Stopped: what was still computed did not end in time" in rest
    assert "Traceback" not in rest
