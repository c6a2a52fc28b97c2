import pytest

from app.models import Models
from app.store import scan
from tests.fakes import open_fake


@pytest.fixture
def model(fake_store):
    models = Models(scan(fake_store), open_fake, 1)
    return models.get(models.find("fake"))
