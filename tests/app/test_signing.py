import ast
import json
import re
import shutil
import stat
import sys

import pytest

from app import signing
from app.errors import StoreError
from app.main import create_app
from app.service import Service
from app.settings import Settings, SettingsError, load_settings
from app.store import scan
from tests.conftest import PROJECT, Client
from tests.fakes import open_fake, seal, write_version
from tests.flips import Copy, missed

pytest.importorskip("cryptography")


@pytest.fixture
def keys(tmp_path):
    """Two public keys with the files of their private ones."""
    return {signing.new_key(tmp_path / name): tmp_path / name for name in ("ours", "theirs")}


def sign(folder, key_file):
    return signing.sign(folder, (folder / "manifest.json").read_bytes(), signing.read_key(key_file))


def reason_of(store, trusted, version="fake/1"):
    try:
        return scan(store, trusted=frozenset(trusted)).rejected.get(version)
    except StoreError as error:
        return re.search(rf"{version}: (.*?)\. Make one", error.detail)[1]


def test_a_version_is_served_if_a_trusted_key_signed_it(tmp_path, keys):
    ours, theirs = keys
    sign(write_version(tmp_path / "store"), keys[ours])
    assert reason_of(tmp_path / "store", [ours]) is None
    assert reason_of(tmp_path / "store", [theirs, ours]) is None
    assert reason_of(tmp_path / "store", []) is None
    assert (
        reason_of(tmp_path / "store", [theirs]) == f"manifest.sig: signed by {ours}, which is no trusted key"
    )


def test_a_version_that_nobody_signed_is_refused_where_keys_are_trusted_and_the_one_before_serves(
    tmp_path, keys
):
    ours, _ = keys
    sign(write_version(tmp_path / "store", number=1), keys[ours])
    write_version(tmp_path / "store", number=2)
    found = scan(tmp_path / "store", trusted=frozenset([ours]))
    assert found.find("fake").number == 1
    assert found.rejected["fake/2"] == (
        "manifest.sig: missing; only versions are served that a trusted key has signed"
    )
    assert scan(tmp_path / "store").find("fake").number == 2


def test_a_signature_by_a_key_that_only_claims_another_is_refused(tmp_path, keys):
    ours, theirs = keys
    folder = write_version(tmp_path / "store")
    sign(folder, keys[theirs])
    line = (folder / "manifest.sig").read_bytes()
    signed = line.rpartition(b" ")[0].replace(theirs.encode(), ours.encode())
    checksum = signing._checksum(signed, (folder / "manifest.json").read_bytes())
    (folder / "manifest.sig").write_bytes(signed + b" " + checksum + b"\n")
    assert reason_of(tmp_path / "store", []) is None  # it is whole; nobody asks whose it is
    assert reason_of(tmp_path / "store", [ours]) == f"manifest.sig: not signed by {ours}, which it names"


def test_a_signature_of_another_manifest_is_refused_with_and_without_trusted_keys(tmp_path, keys):
    ours, _ = keys
    folder = write_version(tmp_path / "store")
    sign(folder, keys[ours])
    manifest = json.loads((folder / "manifest.json").read_text())
    seal(folder, manifest | {"samples_render": "draw"})
    for trusted in ([], [ours]):
        assert reason_of(tmp_path / "store", trusted) == "manifest.sig: damaged, or of another manifest"


@pytest.mark.fault(7)
@pytest.mark.parametrize("is_trusted", [False, True])
def test_a_flipped_byte_of_a_signed_version_is_found_in_every_file(tmp_path, keys, is_trusted, monkeypatch):
    ours, _ = keys
    copy = Copy(write_version(tmp_path / "store", number=2))
    write_version(tmp_path / "store", name="beside")
    sign(copy.folder, keys[ours])
    if is_trusted:
        sign(tmp_path / "store" / "beside" / "1", keys[ours])
        monkeypatch.setattr("tests.flips.scan", lambda store: scan(store, trusted=frozenset([ours])))
    assert copy.served()
    assert "manifest.sig" in [path.name for path in copy.files]
    assert missed(copy, 300) == []
    signature = (copy.folder / "manifest.sig").read_bytes()
    for position, byte in enumerate(signature):
        for bit in (1, 32):
            changed = signature[:position] + bytes([byte ^ bit]) + signature[position + 1 :]
            (copy.folder / "manifest.sig").write_bytes(changed)
            assert not copy.served(), position


@pytest.mark.fault(8)
def test_no_part_of_a_signature_is_served(tmp_path, keys):
    ours, _ = keys
    copy = Copy(write_version(tmp_path / "store", number=2))
    write_version(tmp_path / "store", name="beside")
    sign(copy.folder, keys[ours])
    signature = (copy.folder / "manifest.sig").read_bytes()
    for size in range(len(signature)):
        (copy.folder / "manifest.sig").write_bytes(signature[:size])
        assert not copy.served(), size
    (copy.folder / "manifest.sig").write_bytes(signature + b"\n")
    assert not copy.served()


@pytest.mark.bad_input(28)
def test_a_signature_that_is_a_link_or_a_folder_is_refused(tmp_path, keys):
    ours, _ = keys
    folder = write_version(tmp_path / "store")
    sign(folder, keys[ours])
    (folder / "manifest.sig").rename(tmp_path / "elsewhere")
    (folder / "manifest.sig").symlink_to(tmp_path / "elsewhere")
    assert reason_of(tmp_path / "store", [ours]) == "manifest.sig: no file of its own"
    (folder / "manifest.sig").unlink()
    (folder / "manifest.sig").mkdir()
    assert reason_of(tmp_path / "store", [ours]) == "manifest.sig: no file of its own"


