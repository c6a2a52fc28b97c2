"""The real thing: ``vitrine serve`` as a process, TensorFlow and all, asked over a socket."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest

from app import profiles
from tests.conftest import PROJECT, SHIPPED_VERSION
from tests.fakes import list_files, pixels_of, seal
from tests.serving import VITRINE, serving

pytestmark = [pytest.mark.process, pytest.mark.tensorflow]

SEEDED = "/samples?n=21&seed=42"
ROWS = (1, 2, 3, 4)  # of a picture


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.mark.parametrize("runtime", ["litert", "tensorflow"])
def test_a_seeded_address_gives_the_same_bytes_from_two_workers_after_a_restart_and_under_load(
    tmp_path, runtime
):
    computing = {"VITRINE_RUNTIME": runtime, "VITRINE_CACHE_BYTES": "0"}

    def asked_again_and_again(rows):
        url = f"{server.url}/samples?n={7 * rows}&seed=42"
        return {httpx.get(url, timeout=100).content for _ in range(25)}  # a connection each

    with serving(tmp_path, workers=2, **computing) as server:  # of which both are asked
        bodies = {rows: asked_again_and_again(rows) for rows in ROWS}
    # However slow the machine, all are to wait for their turn: it is bytes that are asked for here.
    patience = {"VITRINE_QUEUE_SECONDS": "60", "VITRINE_DEADLINE_SECONDS": "60"}
    with serving(tmp_path, **computing, **patience) as server:
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
            # Four askers, as each answer waits for its turn; each of its own address, as those who ask for the
            # same one at the same time share one computation.
            with ThreadPoolExecutor(4) as askers:
                for rows, found in zip(ROWS, askers.map(asked_again_and_again, ROWS), strict=True):
                    bodies[rows] |= found
        finally:
            stop.set()
            for client in clients:
                client.join()
        assert set(statuses) == {200}
        assert len(statuses) > 100  # it was a load
        five = pixels_of(httpx.get(f"{server.url}/samples?n=5&seed=42").content)
    assert {rows: len(found) for rows, found in bodies.items()} == dict.fromkeys(ROWS, 1)
    drawn = {rows: pixels_of(found.pop()) for rows, found in bodies.items()}
    whole = drawn[max(ROWS)]
    assert whole.shape == (112, 196)
    for rows, pixels in drawn.items():
        assert np.array_equal(pixels, whole[: 28 * rows])
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
        time.sleep(1)  # the other worker's counts are in its file within a tenth of that
        text = httpx.get(f"{server.url}/metrics").text
    counts = [
        float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.startswith("http_server_request_duration_seconds_count") and '"/samples"' in line
    ]
    assert counts == [40.0]


@pytest.mark.fault(2)
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


def workers_of(server):
    """Process ids of the worker processes, in the order in which they were started."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def eventually(found):
    """Wait until `found()` is true."""
    deadline = time.monotonic() + 120  # two workers start anew, on a machine that may do much else
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.fault(1)
def test_metrics_neither_break_serving_nor_lie_when_a_worker_or_their_folder_is_gone(tmp_path):
    long = {"VITRINE_MAX_IMAGES": "8000", "VITRINE_QUEUE_SECONDS": "60", "VITRINE_DEADLINE_SECONDS": "60"}
    long |= {"VITRINE_DRAIN_SECONDS": "0"}  # no load balancer is waited for at its end
    with serving(tmp_path, workers=2, TMPDIR=str(tmp_path), **long) as server:

        def waiting():
            text = httpx.get(f"{server.url}/metrics").text
            return re.search(r"^vitrine_queue_images (.*)$", text, re.MULTILINE)[1]

        def ask():  # for seconds of work, which nobody will do
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"{server.url}/samples?model=fashion&n=8000&render=draw", timeout=60)

        asking = threading.Thread(target=ask)
        asking.start()
        eventually(lambda: waiting() == "8000.0")
        before = workers_of(server)
        for pid in before:  # whichever has the request
            os.kill(pid, signal.SIGKILL)
        asking.join()
        eventually(lambda: len(set(workers_of(server)) - set(before)) == 2)
        eventually(lambda: server.log.read_text().count("Application startup complete") == 4)
        assert waiting() == "0.0"
        shutil.rmtree(next(tmp_path.glob("vitrine-metrics-*")))
        for _ in range(10):  # a connection each, so that both workers are asked
            asked = ("/samples?n=1", "/samples?n=0", "/nothing", "/metrics")
            assert [httpx.get(server.url + path).status_code for path in asked] == [200, 422, 404, 503]
        os.kill(workers_of(server)[0], signal.SIGKILL)  # the next one finds no folder
        eventually(lambda: server.log.read_text().count("Application startup complete") == 5)
        assert httpx.get(f"{server.url}/metrics").json()["type"] == "/problems/metrics-unavailable"
        assert httpx.get(f"{server.url}/samples?n=1").status_code == 200
        server.stop()
        assert "Traceback" not in server.log.read_text()


