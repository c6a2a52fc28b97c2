import hashlib
import json
import subprocess

import pytest

from tests.conftest import PROJECT
from training import sources


def package(tmp_path, **contents):
    folder = tmp_path / "training"
    for name, text in contents.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_the_digest_is_that_of_the_lines_that_sha256sum_would_print(tmp_path):
    folder = package(tmp_path, **{"fit.py": "a = 1\n", "configs__x.toml": "b = 2\n", "notes.md": "no\n"})
    lines = "".join(
        f"{hashlib.sha256(text.encode()).hexdigest()} {name}\n"
        for name, text in [("configs/x.toml", "b = 2\n"), ("fit.py", "a = 1\n")]
    )
    assert sources.digest(folder) == hashlib.sha256(lines.encode()).hexdigest()


def test_the_digest_knows_every_character_and_name_of_a_module(tmp_path):
    digests = {
        sources.digest(package(tmp_path / str(number), **contents))
        for number, contents in enumerate(
            [{"fit.py": "a = 1\n"}, {"fit.py": "a = 2\n"}, {"fitted.py": "a = 1\n"}, {"fit.toml": "a = 1\n"}]
        )
    }
    assert len(digests) == 4


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with a training package of one module, committed."""
    folder = package(tmp_path, **{"fit.py": "a = 1\n"})

    def git(*arguments):
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *who, *arguments], check=True, capture_output=True)

    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    monkeypatch.setattr(sources, "PACKAGE", folder)
    monkeypatch.setattr(sources, "PINNED", tmp_path / "requirements" / "train.txt")
    return folder


def test_a_checkout_names_its_commit_and_says_whether_the_sources_changed_since(checkout):
    clean = sources.state()
    assert len(clean["commit"]) == 40
    assert clean["changed"] is False
    (checkout.parent / "README.md").write_text("not a source of training")
    assert sources.state() == clean
    (checkout / "fit.py").write_text("a = 2\n")
    assert sources.state() == clean | {"changed": True, "training_sha256": sources.digest(checkout)}


def test_pinned_libraries_are_part_of_the_state(checkout):
    assert "requirements_sha256" not in sources.state()
    sources.PINNED.parent.mkdir()
    sources.PINNED.write_text("keras==3.15.1\n")
    state = sources.state()
    assert state["requirements_sha256"] == hashlib.sha256(b"keras==3.15.1\n").hexdigest()
    assert state["changed"] is True  # the commit has no such file


def test_an_installation_has_no_commit_not_even_that_of_a_repository_around_it(checkout, monkeypatch):
    inner = checkout.parent / "site-packages" / "training"
    inner.mkdir(parents=True)
    monkeypatch.setattr(sources, "PACKAGE", inner)
    assert set(sources.state()) == {"training_sha256"}


def test_without_git_the_commit_is_left_out(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert set(sources.state()) == {"training_sha256"}


def test_a_run_that_goes_on_remembers_what_it_began_with(tmp_path, monkeypatch):
    file = tmp_path / "sources.json"
    monkeypatch.setattr(sources, "state", lambda: {"training_sha256": "one"})
    assert sources.remembered(file, resume=True) == [{"training_sha256": "one"}]
    file.write_text(json.dumps([{"training_sha256": "one"}]))
    assert sources.remembered(file, resume=True) == [{"training_sha256": "one"}]
    monkeypatch.setattr(sources, "state", lambda: {"training_sha256": "two"})
    assert sources.remembered(file, resume=True) == [{"training_sha256": "one"}, {"training_sha256": "two"}]
    assert sources.remembered(file, resume=False) == [{"training_sha256": "two"}]


def test_this_checkout_has_pinned_libraries():
    assert sources.PINNED == PROJECT / "requirements" / "train.txt"
    assert len(sources.state()["requirements_sha256"]) == 64
