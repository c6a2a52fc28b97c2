import contextlib
import signal
import socket
import subprocess
import sys
import time

import pytest

from app.bench.serving import Client, ServerFailed, serving
from app.main import create_app
from app.settings import Settings
from tests.conftest import PROJECT, SHIPPED_MODEL
from tests.fakes import open_fake, pixels_of
from tests.serving import serving_in_a_thread


@pytest.fixture
def port(settings):
    with serving_in_a_thread(create_app(settings, open_fake)) as port:
        yield port


def test_one_connection_brings_one_picture_after_another(port):
    with contextlib.closing(Client(port)) as client:
        first, other, again = (client.get(f"/samples?n=21&seed={seed}") for seed in (1, 2, 1))
    assert pixels_of(first).shape == (24, 56)
    assert first == again
    assert first != other


def test_a_picture_of_more_than_one_read_arrives_whole(port):
    with contextlib.closing(Client(port)) as client:
        assert pixels_of(client.get("/samples?n=400&zoom=8&render=draw")).shape == (58 * 64, 7 * 64)


def test_another_answer_than_200_is_an_error_that_shows_it(port):
    with contextlib.closing(Client(port)) as client:
        with pytest.raises(ServerFailed, match=r"n=0 of the server .* 422, .*invalid-parameter"):
            client.get("/samples?n=0")
        assert client.get("/samples?n=1")  # the connection goes on


def test_an_answer_that_breaks_off_is_an_error():
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        contextlib.closing(Client(listening.getsockname()[1])) as client,
    ):
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        with pytest.raises((ServerFailed, ConnectionError)):
            client.get("/samples")


def refused(port, seconds=20):
    """Whether a port stops taking connections."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.process
def test_a_server_has_the_settings_opens_every_model_and_ends_with_the_block():
    settings = Settings(default_model=SHIPPED_MODEL, max_images=3, workers=2, port=1)
    with serving(settings) as port, contextlib.closing(Client(port)) as client:
        assert pixels_of(client.get("/samples?n=3")).shape == (28, 84)
        with pytest.raises(ServerFailed, match="VITRINE_MAX_IMAGES"):
            client.get("/samples?n=4")
        ready = client.get("/readyz").decode()
        assert all(name in ready for name in ('"fashion@', '"fashion-dense@', '"fashion-map@'))
    assert refused(port, 0.5)


@pytest.mark.process
def test_a_server_ends_with_an_error_in_the_block():
    with pytest.raises(ZeroDivisionError), serving(Settings(default_model=SHIPPED_MODEL)) as port:
        raise ZeroDivisionError
    assert refused(port, 0.5)


@pytest.mark.process
def test_a_server_that_does_not_start_says_why(tmp_path):
    with (
        pytest.raises(ServerFailed, match=f"did not start: vitrine: {tmp_path}: no model that can be served"),
        serving(Settings(model_store=tmp_path)),
    ):
        pass


# The command's end while the server runs.
COMMAND = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has its background commands ignore it
from app.bench.serving import serving
from app.settings import Settings
with serving(Settings(default_model="fashion-dense@7")) as port:
    print(port, flush=True)
    time.sleep(100)
"""


@pytest.mark.process
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_server_ends_with_the_command_however_that_ends(how):
    command = subprocess.Popen(
        [sys.executable, "-c", COMMAND],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with command:
        port = int(command.stdout.readline())
        command.send_signal(how)
        command.wait(30)
    assert refused(port)
