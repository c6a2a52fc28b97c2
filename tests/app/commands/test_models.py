"""``vitrine models`` and what stands behind it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app import labels
from app.cli import cli
from app.labels import Labels
from tests.conftest import FASHION, SHIPPED_STORE
from tests.fakes import digest_of, record, write_version

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with ``fake`` 1 and 2."""
    for number in (1, 2):
        write_version(tmp_path, number=number)
    return tmp_path


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("VITRINE_MODEL_STORE", str(folder))
    monkeypatch.setenv("VITRINE_DEFAULT_MODEL", "fake")
    return lambda *arguments: CliRunner().invoke(cli, ["models", *arguments])


def test_the_bare_command_lists_as_list_does(run: Run, folder: Path) -> None:
    labels.write(folder / "fake", Labels(stable=1, canary=2, canary_share=0.1))
    bare, listed = run(), run("list")
    assert bare.output == listed.output
    lines = [line.split() for line in bare.stdout.splitlines()]
    assert [(line[0], line[8:10]) for line in lines] == [
        ("fake@1", ["stable,", "tensorflow"]),
        ("fake@2", ["canary", "10%,"]),
    ]
    assert run("--json").output == run("list", "--json").output == run("--json", "list").output


def test_options_may_stand_before_the_name_of_the_command(
    run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    write_version(other, "else")
    found = json.loads(run("--model-store", str(other), "--json", "verify").output)
    assert found == {"verified": ["else@1"], "rejected": {}}


def test_labels_that_cannot_be_used_are_told_beside_the_list(run: Run, folder: Path) -> None:
    (folder / "fake" / "labels.json").write_text("{}x")
    done = run()
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr.startswith(str(folder / "fake" / "labels.json"))


def test_show_tells_of_the_version_that_answers_to_the_name(run: Run, folder: Path) -> None:
    labels.write(folder / "fake", Labels(stable=1))
    found = json.loads(run("show", "fake", "--json").output)
    assert found["pinned"] == f"fake@1-{digest_of(folder / 'fake' / '1')[:12]}"
    assert found["answers_to_name"] is True
    assert json.loads(run("show", "fake@2", "--json").output)["answers_to_name"] is False
    text = run("show", "fake").output
    assert "labels        stable, answers to the bare name\n" in text
    assert f"digest        {found['digest']}\n" in text
    assert f"folder        {folder / 'fake' / '1'}\n" in text


def test_show_measures_the_memory_of_a_real_model(run: Run) -> None:
    found = json.loads(run("show", FASHION, "--json", "--model-store", str(SHIPPED_STORE)).output)
    assert 1e6 < found["memory_bytes"] < 300e6
    assert found["card"] == str(SHIPPED_STORE / "fashion" / "8" / "card.md")
    assert found["data"]["name"] == "fashion-mnist"


def test_show_of_what_is_not_there_exits_3_and_of_a_deleted_version_tells_its_digest(
    run: Run, folder: Path
) -> None:
    done = run("show", "mine")
    assert (done.exit_code, "expected one of fake@1, fake@2" in done.stderr) == (3, True)
    digest = record(write_version(folder, number=3))
    assert run("remove", "fake@3", "--force").exit_code == 0
    done = run("show", "fake@3")
    assert (done.exit_code, digest in done.stderr) == (3, True)


def test_verify_says_ok_or_why_not_and_exits_by_it(run: Run, folder: Path) -> None:
    done = run("verify")
    assert (done.exit_code, done.output) == (0, "fake@1  ok\nfake@2  ok\n")
    (folder / "fake" / "2" / "decoder" / "weights").write_text("decodes")
    (folder / "fake" / "labels.json").write_text("{")
    done = run("verify")
    assert done.exit_code == 1
    assert "fake@1       ok\n" in done.output
    assert "fake@2       decoder/weights: changed since it was published (SHA-256 differs)\n" in done.output
    assert "fake@labels  " in done.output
    assert run("verify", "fake@1").exit_code == 0
    assert run("verify", "fake@2").exit_code == 1
    found = json.loads(run("verify", "fake", "--json").output)
    assert found["verified"] == ["fake@1"]
    assert sorted(found["rejected"]) == ["fake@2", "fake@labels"]


def test_verify_tells_of_a_store_in_which_nothing_can_be_served(run: Run, folder: Path) -> None:
    for number in ("1", "2"):
        (folder / "fake" / number / "manifest.json").unlink()
    done = run("verify")
    assert (done.exit_code, done.output) == (1, "fake@1  no manifest.json\nfake@2  no manifest.json\n")


def test_verify_of_nothing_exits_3(run: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = str(tmp_path_factory.mktemp("empty"))
    assert run("verify", "--model-store", empty).exit_code == 3
    assert run("verify", "mine").exit_code == 3
    assert run("verify", "--model-store", f"{empty}/none").exit_code == 3


def test_promote_canary_rollback_and_what_they_print(run: Run, folder: Path) -> None:
    assert run("promote", "fake@1").output == "fake: stable 1, previous 2\n"
    done = run("promote", "fake", "--canary")
    assert done.output == "fake: stable 1, canary 2 for 10% of its requests, previous 2\n"
    assert labels.read(folder / "fake").canary_share == 0.1
    found = json.loads(run("promote", "fake@2", "--json").output)
    assert found["model"] == "fake"
    assert (found["stable"], found["previous"][0], found["canary"]) == (2, 1, None)
    assert run("rollback", "fake").output == "fake: stable 1, previous 2\n"


def test_options_that_contradict_each_other_exit_2(run: Run, folder: Path) -> None:
    assert run("promote", "fake@1", "--share", "0.5").exit_code == 2
    assert run("promote", "fake@1", "--canary", "--share", "1.5").exit_code == 2
    assert run("--memory", "show", "fake").exit_code == 2
    done = run("rollback", "fake")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert not (folder / "fake" / "labels.json").exists()


def test_a_version_that_does_not_verify_is_not_promoted(run: Run, folder: Path) -> None:
    (folder / "fake" / "2" / "decoder" / "weights").write_text("changed")
    done = run("promote", "fake@2")
    assert done.exit_code == 3
    assert "decoder/weights" in done.stderr
    assert run("promote", "fake@9").exit_code == 3


def test_remove_prints_what_is_gone_and_needs_force_for_what_answers(run: Run, folder: Path) -> None:
    digest = digest_of(folder / "fake" / "1")
    done = run("remove", "fake@2")
    assert done.exit_code == 2
    assert done.stderr == (
        "vitrine: fake@2 is what requests for fake get: promote another one first, or say --force\n"
    )
    found = json.loads(run("remove", "fake@1", "--json").output)
    assert (found["model"], found["digest"]) == ("fake@1", digest)
    assert run("remove", "fake@1").exit_code == 3


@pytest.mark.fault(16)
def test_where_nothing_can_be_written_labels_and_versions_stay_as_they_are(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("promote", "fake@1").exit_code == 0
    before = (folder / "fake" / "labels.json").read_bytes()

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.labels.os.fsync", full)
    for words in (("promote", "fake@2"), ("rollback", "fake"), ("remove", "fake@2")):
        done = run(*words)
        assert done.exit_code == 1
        assert "No space left on device" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert (folder / "fake" / "labels.json").read_bytes() == before
    assert run("verify").exit_code == 0
    assert [path.name for path in (folder / "fake").iterdir() if ".labels" in path.name] == []
