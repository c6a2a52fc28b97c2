import pytest

from benchmarks.routing import WAYS, application
from tests.conftest import Client


def test_every_way_gives_the_same_picture():
    pictures = set()
    for way in WAYS:
        client = Client(application(way))
        pictures.add(client.get("/samples?n=3&seed=1&model=fashion-dense").content)
        client.close()
    (picture,) = pictures
    assert picture.startswith(b"\x89PNG")


def test_another_way_is_an_error():
    with pytest.raises(ValueError, match="sideways"):
        application("sideways")
