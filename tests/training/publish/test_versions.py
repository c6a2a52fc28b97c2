from pathlib import Path

from training.publish.versions import named, newest, standing_in_for


def test_a_run_that_lies_nowhere_has_the_newest_version_of_its_name_in_its_place(tmp_path, monkeypatch):
    """A published card names runs/fashion-dense, which only its author has."""
    monkeypatch.chdir(tmp_path)
    run = Path("runs/fashion-dense")
    assert standing_in_for(run) is None
    for version in ("9", "10", ".publishing-x"):
        (tmp_path / "model_store" / "fashion-dense" / version).mkdir(parents=True)
    assert standing_in_for(run) == Path("model_store/fashion-dense/10")
    run.mkdir(parents=True)
    assert standing_in_for(run) is None


def test_the_newest_version_is_the_one_with_the_highest_number(tmp_path):
    assert newest(tmp_path / "nowhere") is None
    assert newest(tmp_path) is None
    for name in ("2", "10", "9", ".publishing-11", "notes"):
        (tmp_path / name).mkdir()
    assert newest(tmp_path) == tmp_path / "10"


def test_a_reference_is_a_path_a_version_or_a_name(tmp_path):
    for number in ("1", "2"):
        (tmp_path / "pets" / number).mkdir(parents=True)
        (tmp_path / "pets" / number / "manifest.json").touch()
    assert named("pets@1", tmp_path) == tmp_path / "pets" / "1"
    assert named("pets", tmp_path) == tmp_path / "pets" / "2"
    assert named(str(tmp_path / "pets" / "1"), tmp_path) == tmp_path / "pets" / "1"
    assert named("pets@3", tmp_path) is None
    assert named("pets@one", tmp_path) is None
    assert named("cats", tmp_path) is None
