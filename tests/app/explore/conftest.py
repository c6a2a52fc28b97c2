import pytest

from app.models import Model
from app.store import scan
from tests.fakes import MAP, MIXTURE, FakeRuntime, write_version


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    write_version(folder)
    return Model(scan(folder).find("fake"), FakeRuntime())


@pytest.fixture(scope="module")
def of_classes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes")
    write_version(folder, mixture=MIXTURE)
    return Model(scan(folder).find("fake"), FakeRuntime())


@pytest.fixture(scope="module")
def of_a_map(tmp_path_factory):
    folder = tmp_path_factory.mktemp("map")
    write_version(folder, mapped=MAP)
    return Model(scan(folder).find("fake"), FakeRuntime())


@pytest.fixture(scope="module")
def of_draws(tmp_path_factory):
    """Of classes, and its manifest says that samples are draws."""
    folder = tmp_path_factory.mktemp("draws")
    write_version(folder, mixture=MIXTURE, samples_render="draw")
    return Model(scan(folder).find("fake"), FakeRuntime())
