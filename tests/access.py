"""Files of keys for tests, and a service that asks for them."""

import contextlib
import logging
import time
from urllib.parse import unquote

import pytest

from app.access import keys, signing
from app.main import create_app
from app.settings import Settings
from tests.fakes import open_fake

SECRET = b"0123456789abcdef0123456789abcdef"


@pytest.fixture
def make_key(tmp_path):
    """Adds a key to the file of keys, and returns it."""

    def make(name="press", images_per_minute=None, models=()):
        secret, key = keys.new(name, images_per_minute, models)
        with (tmp_path / "keys").open("a") as file:
            file.write(f"{key.line}\n")
        return secret

    return make


@pytest.fixture
def url_key(tmp_path):
    """A file with the secret of signed addresses."""
    path = tmp_path / "url.key"
    path.write_bytes(SECRET)
    return path


def signed(address, seconds=60):
    """An address with a signature that is good for some seconds."""
    path, _, query = address.partition("?")
    return f"{path}?{signing.sign(SECRET, unquote(path), query, int(time.time()) + seconds)}"


@contextlib.contextmanager
def requests_logged():
    """What the service logs of requests, from now on."""
    records = []
    logger, handler = logging.getLogger("vitrine.requests"), logging.Handler()
    handler.emit = records.append
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


@pytest.fixture
def guarded(tmp_path, fake_store):
    """Starts a service of the fake model with the file of keys."""
    from tests.conftest import Client  # which loads this module

    clients = []

    def start(**settings):
        given = {"model_store": fake_store, "default_model": "fake", "worker_threads": 2}
        if (tmp_path / "keys").exists():
            given["api_keys"] = tmp_path / "keys"
        clients.append(Client(create_app(Settings(**given | settings), open_fake)))
        return clients[-1]

    yield start
    for client in clients:
        client.close()
