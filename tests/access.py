"""Files of keys for tests, and a service that asks for them."""

import pytest

from app.access import keys
from app.main import create_app
from app.settings import Settings
from tests.fakes import open_fake


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
