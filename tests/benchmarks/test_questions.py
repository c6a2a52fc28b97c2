import collections
import functools
import io
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image

from benchmarks import questions
from benchmarks.questions import Version
from tests.conftest import FASHION

VERSION = Version("name@2", 3, ("Bag", "Coat"))


@functools.cache
def drawn(count=1000, seed=1):
    return questions.pictures(count, VERSION, np.random.default_rng(seed))


def test_the_same_generator_draws_the_same_requests():
    again = questions.pictures(100, VERSION, np.random.default_rng(1))
    assert drawn(100) == again
    assert drawn(100, seed=2) != again


def test_pictures_are_of_every_kind():
    kinds = collections.Counter((found.method, urlsplit(found.target).path) for found in drawn())
    assert set(kinds) - {("HEAD", "/samples.png")} == {  # one in a thousand
        *(("GET", "/samples"), ("HEAD", "/samples"), ("GET", "/samples.png"), ("GET", "/interpolate")),
        *(("GET", "/reconstruct"), ("POST", "/reconstruct")),
    }
    # Half, a fifth and 0.275 of 1,000, each within three standard errors of at most 16.
    assert 452 < sum(number for (_, path), number in kinds.items() if "samples" in path) < 548
    assert 162 < kinds["GET", "/interpolate"] < 238
    assert 232 < kinds["POST", "/reconstruct"] < 318


def test_every_picture_is_determined_by_its_request():
    for found in drawn() + questions.refusals(VERSION):
        path, query = urlsplit(found.target).path, urlsplit(found.target).query
        names = {name.lower() for name in parse_qs(query, keep_blank_values=True)}
        if path in ("/samples", "/samples.png") and found.method in ("GET", "HEAD"):
            assert "seed" in names or "unknown0" in names or "seeds" in names, found.target


def test_a_walk_names_at_most_one_way_to_hold_the_other_axes():
    walks = [parse_qs(urlsplit(found.target).query) for found in drawn() if "/interpolate" in found.target]
    assert not any({"seed", "z"} <= set(walk) for walk in walks)
    assert {len(walk["z"][0].split(",")) for walk in walks if "z" in walk} == {3}
    assert all(
        float(walk["low"][0]) <= float(walk["high"][0]) for walk in walks if {"low", "high"} <= set(walk)
    )


def test_images_are_of_every_format_and_can_be_opened():
    generator = np.random.default_rng(1)
    seen = set()
    for _ in range(200):
        extension, content = questions.image_file(generator)
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            assert image.format.lower() == extension
            seen.add((image.format, image.mode))
    assert {("PNG", mode) for mode in questions.MODES["PNG"]} <= seen
    assert {kind for kind, _ in seen} == set(questions.MODES)


def test_a_damaged_file_is_shorter_or_differs_in_one_byte():
    generator = np.random.default_rng(1)
    for _ in range(50):
        found = questions.damaged(b"content" * 10, generator)
        differing = sum(one != other for one, other in zip(found, b"content" * 10, strict=False))
        assert (len(found) < 70 and differing == 0) or (len(found) == 70 and differing == 1)


def test_refusals_try_every_parameter_and_repeat_none():
    found = questions.refusals(VERSION)
    targets = [(question.method, question.target) for question in found if question.method == "GET"]
    assert len(targets) == len(set(targets))
    for path, names in questions.PARAMETERS.items():
        for name in names:
            tried = [
                target for _, target in targets if target.startswith(f"{path}?") and f"{name}=" in target
            ]
            assert len(tried) >= len(questions.VALUES)


def test_a_request_can_be_found_again_from_what_is_printed():
    question = questions.Question("POST", "/reconstruct", {"Content-Type": "image/png"}, b"1234")
    assert str(question) == "POST /reconstruct Content-Type: image/png with 4 bytes"


@pytest.mark.parametrize("name", [FASHION, "fashion-dense@7", "fashion-map@5"])
def test_every_published_version_is_asked(name):
    found = {version.reference: version for version in questions.published()}
    assert found[name].latent_dim >= 2
    assert len(found[name].classes) in (0, 10)
