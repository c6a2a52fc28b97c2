import json

import pytest
from click.testing import CliRunner

from app.cli import cli
from app.store import scan
from tests.fakes import write_version

pytest.importorskip("cryptography")


def run(*arguments):
    return CliRunner().invoke(cli, [str(each) for each in arguments])


@pytest.fixture
def key(tmp_path):
    made = run("keygen", tmp_path / "key")
    assert made.exit_code == 0
    return tmp_path / "key", made.stdout.strip()


def test_a_version_is_signed_by_a_key_and_served_where_that_is_trusted(tmp_path, key, monkeypatch):
    path, public = key
    write_version(tmp_path / "store", number=1)
    write_version(tmp_path / "store", number=2)
    done = run("sign", "fake@1", "--key", path, "--model-store", tmp_path / "store")
    assert done.exit_code == 0
    pinned = scan(tmp_path / "store").find("fake@1").pinned
    assert done.stdout == f"{pinned}: signed by {public}\n"
    shown = run("models", "show", "fake@1", "--json", "--model-store", tmp_path / "store")
    assert json.loads(shown.stdout)["signed_by"] == public
    shown = run("models", "show", "fake@2", "--json", "--model-store", tmp_path / "store")
    assert json.loads(shown.stdout)["signed_by"] is None
    monkeypatch.setenv("VITRINE_TRUSTED_KEYS", public)
    monkeypatch.setenv("VITRINE_DEFAULT_MODEL", "fake")
    listed = run("models", "--model-store", tmp_path / "store")
    assert "fake@1" in listed.output
    assert "manifest.sig: missing" in listed.output


def test_a_version_that_is_not_fit_is_not_signed(tmp_path, key):
    folder = write_version(tmp_path / "store", number=2)
    write_version(tmp_path / "store", number=1)
    (folder / "decoder" / "weights").write_bytes(b"changed")
    done = run("sign", "fake@2", "--key", key[0], "--model-store", tmp_path / "store")
    assert done.exit_code == 3
    assert "decoder/weights" in done.stderr
    assert not (folder / "manifest.sig").exists()


def test_a_key_that_is_there_is_kept(tmp_path, key):
    before = key[0].read_bytes()
    done = run("keygen", key[0])
    assert done.exit_code == 1
    assert "is there already, and stays; name another file" in done.stderr
    assert key[0].read_bytes() == before


@pytest.mark.parametrize("content", [None, b"no key"])
def test_a_key_that_cannot_be_used_is_named(tmp_path, content):
    write_version(tmp_path / "store")
    path = tmp_path / "other"
    if content is not None:
        path.write_bytes(content)
    done = run("sign", "fake@1", "--key", path, "--model-store", tmp_path / "store")
    assert done.exit_code == 2
    assert done.stderr.startswith(f"vitrine: {path}: ")
    assert done.stderr.count("\n") == 1
