import pytest

from app import runtimes, store
from app.bench.loop import draw_picture
from app.main import create_app
from app.models import Models
from app.settings import Settings
from benchmarks import bare
from tests.conftest import SHIPPED_STORE, Client


@pytest.fixture(scope="module")
def model():
    models = Models(store.scan(SHIPPED_STORE), runtimes.opener("litert"), 1)
    return models.get(models.find("fashion-dense@7"))


@pytest.mark.parametrize("render", ["mean", "draw"])
def test_the_loop_makes_the_same_picture_as_the_service(model, render):
    png, _ = draw_picture(model, 21, 42, render)
    client = Client(create_app(Settings(default_model="fashion-dense@7", runtime="litert")))
    answer = client.get(f"/samples?n=21&seed=42&render={render}")
    client.close()
    assert png == answer.content


def test_shares_are_of_the_whole_loop(model):
    found = bare.measure(model, "mean", 3, 0.05)
    assert found.pictures_per_second > 0
    assert sum(found.shares.values()) == pytest.approx(1)
    assert "| fashion-dense@7 | litert | mean | 3 |" in bare.table([found])
