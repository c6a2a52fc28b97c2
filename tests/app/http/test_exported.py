import json
import re

import pytest

from app.export.page import Source
from app.http.exported import pages
from app.models import Models
from app.settings import Settings
from app.store import scan
from tests.fakes import open_fake, write_version

LITERT = {"litert": "l/index.js", "loader": "l/l.js", "wasm": "l/l.wasm", "model": "model/decoder.tflite"}


def pages_of(folder):
    models = Models(scan(folder), open_fake, 1)
    pictures = [f"pictures/42-{k}.png" for k in range(21)]
    source = Source(Settings(model_store=folder, default_model="fake"), models)
    return pages(source, models.find("fake"), LITERT, pictures, 11_400_000, lambda *names: names)


@pytest.fixture
def found(fake_store):
    return pages_of(fake_store)


VIEWS = ("index.html", "explorer.html")


def test_there_are_a_gallery_and_an_explorer_that_lead_to_one_another(found):
    assert set(found) == {*VIEWS, "shortcuts.html"}
    for text in found.values():
        navigation = re.search(r"<nav aria-label=\"Site\">(.*?)</nav>", text, re.DOTALL)[1]
        assert re.findall(r'href="([^"]+)"', navigation) == ["./index.html", "./explorer.html"]
    assert 'aria-current="page">Explorer' in found["explorer.html"]


def test_the_gallery_shows_ready_pictures_that_lead_to_the_explorer(found):
    text = found["index.html"]
    assert re.findall(r'<img class="picture" src="([^"]+)"', text) == [
        f"./pictures/42-{k}.png" for k in range(21)
    ]
    assert re.search(r'href="\./explorer\.html\?model=fake@1-\w{12}&amp;at=seed:42/20"', text)


def test_the_keys_of_the_two_views_are_listed_and_those_of_no_other(found):
    text = found["shortcuts.html"]
    assert set(re.findall(r"</kbd></td><td>([^<]+)</td>", text)) == {"everywhere", "gallery", "explorer"}
    assert 'id="described"' not in text
    for text in found.values():
        assert re.findall(r'href="([^"]+)" data-shortcuts', text) == ["./shortcuts.html"]


def test_what_is_loaded_is_told_in_megabytes_before_it_is(found):
    for text in map(found.get, VIEWS):
        assert "the decoder is loaded once, 11.4 MB" in text
        assert '<progress value="0" max="11400000"' in text


def test_no_address_of_the_service_is_left(found):
    for text in found.values():
        for path in ("samples?", "decode?", "axes?", "models", "manual", "docs", "metrics"):
            assert f'="./{path}' not in text


def test_an_exported_gallery_shows_means_whatever_the_model_s_own_is(tmp_path):
    write_version(tmp_path, samples_render="draw")
    text = pages_of(tmp_path)["index.html"]
    assert json.loads(re.search(r'id="described">(.*?)</script>', text)[1])["samples_render"] == "mean"
    assert re.findall(r'name="render" value="(\w+)" checked', text) == ["mean"]
    assert "render=" not in text


def test_what_needs_the_service_is_hidden(found):
    text = found["explorer.html"]
    assert text.count('<p class="file" hidden>') == 3
    assert '<fieldset class="render" hidden>' in text
    assert 'value="density"' not in text


def test_the_module_is_told_where_its_files_are_and_which_ways_it_has(found):
    for text in map(found.get, VIEWS):
        described = json.loads(re.search(r'id="described">(.*?)</script>', text)[1])
        assert described["exported"] == {
            "pages": {"gallery": "index.html", "explorer": "explorer.html"},
            **LITERT,
        }
        assert described["paths"] == ["linear", "slerp"]
