import errno
import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app import store
from app.errors import ModelGone, ModelNotFound, ModelUnavailable, StoreError
from tests.conftest import SHIPPED_STORE, SHIPPED_VERSION
from tests.fakes import MIXTURE, digest_of, list_files, record, seal, write_version
from tests.messages import node, saved_model

LITERT = {
    "encoder": "encoder/assets.extra/encoder.tflite",
    "decoder": "decoder/assets.extra/decoder.tflite",
    "rows": 32,
}


def reason(folder, name="fake"):
    with pytest.raises(store.InvalidVersion) as caught:
        store.check(folder, name)
    return str(caught.value)


def references(found):
    return [version.reference for version in found.all]


@pytest.fixture
def version(tmp_path):
    return write_version(tmp_path / "store")


def rewrite(folder, **changes):
    manifest = json.loads((folder / "manifest.json").read_text())
    seal(folder, manifest | changes)


def test_a_version_as_published_is_accepted(version):
    manifest = store.check(version, "fake")
    assert (manifest.latent_dim, manifest.image.shape) == (2, (8, 8))


def test_a_store_offers_every_version_and_the_newest_for_a_bare_name(tmp_path):
    for number in (1, 2, 10):
        write_version(tmp_path, number=number)
    found = store.scan(tmp_path)
    assert references(found) == ["fake@1", "fake@2", "fake@10"]
    assert found.find("fake").number == 10
    assert found.find("fake@2").number == 2


def test_an_unknown_model_is_answered_with_the_known_ones(tmp_path):
    write_version(tmp_path)
    with pytest.raises(ModelNotFound, match="fake@1"):
        store.scan(tmp_path).find("fake@3")


@pytest.mark.parametrize("content", ["nothing here", None])
def test_a_store_without_a_model_says_how_to_make_one(tmp_path, content):
    folder = tmp_path / "store"
    if content:
        folder.mkdir()
    with pytest.raises(StoreError, match="vitrine-train"):
        store.scan(folder)


@pytest.mark.fault(7)
def test_a_flipped_byte_in_any_file_rejects_the_version_and_the_previous_one_serves(tmp_path):
    write_version(tmp_path, number=1)
    newest = write_version(tmp_path, number=2)
    for path in [path for path in newest.rglob("*") if path.is_file()]:
        original = path.read_bytes()
        path.write_bytes(bytes([original[0] ^ 1]) + original[1:])
        found = store.scan(tmp_path)
        assert found.find("fake").number == 1
        assert "fake/2" in found.rejected
        path.write_bytes(original)
    assert store.scan(tmp_path).find("fake").number == 2


@pytest.mark.fault(8)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(data=st.data())
def test_a_half_copied_version_does_not_exist(tmp_path, data):
    shutil.rmtree(tmp_path / "whole", ignore_errors=True)
    shutil.rmtree(tmp_path / "copy", ignore_errors=True)
    whole = write_version(tmp_path / "whole")
    files = sorted(path for path in whole.rglob("*") if path.is_file())
    for path in data.draw(st.permutations(files))[: data.draw(st.integers(0, len(files) - 1))]:
        target = tmp_path / "copy" / "1" / path.relative_to(whole)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    (tmp_path / "copy" / "1").mkdir(parents=True, exist_ok=True)
    assert reason(tmp_path / "copy" / "1")


@pytest.mark.parametrize(
    ("shape", "ground", "polarity", "ink"),
    [
        ([8, 8], None, "dark", "dark"),  # a version of before the key
        ([8, 8], "dark", "dark", "dark"),
        ([8, 8], "light", "light", "light"),
        ([8, 8], "mixed", None, "light"),
        ([8, 8, 3], None, None, "light"),
        ([8, 8, 3], "dark", None, "light"),
        ([8, 8, 3], "light", None, "light"),
    ],
)
def test_the_ground_of_the_data_decides_polarity_and_ink(tmp_path, shape, ground, polarity, ink):
    image = {"shape": shape, "value_range": [0, 1]} | ({"ground": ground} if ground else {})
    write_version(tmp_path, image=image)
    found = store.scan(tmp_path).find("fake").manifest.image
    assert (found.polarity, found.ink) == (polarity, ink)