OF_A_PLATFORM = {
    "PROMETHEUS_MULTIPROC_DIR": "/nowhere",
    "prometheus_multiproc_dir": "/nowhere",
    "WEB_CONCURRENCY": "many",
    "FORWARDED_ALLOW_IPS": "*",
    "UVICORN_HOST": "0.0.0.0",  # noqa: S104
    "UVICORN_PORT": "1",
    "PORT": "1",
    "OMP_NUM_THREADS": "64",
    "OPENBLAS_NUM_THREADS": "many",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_NUM_INTRAOP_THREADS": "many",
    "PYTHONWARNINGS": "error",
    "LC_ALL": "POSIX",
    "KERAS_BACKEND": "torch",
    "VITRINE_PORT": "tcp://10.96.12.7:8000",
    "VITRINE_SERVICE_HOST": "10.96.12.7",
    "VITRINE_MODEL_PORT_8000_TCP_PORT": "8000",
    "VITRINE_HOST": "",
    "VITRINE_MODEL_STORE": " ",
}


def test_variables_that_a_platform_writes_neither_break_nor_open_nor_change_the_service(tmp_path):
    found = []
    for workers, environment in ((1, {}), (2, OF_A_PLATFORM)):
        with serving(tmp_path, workers=workers, **environment) as server:
            assert server.url.startswith("http://127.0.0.1:")
            assert httpx.get(f"{server.url}/metrics").status_code == 200
            found.append(httpx.get(server.url + SEEDED).content)
            log = server.log.read_text()
    assert found[0] == found[1]
    assert (
        log.count("are no settings: VITRINE_MODEL_PORT_8000_TCP_PORT, VITRINE_PORT, VITRINE_SERVICE_HOST")
        == 1
    )


@pytest.mark.fault(5)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_model_that_cannot_be_opened_ends_every_start_with_3_and_its_reason_once(tmp_path, workers):
    folder = tmp_path / "fashion-dense" / "7"
    shutil.copytree(SHIPPED_VERSION, folder)
    network = folder / "decoder" / "assets.extra" / "decoder.tflite"
    content = bytearray(network.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = b"\xff" * 4000  # weights that are no numbers, in a file that is whole
    network.write_bytes(content)
    seal(folder, json.loads((folder / "manifest.json").read_text()) | {"files": list_files(folder)})
    command = [VITRINE, "serve", "--port", "0", "--workers", workers, "--model-store", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    reason = (
        "the default model fashion-dense cannot be served: fashion-dense@7: the model's output is not finite"
    )
    assert done.stderr.count(reason) == 1
    assert done.stderr.count("fashion-dense@7") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.fault(5)
def test_a_worker_that_ends_before_it_serves_is_not_started_again_and_again(tmp_path):
    command = [VITRINE, "serve", "--port", "0", "--workers", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        eventually(lambda: workers_of(SimpleNamespace(process=process)))
        os.kill(workers_of(SimpleNamespace(process=process))[0], signal.SIGKILL)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the first worker was ended by signal 9 before it could serve; too little memory" in log


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
    assert lines["fashion-dense@7"].startswith("fashion-dense@7  28 x 28  10 axes")
    assert lines["fashion-dense@7"].endswith("litert")
    assert str(PROJECT) not in done.stdout


def test_requests_are_not_logged_unless_asked_for(tmp_path):
    with serving(tmp_path) as server:
        assert httpx.get(server.url + "/livez").status_code == 200
        assert "/livez" not in server.log.read_text()
