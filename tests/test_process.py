"""The real thing: ``vitrine serve`` as a process, TensorFlow and all, asked over a socket."""

import os
import signal
import socket
import subprocess
import threading

import httpx
import numpy as np
import pytest

from app import profiles
from tests.conftest import PROJECT
from tests.fakes import pixels_of
from tests.serving import VITRINE, serving

pytestmark = [pytest.mark.process, pytest.mark.tensorflow]

SEEDED = "/samples?n=21&seed=42"


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.mark.parametrize("runtime", ["litert", "tensorflow"])
def test_a_seeded_address_gives_the_same_bytes_from_two_workers_after_a_restart_and_under_load(
    tmp_path, runtime
):
    bodies = set()
    with serving(tmp_path, workers=2, VITRINE_RUNTIME=runtime) as server:
        for _ in range(100):  # a connection each, so that both workers are asked
            bodies.add(httpx.get(server.url + SEEDED).content)
    # However slow the machine, all are to wait for their turn: it is bytes that are asked for here.
    patience = {"VITRINE_QUEUE_SECONDS": "60", "VITRINE_DEADLINE_SECONDS": "60"}
    with serving(tmp_path, VITRINE_RUNTIME=runtime, **patience) as server:
        stop = threading.Event()
        statuses = []

        def load(number):
            with httpx.Client(timeout=100) as client:
                step = 0
                while not stop.is_set():
                    step += 1
                    url = f"{server.url}/samples?n={1 + (number + step) % 50}&seed={number * 1000 + step}"
                    statuses.append(client.get(url).status_code)

        clients = [threading.Thread(target=load, args=(number,)) for number in range(32)]
        for client in clients:
            client.start()
        try:
            for _ in range(100):
                bodies.add(httpx.get(server.url + SEEDED, timeout=100).content)
        finally:
            stop.set()
            for client in clients:
                client.join()
        assert set(statuses) == {200}
        assert len(statuses) > 100  # it was a load
        five = pixels_of(httpx.get(f"{server.url}/samples?n=5&seed=42").content)
    assert len(bodies) == 1
    whole = pixels_of(bodies.pop())
    assert whole.shape == (84, 196)
    assert np.array_equal(five, whole[:28, : 5 * 28])


def test_settings_come_from_the_environment_and_health_finds_the_server(tmp_path):
    port = free_port()
    environment = {"VITRINE_MAX_IMAGES": "3", "VITRINE_PORT": str(port)}
    with serving(tmp_path, port=port, **environment) as server:
        assert httpx.get(f"{server.url}/samples?n=4").status_code == 422
        assert httpx.get(f"{server.url}/samples?n=3").status_code == 200
        done = subprocess.run(
            [VITRINE, "health"], capture_output=True, text=True, env=os.environ | environment, check=False
        )
        assert done.returncode == 0
        assert '"status":"ready"' in done.stdout


def test_a_profile_is_served_with_and_warned_of_where_several_workers_exceed_the_cores(tmp_path):
    cores = profiles.available_cores()
    found = profiles.Profile(
        cores=cores,
        processor="a processor",
        model="another@1",
        digest="0" * 64,
        runtime="litert",
        worker_threads=cores,
        inference_threads=1,
        rates=(),
    )
    profiles.write(tmp_path / "profile.json", found)
    with serving(tmp_path, workers=2, VITRINE_PROFILE="profile.json") as server:
        log = server.log.read_text()
    assert f"{2 * cores} threads may compute on {cores} cores: workers=2 x worker_threads={cores} x" in log
    assert "no rate is known: the profile is of another@1 by litert" in log


def test_metrics_add_up_over_two_workers(tmp_path):
    with serving(tmp_path, workers=2) as server:
        for _ in range(40):
            httpx.get(f"{server.url}/samples?n=1")
        text = httpx.get(f"{server.url}/metrics").text
    counts = [
        float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.startswith("http_server_request_duration_seconds_count") and '"/samples"' in line
    ]
    assert counts == [40.0]


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_server_finishes_what_it_has_begun_and_leaves_quickly(tmp_path, with_signal):
    with serving(tmp_path, VITRINE_MAX_IMAGES="2000") as server, httpx.Client() as client:
        answers = []
        assert client.get(f"{server.url}/samples?model=fashion&n=1").status_code == 200  # opens the model
        ask = f"{server.url}/samples?model=fashion&n=2000"
        asking = threading.Thread(target=lambda: answers.append(client.get(ask, timeout=30)))
        asking.start()
        while "vitrine_queue_images 2000.0" not in httpx.get(f"{server.url}/metrics").text:
            assert not answers
        seconds = server.stop(with_signal)
        asking.join()
        assert answers[0].status_code == 200
        assert seconds < 5
        assert "Traceback" not in server.log.read_text()


def test_head_leaves_the_connection_good_for_the_next_request(tmp_path):
    with serving(tmp_path, VITRINE_ACCESS_LOG="true") as server, httpx.Client() as client:
        for path in ("/samples?n=1&seed=1", "/samples?n=0", "/static/style.css", "/livez", "/"):
            head, get = client.head(server.url + path), client.get(server.url + path)
            assert head.status_code == get.status_code
            assert head.content == b""
            assert head.headers["content-length"] == str(len(get.content))
        log = server.log.read_text()
    assert "Traceback" not in log
    assert '"HEAD /livez' in log


def test_a_broken_request_line_does_not_disturb_the_next_request(tmp_path):
    with serving(tmp_path) as server:
        host, port = server.url.removeprefix("http://").split(":")
        for broken in (
            b"GET / HTTP/9.9\r\n\r\n",
            b"\x00\x01\x02\r\n\r\n",
            b"POST /reconstruct HTTP/1.1\r\n\r\n",
        ):
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                connection.sendall(broken)
                connection.recv(1000)
        two_lengths = b"POST /reconstruct HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(two_lengths)
            assert b" 400 " in connection.recv(1000)
        assert httpx.get(f"{server.url}/samples?n=1").status_code == 200


def test_a_client_that_leaves_in_the_middle_of_an_upload_costs_nothing(tmp_path):
    with serving(tmp_path) as server:
        host, port = server.url.removeprefix("http://").split(":")
        head = b"POST /reconstruct HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 100000\r\n\r\n"
        for _ in range(20):
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                connection.sendall(head + b"\x89PNG")
        assert httpx.get(f"{server.url}/samples?n=1").status_code == 200
        assert "Traceback" not in server.log.read_text()


def test_an_installed_command_works_from_anywhere(tmp_path):
    done = subprocess.run([VITRINE, "models"], capture_output=True, text=True, cwd=tmp_path, check=False)
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert lines["fashion-dense@4"].startswith("fashion-dense@4  28 x 28, 10 axes")
    assert lines["fashion-dense@4"].endswith("litert")
    assert str(PROJECT) not in done.stdout


def test_requests_are_not_logged_unless_asked_for(tmp_path):
    with serving(tmp_path) as server:
        assert httpx.get(server.url + "/livez").status_code == 200
        assert "/livez" not in server.log.read_text()
