"""Images as a pure function of digest, seed and what is asked."""

import json

import numpy as np
import pytest

from app import store
from app.errors import InvalidParameter, ModelNotFound
from app.images import Asked, Maker, images
from app.models import Models
from tests.conftest import SHIPPED_STORE, SHIPPED_VERSION
from tests.fakes import MIXTURE, open_fake, pixels_of, write_version

DIGEST = json.loads((SHIPPED_VERSION / "manifest.json").read_text())["digest"]


@pytest.fixture
def maker(tmp_path):
    """Makes a maker of the fake model of two classes."""
    write_version(tmp_path / "made", mixture=MIXTURE)
    found = store.scan(tmp_path / "made")
    model = Models(found, open_fake, 1).get(found.find("fake"))
    return lambda **asked: Maker(model, Asked(**asked))


def test_a_stretch_is_a_part_of_every_longer_one():
    whole = images(DIGEST, 7, 0, 70, model_store=SHIPPED_STORE)
    assert whole.shape == (70, 28, 28)
    assert whole.dtype == np.uint8
    assert len(np.unique(whole.reshape(70, -1), axis=0)) == 70
    for start, count in [(0, 1), (31, 2), (33, 37), (69, 1)]:
        part = images(DIGEST[:12], 7, start, count, model_store=SHIPPED_STORE)
        assert np.array_equal(part, whole[start : start + count])


@pytest.mark.parametrize(
    ("asked", "query"),
    [
        ({}, ""),
        ({"render": "draw"}, "&render=draw"),
        ({"render": "mean", "temperature": 0.5}, "&render=mean&temperature=0.5"),
        ({"label": "High"}, "&label=High"),
        ({"prior": "standard_normal"}, "&prior=standard_normal"),
    ],
)
def test_they_are_the_images_of_the_service(client_of_classes, maker, asked, query):
    served = pixels_of(client_of_classes.get(f"/samples?seed=5&n=3&offset=2&ink=light{query}").content)
    drawn = maker(**asked).stretch(5, 2, 3).pixels
    assert np.array_equal(np.concatenate(drawn, axis=1), served)


def test_the_first_images_of_many_seeds_are_those_of_each(maker):
    made = maker(render="draw", temperature=1.5)
    seeds = [3, 0, 2**63 - 1, 3, *range(100, 160)]
    together = made.first_of(seeds)
    alone = [made.stretch(seed, 0, 1) for seed in seeds]
    assert np.array_equal(together.pixels, np.concatenate([each.pixels for each in alone]))
    assert np.array_equal(together.classes, np.concatenate([each.classes for each in alone]))


def test_the_classes_are_those_of_the_components_that_were_drawn_from(maker):
    made = maker(render="mean")
    drawn = made.first_of(range(400))
    # Class Low is drawn dark and class High light, by a tenth of the range for a unit of the code.
    assert np.array_equal(drawn.classes, (drawn.pixels[:, 0, 0] > 127).astype(int))
    # 0.75 of 400 draws with a standard error of 0.022; five of them.
    assert abs(drawn.classes.mean() - 0.75) < 0.11
    assert set(maker(label="Low").first_of(range(50)).classes) == {0}
    assert made.classes == ("Low", "High")


def test_a_prior_without_classes_gives_none(fake_store):
    found = store.scan(fake_store)
    made = Maker(Models(found, open_fake, 1).get(found.find("fake")), Asked())
    assert made.first_of([1, 2]).classes.shape == made.stretch(1, 0, 5).classes.shape == (0,)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": 4.5}, "temperature"),
        ({"label": "Hat"}, "label"),
        ({"prior": "flow"}, "prior"),
        ({"label": "Low", "prior": "standard_normal"}, "prior"),
    ],
)
def test_what_samples_refuses_is_refused(maker, asked, named):
    with pytest.raises(InvalidParameter, match=named):
        maker(**asked)


@pytest.mark.parametrize(("seed", "start", "count"), [(-1, 0, 1), (2**63, 0, 1), (0, -1, 1), (0, 0, 0)])
def test_numbers_out_of_range_are_refused(maker, seed, start, count):
    with pytest.raises(InvalidParameter, match=r"(start|count|seed): "):
        maker().stretch(seed, start, count)


@pytest.mark.parametrize("digest", ["0" * 64, DIGEST[:11], ""])
def test_an_unknown_or_too_short_digest_is_told_which_there_are(digest):
    with pytest.raises(ModelNotFound, match=f"fashion-dense@7-{DIGEST[:12]}"):
        images(digest, 0, 0, 1, model_store=SHIPPED_STORE)