@pytest.mark.parametrize(("changes", "render"), [({}, "mean"), ({"samples_render": "draw"}, "draw")])
def test_samples_show_means_unless_the_manifest_says_draws(tmp_path, changes, render):
    write_version(tmp_path, **changes)
    assert store.scan(tmp_path).find("fake").manifest.samples_render == render


def test_a_render_that_nobody_knows_is_refused_by_name(tmp_path):
    assert "samples_render: Input should be 'mean' or 'draw'" in reason(
        write_version(tmp_path, samples_render="mode")
    )


def test_a_ground_that_nobody_knows_is_refused_by_name(tmp_path):
    folder = write_version(tmp_path, image={"shape": [8, 8], "ground": "blue"})
    assert reason(folder) == "manifest.json: image.ground: Input should be 'dark', 'light' or 'mixed'"


def test_a_missing_file_is_named(version):
    (version / "decoder" / "weights").unlink()
    assert reason(version) == "decoder/weights: missing"


def test_an_added_file_is_named(version):
    (version / "decoder" / "extra").write_text("x")
    assert reason(version) == "decoder/extra: not listed in the manifest"


def test_a_link_out_of_the_store_is_refused(version, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes((version / "decoder" / "weights").read_bytes())
    (version / "decoder" / "weights").unlink()
    (version / "decoder" / "weights").symlink_to(secret)
    assert "symbolic link" in reason(version)


def test_a_version_that_is_itself_a_link_is_refused(tmp_path):
    real = write_version(tmp_path / "elsewhere")
    (tmp_path / "store" / "fake").mkdir(parents=True)
    (tmp_path / "store" / "fake" / "1").symlink_to(real)
    assert "symbolic link" in reason(tmp_path / "store" / "fake" / "1")


def test_a_model_whose_folder_is_a_link_is_refused(tmp_path):
    write_version(tmp_path / "elsewhere", name="linked")
    write_version(tmp_path / "store")
    (tmp_path / "store" / "linked").symlink_to(tmp_path / "elsewhere" / "linked")
    found = store.scan(tmp_path / "store")
    assert references(found) == ["fake@1"]
    assert "symbolic link" in found.rejected["linked"]


def test_a_reason_is_printable_whatever_the_file_is_called(tmp_path):
    write_version(tmp_path)
    (write_version(tmp_path, number=2) / os.fsdecode(b"odd\xff")).write_text("x")
    assert store.scan(tmp_path).rejected["fake/2"].isascii()


def test_a_path_that_leaves_the_version_is_never_read(version):
    files = list_files(version)
    files[0] |= {"path": "../../../etc/passwd"}
    rewrite(version, files=files)
    assert "missing" in reason(version)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"format_version": 2}, "format_version"),
        ({"latent_dim": 3}, "axes"),
        ({"latent_dim": 0}, "latent_dim"),
        ({"image": {"shape": [8]}}, "image.shape"),
        ({"name": "other"}, "name"),
        ({"walk": {"axis": 2}}, "walk.axis"),
        ({"examples": ["examples/9.png"]}, "examples"),
        ({"image": {"shape": [0, 8]}}, "image.shape"),
        ({"walk": {"axis": 0, "low": 1.0, "high": None}}, "walk"),
        ({"walk": {"axis": 0, "low": 1.0, "high": -1.0}}, "walk"),
        ({"walk": {"axis": 0, "low": -9.0, "high": 1.0}}, "walk.low"),
        ({"walk": {"axis": 0, "steps": 65}}, "walk.steps"),
        ({"axes": [{"kl": 1, "mean": 0, "std": 1, "quantiles": {"0.025": 9, "0.975": 10}}] * 2}, "axes.0"),
        ({"prior": {"name": "flow"}}, "prior.name"),
        ({"runtimes": {"litert": {"encoder": "x", "decoder": "y", "rows": 32}}}, "runtimes.litert"),
        ({"runtimes": {"litert": LITERT | {"rows": 8}}}, "runtimes.litert.rows"),
        ({"runtimes": {"litert": LITERT}}, "not among the files"),
        ({"prior": {"name": "gaussian_mixture"}}, "prior"),
        ({"prior": {"name": "gaussian_mixture", "path": "prior.npz"}}, "prior.npz is not among the files"),
        ({"prior": {"name": "standard_normal", "path": "encoder/weights"}}, "prior"),
        ({"prior": {"name": "standard_normal", "classes": ["a"]}}, "prior"),
        ({"axes": [{"kl": 1, "mean": 0, "std": 1, "quantiles": {}}] * 2}, "axes.0"),
    ],
)
def test_a_manifest_that_contradicts_itself_or_the_format_is_refused(version, changes, word):
    rewrite(version, **changes)
    assert word in reason(version)


