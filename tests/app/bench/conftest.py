import pytest

from app.models import Models
from app.store import scan
from tests.fakes import open_fake
from tests.serving import serving_fakes


@pytest.fixture
def model(fake_store):
    models = Models(scan(fake_store), open_fake, 1)
    return models.get(models.find("fake"))


@pytest.fixture
def served(monkeypatch):
    """The settings of every server that was asked for; each serves fakes in a thread."""
    asked = []

    def serve(settings):
        asked.append(settings)
        return serving_fakes(settings)

    monkeypatch.setattr("app.bench.stages.serving", serve)
    return asked
