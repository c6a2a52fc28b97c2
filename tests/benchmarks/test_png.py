from benchmarks import png
from tests.conftest import SHIPPED_STORE
from tests.fakes import write_version


def test_the_newest_version_is_measured_whatever_its_number(tmp_path):
    for number in (9, 10):
        write_version(tmp_path, number=number)
    assert png.newest(tmp_path, "fake").folder == tmp_path / "fake" / "10"


def test_the_model_that_is_measured_is_one_that_ships():
    assert png.newest(png.STORE, png.MODEL).folder.parent == SHIPPED_STORE / "fashion-dense"