def test_a_manifest_edited_after_publishing_is_refused(version):
    path = version / "manifest.json"
    path.write_text(path.read_text().replace('"kl": 1.0', '"kl": 2.0'))
    assert "digest" in reason(version)


@pytest.mark.parametrize("content", ["", "[]", "{", "nan", "[" * 100_000])
def test_a_manifest_that_is_not_a_json_object_is_refused(version, content):
    (version / "manifest.json").write_text(content)
    assert "JSON" in reason(version)


@pytest.mark.parametrize("name", [".publishing-x", "0", "01", "v1", "1.0"])
def test_a_folder_whose_name_is_no_version_number_is_left_alone(tmp_path, name):
    write_version(tmp_path)
    shutil.copytree(tmp_path / "fake" / "1", tmp_path / "fake" / name)
    found = store.scan(tmp_path)
    assert references(found) == ["fake@1"]
    assert found.rejected == {}


def test_a_walk_without_ends_uses_the_axis_own_range(version):
    assert store.check(version, "fake").walk_range(0) == (-1.5, 2.5)


def test_a_walk_with_ends_uses_them(version):
    rewrite(version, walk={"axis": 0, "low": -0.8, "high": 0.8, "steps": 7})
    assert store.check(version, "fake").walk_range(1) == (-0.8, 0.8)


@pytest.mark.parametrize(
    "changes",
    [
        {"likelihood": {"name": "gaussian", "parameters": {"variance": float("nan")}, "noise_shape": [8, 8]}},
        {"likelihood": {"name": "gaussian", "parameters": {"a": float("inf")}, "noise_shape": [8, 8]}},
        {"likelihood": {"name": "caf\udce9", "parameters": {}, "noise_shape": [8, 8]}},
        {"likelihood": {"name": "gaussian", "parameters": {"\udce9": 1}, "noise_shape": [8, 8]}},
    ],
)
def test_a_manifest_that_no_answer_could_carry_is_refused(version, changes):
    rewrite(version, **changes)
    assert "not finite, or what is no text" in reason(version)


def test_names_of_classes_differ(tmp_path):
    prior = {"name": "gaussian_mixture", "path": "prior.npz", "classes": ["a", "b", "a"]}
    assert "names that differ" in reason(write_version(tmp_path, mixture=MIXTURE, prior=prior))


def test_a_class_that_is_called_by_a_number_is_no_name(tmp_path):
    prior = {"name": "gaussian_mixture", "path": "prior.npz", "classes": ["a", 1]}
    assert "classes" in reason(write_version(tmp_path, mixture=MIXTURE, prior=prior))


