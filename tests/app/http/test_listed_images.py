"""The images of a map as a list."""

import re

import numpy as np
import pytest

from app import store
from app.http import listed_images as module
from app.http.listed_images import listed_images
from tests.fakes import CLASSES, MAP, write_version


@pytest.fixture
def version(tmp_path):
    write_version(tmp_path, mapped=MAP)
    return store.scan(tmp_path).find("fake")


def test_images_are_listed_in_their_order_with_their_classes_a_page_at_a_time(version, monkeypatch):
    monkeypatch.setattr(module, "PAGE", 4)
    first = listed_images(version, "", "")
    names = [CLASSES[number] for number in MAP["classes"]]
    assert first.images == tuple(enumerate(names))[:4]
    assert (first.following, first.total) == (4, 6)
    last = listed_images(version, "", "4")
    assert last.images == tuple(enumerate(names))[4:]
    assert (last.following, last.total) == (None, 6)


def test_images_of_a_class_keep_their_numbers(version, monkeypatch):
    monkeypatch.setattr(module, "PAGE", 2)
    found = listed_images(version, CLASSES[1], "2")
    assert found.images == ((5, CLASSES[1]),)
    assert (found.name, found.following, found.total) == (CLASSES[1], None, 3)
    assert listed_images(version, CLASSES[1], "0").following == 2


@pytest.mark.parametrize("first", ["6", "-1", "1.0", "\uff11", "9" * 30, "x"])
def test_what_is_no_page_is_the_first(version, first):
    assert listed_images(version, "no such class", first).images[0] == (0, CLASSES[0])


def test_images_without_classes_are_listed_too(tmp_path):
    write_version(tmp_path, mapped=MAP | {"classes": np.empty(0, np.int32)})
    found = listed_images(store.scan(tmp_path).find("fake"), CLASSES[0], "")
    assert found.images == tuple((k, "") for k in range(6))


def test_a_version_without_a_map_has_no_list_and_its_page_names_models_that_have_one(
    client, client_of_a_map, tmp_path
):
    write_version(tmp_path / "plain")
    assert listed_images(store.scan(tmp_path / "plain").find("fake"), "", "") is None
    page = client.get("/test-set").text
    assert "fake@1 has no map" in page
    assert "No model of this service has one." in page
    assert "<canvas" not in page


def test_the_page_has_a_link_for_every_image_and_every_class(client_of_a_map):
    page = client_of_a_map.get("/test-set").text
    links = re.findall(r'href="\./(explorer\?[^"]*at=map:[0-9]+)"', page)
    assert [link.rsplit(":", 1)[1] for link in links] == list("012345")
    assert all(client_of_a_map.get("/" + link.replace("&amp;", "&")).status_code == 200 for link in links)
    for name in CLASSES:
        (link,) = re.findall(rf'href="\./(test-set\?[^"]*class={name}#list)"', page)
        of_class = client_of_a_map.get("/" + link.replace("&amp;", "&")).text
        assert f"3 of 3 images of the class {name}" in of_class
