import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from app.errors import ModelError
from app.export.page import Source, page_of
from app.models import Models
from app.pictures.grids import to_pixels
from app.runtimes import opener
from app.settings import Settings
from app.store import scan
from tests.conftest import FASHION, SHIPPED_STORE
from tests.fakes import open_fake


@pytest.fixture
def source():
    models = Models(scan(SHIPPED_STORE), opener("litert"), 1)
    return Source(Settings(model_store=SHIPPED_STORE), models)


@pytest.fixture
def model(source):
    return source.models.get(source.models.find(FASHION))


@pytest.fixture
def page(source, model, vendor):
    return page_of(source, model, vendor)


def test_every_file_that_a_page_names_is_there(page):
    for name in ("index.html", "explorer.html"):
        text = page.files[name].decode()
        named = re.findall(r'(?:src|href)="([^"#?]+)', text)
        assert named
        for address in named:
            assert address.removeprefix("./") in page.files, address
        described = json.loads(re.search(r'id="described">(.*?)</script>', text)[1])
        exported = described["exported"]
        assert {exported[key] for key in ("litert", "loader", "wasm", "model")} <= set(page.files)
        assert set(exported["pages"].values()) == {"index.html", "explorer.html"}


def test_its_policy_lets_nothing_in_from_another_host(page):
    for name in ("index.html", "explorer.html"):
        text = page.files[name].decode()
        policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1]
        assert "default-src &#39;none&#39;" in policy or "default-src 'none'" in policy
        assert "unsafe-inline" not in policy
        assert " style=" not in text
        assert not re.search(r'(?:src|href)="(?:https?:)?//', text)


def test_the_ready_pictures_are_the_levels_of_the_service(page, model):
    codes = model.prior.draw(42, 0, 21)
    expected = 255 - to_pixels(model.decode(codes))  # dark ink
    for k in (0, 20):
        found = np.asarray(Image.open(io.BytesIO(page.files[f"pictures/42-{k}.png"])))
        np.testing.assert_array_equal(found, expected[k])


def test_sizes_count_what_is_loaded_on_demand(page):
    demanded = [name for name in page.files if name.startswith("litert/")]
    demanded += ["model/decoder.tflite", "model/prior.bin"]
    assert page.on_demand == sum(len(page.files[name]) for name in demanded)
    assert page.num_bytes == sum(len(content) for content in page.files.values())
    assert page.difference.most == 0


def test_its_mark_says_what_it_was_made_of(page, model):
    about = json.loads(page.files["vitrine-page.json"])
    assert about["model"] == model.version.pinned
    assert about["litertjs"] == "2.5.3"
    assert about["compared"] == {"points": 500, "levels": 392000, "differ": 0, "most": 0}


def test_a_version_without_a_flatbuffer_is_refused(fake_store, vendor):
    models = Models(scan(fake_store), open_fake, 1)
    source = Source(Settings(model_store=fake_store), models)
    with pytest.raises(ModelError, match="no flatbuffer for LiteRT: publish it again"):
        page_of(source, models.get(models.find("fake")), vendor)