def test_a_version_that_the_scan_refused_is_asked_for_with_its_reason(tmp_path):
    write_version(tmp_path, "good")
    (write_version(tmp_path, "mine") / "decoder" / "weights").write_text("changed")
    (write_version(tmp_path, "good", 2) / "decoder" / "weights").write_text("changed")
    found = store.scan(tmp_path)
    for reference, version in (("mine", "mine@1"), ("mine@1", "mine@1"), ("good@2", "good@2")):
        with pytest.raises(ModelUnavailable) as refusal:
            found.find(reference)
        assert refusal.value.detail == (
            f"{version} is in the store, and cannot be served here: decoder/weights: changed since it was "
            "published (SHA-256 differs). Ask for one of good@1."
        )
    assert found.find("good").reference == "good@1"
    with pytest.raises(ModelNotFound, match=r"expected one of good@1\. Received: mine@2"):
        found.find("mine@2")


@pytest.mark.parametrize("unreadable", ["store", "model", "version"])
def test_a_folder_that_may_not_be_read_is_refused_with_the_reason(tmp_path, monkeypatch, unreadable):
    write_version(tmp_path, "good")
    version = write_version(tmp_path, "mine")
    refused = {"store": tmp_path, "model": version.parent, "version": version}[unreadable]
    iterdir, is_symlink = Path.iterdir, Path.is_symlink

    def may(method):
        def ask(path):
            if path == refused:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return method(path)

        return ask

    monkeypatch.setattr(Path, "iterdir", may(iterdir))
    if unreadable == "version":
        monkeypatch.setattr(Path, "is_symlink", may(is_symlink))
    if unreadable == "store":
        with pytest.raises(
            StoreError, match=r"cannot be read \(Permission denied\)\. Let who serves read it"
        ):
            store.scan(tmp_path)
        return
    found = store.scan(tmp_path)
    assert list(found.versions) == ["good"]
    assert [reason for reason in found.rejected.values() if "Permission denied" in reason]


@pytest.fixture
def retired(tmp_path):
    """A store of versions 1 and 3, whose version 2 was published and deleted; and the digest of that one."""
    digests = [record(write_version(tmp_path, number=number, note=str(number))) for number in (1, 2, 3)]
    shutil.rmtree(tmp_path / "fake" / "2")
    return store.scan(tmp_path), digests


@pytest.mark.parametrize("written", ["fake@2", "fake@2-{}"])
def test_a_deleted_version_is_gone_and_its_digest_and_what_there_is_are_named(retired, written):
    found, (_, digest, _) = retired
    reference = written.format(digest[:12])
    with pytest.raises(ModelGone) as refusal:
        found.find(reference)
    assert refusal.value.status == 410
    assert refusal.value.detail == (
        f"{reference} was published as digest {digest}, and has been deleted. Ask for one of fake@1, fake@3."
    )
    assert refusal.value.faults[0].received == reference
    assert found.deleted == {f"fake@2-{digest[:12]}": digest}
    assert found.find("fake").number == 3


def test_a_deleted_version_of_another_digest_or_a_number_never_used_is_not_found(retired):
    found, (first, _, _) = retired
    for reference in (
        f"fake@2-{first[:12]}",
        "fake@4",
        f"fake@4-{first[:12]}",
        "fake@02",
        "fake@",
        "fake@2-",
    ):
        with pytest.raises(ModelNotFound, match="expected one of fake@1, fake@3") as refusal:
            found.find(reference)
        assert type(refusal.value) is ModelNotFound


def test_a_pinned_reference_names_its_version_and_no_other(retired):
    found, (first, _, third) = retired
    assert found.find("fake").pinned == f"fake@3-{third[:12]}"
    assert found.find(f"fake@1-{first[:12]}").number == 1
    with pytest.raises(ModelNotFound) as refusal:
        found.find(f"fake@3-{first[:12]}")
    assert (refusal.value.status, type(refusal.value)) == (404, ModelNotFound)
    right = f"fake@3-{third[:12]}"
    assert refusal.value.faults[0].remedy == f"Version 3 of fake has another digest; ask for {right}."
    assert f"expected one of {right}. Received: fake@3-{first[:12]}" in refusal.value.detail


