import html
import json
import re

import pytest

from app.http.comparisons import facts_of, second_model
from app.main import create_app
from app.settings import Settings
from tests.conftest import SHIPPED_STORE, Client
from tests.fakes import pixels_of


@pytest.fixture(scope="module")
def shipped():
    client = Client(
        create_app(Settings(model_store=SHIPPED_STORE, default_model="fashion", worker_threads=1))
    )
    yield client
    client.close()


def test_the_second_model_is_another_one_with_images_of_the_same_shape(shipped):
    service = shipped.app.service
    first = service.models.find("fashion")
    assert second_model(service, first, None).name == "fashion-dense"
    assert second_model(service, first, "fashion-map").name == "fashion-map"


def test_a_store_of_one_model_is_told_that_there_is_no_other(client):
    assert "There is no other model" in client.get("/comparison").text


def test_the_page_shows_the_same_points_by_both_models_one_above_the_other(shipped):
    page = html.unescape(shipped.get("/comparison?model=fashion&with=fashion-map&seed=5").text)
    source = re.search(r'data-picture src="([^"]+)"', page)[1]
    whole = pixels_of(shipped.get(source).content)
    for row, name in enumerate(("fashion", "fashion-map")):
        alone = pixels_of(shipped.get(f"/samples?model={name}&seed=5&n=12&columns=12&render=mean").content)
        assert (whole[28 * row : 28 * (row + 1)] == alone).all()


def test_the_facts_are_those_of_the_manifests(shipped):
    version = shipped.app.service.models.find("fashion-dense")
    facts = facts_of(version)
    written = json.loads((version.folder / "manifest.json").read_text())
    assert facts["latent axes"] == str(written["latent_dim"])
    error = written["metrics"]["test"]["reconstruction_mse"]
    assert float(facts["mean squared error of reconstructions"]) == pytest.approx(error, abs=5e-5)
    bounds = written["metrics"]["bounds"]["log_p_x"]
    said = [name for name in facts if name.startswith("L_")]
    assert len(said) == len([each for each in bounds if each.get("bits_per_dim") is not None])


def test_kl_is_said_to_each_of_the_priors_that_it_is_measured_to(shipped):
    version = shipped.app.service.models.find("fashion")
    written = json.loads((version.folder / "manifest.json").read_text())
    facts = facts_of(version)
    standard = sum(axis["kl"] for axis in written["axes"])
    own = written["metrics"]["gap"]["priors"]["gaussian_mixture"]["kl"]
    assert facts["KL to N(0, I) of all axes, nats"] == f"{standard:.1f}"
    assert facts["KL to this prior, nats"] == f"{own:.1f}"
    assert own < standard - 10


def test_bits_of_a_density_have_a_note_and_those_of_levels_none(shipped):
    page = shipped.get("/comparison?model=fashion&with=fashion-dense").text
    assert "One seed, two models" in page
    assert "The likelihood of fashion-dense@7 is a density" in page
    assert "is a density" not in shipped.get("/comparison?model=fashion&with=fashion-map").text
    assert "The same points, two models" in shipped.get("/comparison?points=centre").text


def test_a_number_that_a_card_does_not_have_is_left_out(client):
    facts = facts_of(client.app.service.models.find("fake"))
    assert "mean squared error of reconstructions" not in facts
    assert facts["latent axes"]


def test_a_second_model_that_is_not_there_is_refused_by_a_page(shipped):
    answer = shipped.get("/comparison?with=nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
