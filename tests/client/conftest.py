from collections.abc import Iterator

import pytest

from app.settings import Settings
from tests.fakes import MIXTURE, write_version
from tests.serving import serving_fakes
from vitrine_client import Client


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running service with the fake model ``fake@1``, whose prior has two classes, and ``other@1``."""
    store = tmp_path_factory.mktemp("store")
    write_version(store, mixture=MIXTURE)
    write_version(store, "other")
    with serving_fakes(Settings(model_store=store, default_model="fake", worker_threads=2)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as client:
        yield client