@pytest.mark.parametrize("digits", [0, 11, 13, 64])
def test_a_reference_has_twelve_digits_of_the_digest(retired, digits):
    found, (first, _, _) = retired
    with pytest.raises(ModelNotFound):
        found.find(f"fake@1-{first[:digits]}")


def test_a_digest_in_a_reference_is_in_lower_case(retired):
    found, (first, _, _) = retired
    assert first[:12].upper() != first[:12]
    with pytest.raises(ModelNotFound):
        found.find(f"fake@1-{first[:12].upper()}")


def test_a_model_whose_folder_is_gone_is_remembered(tmp_path):
    digests = [record(write_version(tmp_path, "old", number, note=str(number))) for number in (1, 2)]
    write_version(tmp_path, "new")
    shutil.rmtree(tmp_path / "old")
    found = store.scan(tmp_path)
    assert found.names == {"new"}
    for reference, version, digest in (
        ("old@1", "old@1", digests[0]),
        ("old@2", "old@2", digests[1]),
        ("old", "old@2", digests[1]),  # its newest
    ):
        with pytest.raises(ModelGone) as refusal:
            found.find(reference)
        assert refusal.value.detail == (
            f"{version} was published as digest {digest}, and has been deleted. Ask for one of new@1."
        )


def test_of_a_number_that_was_used_twice_every_digest_is_gone_and_all_are_named(tmp_path):
    write_version(tmp_path, number=2)
    digests = []
    for note in ("before", "after"):
        digests.append(record(write_version(tmp_path, note=note)))
        shutil.rmtree(tmp_path / "fake" / "1")
    found = store.scan(tmp_path)
    for reference in ("fake@1", *(f"fake@1-{digest[:12]}" for digest in digests)):
        with pytest.raises(ModelGone, match=f"digest {digests[0]} and {digests[1]}, and has been deleted"):
            found.find(reference)


def test_a_version_that_replaced_another_is_served_and_the_replaced_one_is_gone(tmp_path):
    before = record(write_version(tmp_path, note="before"))
    shutil.rmtree(tmp_path / "fake" / "1")
    after = record(write_version(tmp_path, note="after"))
    found = store.scan(tmp_path)
    assert found.find("fake@1").manifest.digest == found.find(f"fake@1-{after[:12]}").manifest.digest == after
    assert found.rejected == {}
    with pytest.raises(ModelGone, match=f"digest {before}, and"):
        found.find(f"fake@1-{before[:12]}")


def test_a_version_whose_number_was_published_as_another_is_refused_and_the_one_before_serves(tmp_path):
    record(write_version(tmp_path, number=1))
    former = record(write_version(tmp_path, number=2, note="former"))
    shutil.rmtree(tmp_path / "fake" / "2")
    successor = digest_of(write_version(tmp_path, number=2, note="successor"))
    found = store.scan(tmp_path)
    assert found.find("fake").number == 1
    said = f"version 2 was published as digest {former}, not {successor}; a number is never used again"
    assert found.rejected == {"fake/2": said}
    for reference in ("fake@2", f"fake@2-{former[:12]}", f"fake@2-{successor[:12]}"):
        with pytest.raises(ModelUnavailable, match="a number is never used again"):
            found.find(reference)


def test_a_version_that_cannot_be_read_is_not_said_to_be_deleted(tmp_path):
    write_version(tmp_path, "good")
    damaged = write_version(tmp_path, "mine")
    linked = write_version(tmp_path / "elsewhere", "linked")
    for folder in (damaged, linked):
        record(folder)
    (damaged / "decoder" / "weights").write_text("changed")
    (tmp_path / "linked").symlink_to(linked.parent)
    with (tmp_path / "published.jsonl").open("a") as file:
        file.write((tmp_path / "elsewhere" / "published.jsonl").read_text())
    found = store.scan(tmp_path)
    for reference in ("mine@1", "mine", "linked", "linked@1"):
        with pytest.raises(ModelUnavailable):
            found.find(reference)
    assert found.gone == {}


