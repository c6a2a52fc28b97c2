import importlib.util

import pytest

from app import runtimes
from app.runtimes import LITERT_DECODER, LITERT_ENCODER, RuntimeUnavailable, choose


@pytest.fixture
def plain(tmp_path):
    return tmp_path


@pytest.fixture
def converted(tmp_path):
    for path in (LITERT_ENCODER, LITERT_DECODER):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_bytes(b"TFL3")
    return tmp_path


@pytest.fixture
def lack(monkeypatch):
    """Makes a module as good as not installed."""

    def lack(module):
        find = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else find(name))

    return lack


@pytest.mark.parametrize(
    ("choice", "chosen"), [("auto", "litert"), ("litert", "litert"), ("tensorflow",) * 2]
)
def test_a_version_with_flatbuffers_runs_on_either_and_rather_on_litert(converted, choice, chosen):
    assert choose(choice, converted) == chosen


@pytest.mark.parametrize("choice", ["auto", "tensorflow"])
def test_a_version_without_flatbuffers_runs_on_tensorflow(plain, choice):
    assert choose(choice, plain) == "tensorflow"


def test_one_flatbuffer_of_two_is_not_enough(converted):
    (converted / LITERT_ENCODER).unlink()
    assert choose("auto", converted) == "tensorflow"


def test_litert_asked_for_without_its_files_names_the_remedy(plain):
    with pytest.raises(RuntimeUnavailable, match=r"no flatbuffers.*VITRINE_RUNTIME=auto.*vitrine-train"):
        choose("litert", plain)


@pytest.mark.parametrize("choice", ["auto", "tensorflow"])
def test_where_the_project_is_not_as_in_the_container_the_remedy_needs_no_make_and_no_pip(
    plain, lack, monkeypatch, choice
):
    lack("tensorflow")
    monkeypatch.setattr(runtimes, "_MAKEFILE", plain / "Makefile")
    with pytest.raises(RuntimeUnavailable, match="vitrine-train export, which writes files") as refusal:
        choose(choice, plain)
    assert "make" not in str(refusal.value)
    assert "pip" not in str(refusal.value)


@pytest.mark.parametrize("choice", ["auto", "tensorflow"])
def test_tensorflow_that_is_needed_and_not_installed_names_the_remedy(plain, lack, choice):
    lack("tensorflow")
    with pytest.raises(RuntimeUnavailable, match=r"not installed.*pip install -e '\.\[tensorflow\]'"):
        choose(choice, plain)


def test_litert_needs_no_tensorflow_and_says_what_it_lacks_itself(converted, lack):
    lack("tensorflow")
    assert choose("auto", converted) == "litert"
    lack("ai_edge_litert")
    with pytest.raises(RuntimeUnavailable, match=r"litert, which is not installed: make serve"):
        choose("litert", converted)
