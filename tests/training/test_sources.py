import hashlib
import json
import subprocess

import pytest

from tests.conftest import PROJECT
from training import sources


def package(tmp_path, **contents):
    """A package of files with these bytes, or texts."""
    folder = tmp_path / "training"
    for name, text in contents.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
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


def test_a_checkout_that_ends_lines_as_windows_does_has_the_same_digests(tmp_path, monkeypatch):
    texts = {"fit.py": "a = 1\nb = 2\n", "configs__x.toml": "b = 2\n"}
    here = package(tmp_path / "here", **texts)
    there = package(tmp_path / "there", **{k: t.replace("\n", "\r\n").encode() for k, t in texts.items()})
    assert (there / "fit.py").read_bytes() == b"a = 1\r\nb = 2\r\n"
    assert sources.digest(here) == sources.digest(there)
    monkeypatch.setattr(sources, "PACKAGE", there)
    monkeypatch.setattr(sources, "PINNED", there.parent / "train.txt")
    sources.PINNED.write_bytes(b"keras==3.15.1\r\n")
    assert sources.state()["requirements_sha256"] == hashlib.sha256(b"keras==3.15.1\n").hexdigest()


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


def test_variables_that_name_another_repository_do_not_mislead(checkout, tmp_path_factory, monkeypatch):
    own = sources.state()
    other = tmp_path_factory.mktemp("other")
    subprocess.run(["git", "-C", str(other), "init"], check=True, capture_output=True)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(checkout.parent))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / "index"))
    assert sources.state() == own
    assert own["changed"] is False


STATE = {"training_sha256": "one", "requirements_sha256": "pins", "commit": "c0ffee", "changed": False}


@pytest.fixture
def goes_on(tmp_path, monkeypatch):
    """What is remembered of a run that goes on, made of states so far, in the state that is now."""
    file = tmp_path / "sources.json"

    def remembered(before, now):
        file.write_text(before if isinstance(before, str) else json.dumps(before))
        monkeypatch.setattr(sources, "state", lambda: now)
        return sources.remembered(file, goes_on=True)

    return remembered


@pytest.mark.parametrize("changes", [{}, {"commit": "decade"}, {"changed": True}], ids=str)
def test_a_run_that_goes_on_after_another_commit_of_the_same_sources_has_the_state_of_its_start(
    goes_on, changes
):
    assert goes_on([STATE], STATE | changes) == [STATE]


@pytest.mark.parametrize("changes", [{"training_sha256": "two"}, {"requirements_sha256": "others"}], ids=str)
def test_a_run_that_goes_on_with_other_sources_or_pins_remembers_both(goes_on, changes):
    now = STATE | {"commit": "decade"} | changes
    assert goes_on([STATE], now) == [STATE, now]
    assert goes_on([STATE, now], now | {"commit": "facade"}) == [STATE, now]


@pytest.mark.parametrize("record", ["[]", "", "no json"])
def test_a_run_whose_record_says_nothing_was_begun_in_an_unknown_state(goes_on, record):
    assert goes_on(record, STATE) == [sources.UNRECORDED, STATE]
    assert goes_on([sources.UNRECORDED, STATE], STATE | {"commit": "decade"}) == [sources.UNRECORDED, STATE]


def test_a_run_that_is_older_than_the_record_was_begun_in_an_unknown_state(tmp_path):
    found = sources.remembered(tmp_path / "sources.json", goes_on=True)
    assert found == [sources.UNRECORDED, sources.state()]


def test_a_run_that_came_to_no_epoch_is_made_from_the_present_state_alone(tmp_path):
    file = tmp_path / "sources.json"
    file.write_text(json.dumps([STATE]))
    assert sources.remembered(file, goes_on=False) == [sources.state()]


def test_this_checkout_has_pinned_libraries():
    assert sources.PINNED == PROJECT / "requirements" / "train.txt"
    assert len(sources.state()["requirements_sha256"]) == 64