def test_a_version_that_is_published_while_the_store_is_read_is_not_said_to_be_deleted(tmp_path, monkeypatch):
    write_version(tmp_path)
    models = store._models

    def meanwhile(folder):
        found = models(folder)
        record(write_version(tmp_path, "late"))
        return found

    monkeypatch.setattr(store, "_models", meanwhile)
    assert store.scan(tmp_path).gone == {}


def test_a_version_that_is_known_is_not_read_again_and_one_of_another_digest_is_refused_all_the_same(
    tmp_path,
):
    folder = write_version(tmp_path)
    version = store.scan(tmp_path).find("fake")
    (folder / "decoder" / "weights").write_bytes(b"changed since")
    known = {folder: version}.get
    assert store.scan(tmp_path, known).find("fake") is version
    line = {"model": "fake", "version": 1, "digest": "0" * 64}
    (tmp_path / "published.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(StoreError, match="a number is never used again"):
        store.scan(tmp_path, known)


@pytest.mark.fault(7)
@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_program_with_an_operation_that_is_not_allowed_is_refused_by_name_and_the_version_before_serves(
    tmp_path, part
):
    write_version(tmp_path, number=1)
    newest = write_version(tmp_path, number=2)
    (newest / part / "saved_model.pb").write_bytes(saved_model((node("x", "ReadFile"),)))
    rewrite(newest, files=list_files(newest))
    for _ in range(2):  # the second time, from what was found before
        found = store.scan(tmp_path)
        assert references(found) == ["fake@1"]
        assert found.rejected["fake/2"] == f"{part}/saved_model.pb: operation ReadFile is not allowed"


@pytest.mark.parametrize("name", ["saved_model.pbtxt", "saved_model.cpb"])
def test_a_graph_in_another_form_which_tensorflow_would_prefer_is_refused(version, name):
    (version / "decoder" / name).write_bytes(b"node { op: 'ReadFile' }")
    rewrite(version, files=list_files(version))
    assert reason(version) == f"decoder/{name}: a second form of a SavedModel; only saved_model.pb is served"


def test_what_is_no_flatbuffer_is_refused_before_a_runtime_sees_it(version):
    (version / "decoder" / "decoder.tflite").write_bytes(b"x" * 100)
    rewrite(version, files=list_files(version))
    assert reason(version).startswith("decoder/decoder.tflite: not a flatbuffer for LiteRT")


@pytest.mark.fault(12)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"latent_dim": 9}, "decode: z is (-1, 10); expected (rows, 9), as the manifest says"),
        ({"image": {"shape": [28, 27]}}, "decode: image is (-1, 28, 28); expected (rows, 28, 27)"),
        ({"likelihood": {"name": "gaussian", "noise_shape": [28]}}, "draw: noise is (-1, 28, 28); expected"),
    ],
)
def test_a_version_whose_programs_have_other_shapes_than_its_manifest_says_is_refused(
    tmp_path, changes, reason
):
    shutil.copytree(SHIPPED_VERSION, tmp_path / "fashion-dense" / "1")
    write_version(tmp_path)
    manifest = json.loads((SHIPPED_VERSION / "manifest.json").read_text())
    changes = {"axes": manifest["axes"][: changes.get("latent_dim", 10)], "walk": {}} | changes
    rewrite(tmp_path / "fashion-dense" / "1", **changes)
    refused = store.scan(tmp_path).rejected["fashion-dense/1"]
    assert refused.startswith(f"decoder/assets.extra/decoder.tflite: {reason}")


def test_the_shipped_versions_have_allowed_operations_alone():
    assert store.scan(SHIPPED_STORE).rejected == {}