def test_signing_again_replaces_the_signature_and_leaves_nothing_else(tmp_path, keys):
    ours, theirs = keys
    folder = write_version(tmp_path / "store")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    sign(folder, keys[theirs])
    assert sign(folder, keys[ours]) == ours
    assert reason_of(tmp_path / "store", [ours]) is None
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {path.name for path in after.keys() - before.keys()} == {"manifest.sig"}
    assert before.items() <= after.items()
    assert sorted(path.name for path in folder.parent.iterdir()) == ["1"]


def test_a_signed_version_has_the_digest_and_the_pictures_that_it_had(tmp_path, keys):
    ours, _ = keys
    folder = write_version(tmp_path / "store")
    pinned = scan(tmp_path / "store").find("fake").pinned
    sign(folder, keys[ours])
    settings = Settings(
        model_store=tmp_path / "store", default_model="fake", worker_threads=2, trusted_keys=ours
    )
    client = Client(create_app(settings, open_fake))
    try:
        assert client.get(f"/samples?model={pinned}&seed=1&n=1").status_code == 200
    finally:
        client.close()


def test_a_service_that_trusts_another_key_has_nothing_to_serve(tmp_path, keys):
    ours, theirs = keys
    sign(write_version(tmp_path / "store"), keys[ours])
    settings = Settings(model_store=tmp_path / "store", default_model="fake", trusted_keys=theirs)
    with pytest.raises(StoreError, match="is no trusted key"):
        Service(settings, open_fake).start()


def test_a_new_key_is_for_its_owner_alone_and_replaces_none(tmp_path):
    path = tmp_path / "key"
    public = signing.new_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (tmp_path / "key.pub").read_text() == f"{public}\n"
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        signing.new_key(path)
    assert path.read_bytes() == before
    (tmp_path / "key.pub").unlink()
    with pytest.raises(FileExistsError):
        signing.new_key(path)
    assert path.read_bytes() == before
    assert not (tmp_path / "key.pub").exists()


@pytest.mark.parametrize(
    "content", [b"", b"x" * 100, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_what_is_no_private_key_is_refused(tmp_path, content):
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ValueError, match="no private key of ed25519"):
        signing.read_key(tmp_path / "key")


A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("given", "keys"),
    [(A, {A}), (f"{A},{B}", {A, B}), (f" {A} , {B} ", {A, B}), (f"{A},{A}", {A})],
)
def test_keys_are_given_with_commas(given, keys):
    assert signing.parse_keys(given) == keys


def test_keys_are_given_by_a_file(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"# of the team\n{A} ada\n\n  {B}  # bob\n")
    assert signing.parse_keys(str(path)) == {A, B}


@pytest.mark.parametrize("content", [b"", b"# nobody\n", A[:63].encode(), A.upper().encode(), b"\xff\n"])
def test_a_file_without_keys_or_with_what_is_none_is_refused(tmp_path, content):
    (tmp_path / "keys").write_bytes(content)
    with pytest.raises(ValueError, match="expected"):
        signing.parse_keys(str(tmp_path / "keys"))


@pytest.mark.parametrize("given", ["/no/such/file", A[:10], f"{A},", f"{A};{B}", "/", "a\0b"])
def test_a_setting_that_names_no_key_ends_the_start_with_a_line(monkeypatch, given):
    if "\0" in given:
        with pytest.raises(ValueError, match="expected public keys"):
            signing.parse_keys(given)
        return
    monkeypatch.setenv("VITRINE_TRUSTED_KEYS", given)
    with pytest.raises(SettingsError, match=r"VITRINE_TRUSTED_KEYS=.*expected public keys") as caught:
        load_settings()
    assert "\n" not in str(caught.value)


def test_a_setting_that_is_blank_trusts_every_version(monkeypatch):
    monkeypatch.setenv("VITRINE_TRUSTED_KEYS", " ")
    assert load_settings().trusted == frozenset()


def test_without_the_library_the_setting_is_refused_with_what_installs_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setenv("VITRINE_TRUSTED_KEYS", A)
    with pytest.raises(SettingsError, match=r"pip install 'vitrine-vae\[signing\]'"):
        load_settings()
    with pytest.raises(signing.SigningUnavailable):
        signing.new_key(tmp_path / "key")
    assert list(tmp_path.iterdir()) == []


def test_a_key_file_that_is_gone_later_is_named(tmp_path):
    (tmp_path / "keys").write_text(A)
    settings = Settings(trusted_keys=str(tmp_path / "keys"))
    (tmp_path / "keys").unlink()
    with pytest.raises(StoreError, match="VITRINE_TRUSTED_KEYS: expected public keys, or a file"):
        _ = settings.trusted


def test_whoever_opens_versions_of_a_store_says_which_keys_are_trusted():
    calls = {
        path.relative_to(PROJECT).as_posix(): [
            call
            for call in ast.walk(ast.parse(path.read_text()))
            if isinstance(call, ast.Call)
            and ast.unparse(call.func) in ("scan", "store.scan", "survey", "store.survey", "StoreReader")
        ]
        for path in sorted((PROJECT / "app").rglob("*.py"))
    }
    assert sum(map(len, calls.values())) >= 9
    for path, found in calls.items():
        for call in found:
            named = any(each.arg == "trusted" for each in call.keywords)
            assert named or "trusted" in ast.unparse(call), f"{path}:{call.lineno}"


def test_copies_of_a_version_keep_its_signature(tmp_path, keys):
    ours, _ = keys
    folder = write_version(tmp_path / "store")
    sign(folder, keys[ours])
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    assert reason_of(tmp_path / "copy", [ours]) is None
