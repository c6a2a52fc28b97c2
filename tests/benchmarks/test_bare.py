import numpy as np
import pytest

from app import runtimes, store
from app.main import create_app
from app.models import Models
from app.settings import Settings
from benchmarks import bare
from tests.conftest import SHIPPED_STORE, Client
from tests.fakes import pixels_of


@pytest.fixture(scope="module")
def model():
    models = Models(store.scan(SHIPPED_STORE), runtimes.opener("litert"), 1)
    return models.get(models.find("fashion-dense@4"))


@pytest.mark.parametrize("render", ["mean", "draw"])
def test_the_loop_makes_the_same_picture_as_the_service(model, render, monkeypatch):
    made = []
    monkeypatch.setattr(bare, "encode_png", made.append)
    bare.picture(model, render, 21, 42)
    monkeypatch.undo()
    client = Client(create_app(Settings(default_model="fashion-dense@4", runtime="litert")))
    answer = client.get(f"/samples?n=21&seed=42&render={render}")
    client.close()
    assert np.array_equal(made[0], pixels_of(answer.content))


def test_shares_are_of_the_whole_loop(model):
    found = bare.measure(model, "mean", 3, 0.05)
    assert found.pictures_per_second > 0
    assert 0.5 < sum(found.shares.values()) <= 1
    assert "| fashion-dense@4 | litert | mean | 3 |" in bare.table([found])
