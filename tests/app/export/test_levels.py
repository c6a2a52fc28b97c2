import numpy as np
import pytest

from app.errors import ModelError
from app.export import levels
from app.models import Models
from app.runtimes import opener
from app.runtimes.one_row import one_row_decoder
from app.store import scan
from tests.conftest import SHIPPED_MODEL, SHIPPED_STORE


@pytest.fixture(scope="module")
def model():
    models = Models(scan(SHIPPED_STORE), opener("litert"), 1)
    return models.get(models.find(SHIPPED_MODEL))


def test_the_levels_of_500_points_are_those_of_the_service(model):
    found = levels.difference(model, one_row_decoder(model.version.folder))
    assert found == (500, 500 * 28 * 28, 0, 0)


def test_a_decoder_that_is_two_levels_away_is_refused(model, monkeypatch):
    def brighter(_, z):
        return model.decode(z) + np.float32(2 / 256)

    monkeypatch.setattr(levels, "decode_one_by_one", brighter)
    with pytest.raises(ModelError, match="differs by 2 levels"):
        levels.difference(model, b"")
