import json

import pytest

from tests.conftest import SHIPPED_STORE

pytestmark = pytest.mark.tensorflow

from training.card import model_card  # noqa: E402
from training.config import from_dict  # noqa: E402

VERSION = SHIPPED_STORE / "fashion-dense" / "2"


@pytest.fixture
def shipped_numbers():
    manifest = json.loads((VERSION / "manifest.json").read_text())
    recorded = manifest["training"] | {"image_shape": manifest["image"]["shape"]}
    return manifest, recorded, manifest["metrics"] | {"axes": manifest["axes"]}


def test_the_shipped_card_is_what_its_numbers_say_byte_for_byte(shipped_numbers):
    manifest, recorded, metrics = shipped_numbers
    config = from_dict(manifest["training"]["config"])
    assert model_card(config, recorded, metrics) == (VERSION / "card.md").read_text()


def test_a_card_of_other_images_speaks_of_them_and_not_of_clothes(shipped_numbers):
    manifest, recorded, metrics = shipped_numbers
    config = from_dict(manifest["training"]["config"] | {"data": "images"})
    card = model_card(config, recorded | {"data": {"name": "my `photos`"}}, metrics)
    assert "trained on the 55000 images of my__photos_." in card
    assert "--data my__photos_ --out" in card
    for word in ("Fashion-MNIST", "clothing"):
        assert word not in card
