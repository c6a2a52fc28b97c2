import pytest

from app.access import files, keys
from app.access.callers import Callers


@pytest.fixture
def found(tmp_path, monkeypatch):
    """The file of keys of one name, and a function that writes it anew with a budget."""
    monkeypatch.setattr(files, "LOOK_SECONDS", 0.0)
    secret, key = keys.new("press", 60)
    path = tmp_path / "keys"

    def write(images_per_minute):
        path.write_text(key._replace(images_per_minute=images_per_minute).line)

    write(60)
    return path, secret.encode(), write


def test_a_budget_lasts_while_the_file_says_the_same_number(found):
    path, secret, write = found
    callers = Callers(path)
    budget = callers.find(secret).budget
    path.write_text(f"# a comment more\n{path.read_text()}")
    assert callers.find(secret).budget is budget
    write(90)
    assert callers.find(secret).budget.per_minute == 90
    write(None)
    assert callers.find(secret).budget is None


@pytest.mark.parametrize(("processes", "share"), [(1, 60), (4, 15), (7, 9)])
def test_each_of_several_processes_has_its_share(found, processes, share):
    path, secret, _ = found
    assert Callers(path, processes).find(secret).budget.per_minute == share
