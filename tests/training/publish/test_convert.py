import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from app import held_out, store  # noqa: E402
from app.runtimes.litert import LiteRTRuntime  # noqa: E402
from training.errors import DataError, RunError  # noqa: E402
from training.evaluation.evaluate import evaluate  # noqa: E402
from training.publish import convert, export  # noqa: E402
from training.trained import Posterior, TrainedModel  # noqa: E402


@pytest.fixture(scope="module")
def version(tiny_run, tiny_model, tiny_dataset, tmp_path_factory):
    report = evaluate(tiny_model, tiny_dataset, tiny_run)
    return export.export(tiny_model, report, tiny_dataset.validation, tmp_path_factory.mktemp("store"))


@pytest.fixture
def copied(version, tmp_path):
    return shutil.copytree(version, tmp_path / "tiny" / "1")


def test_the_next_version_has_the_same_weights_and_says_whose(copied):
    again = convert.convert(copied)
    assert again == copied.parent / "2"
    before, after = (TrainedModel.from_version(folder) for folder in (copied, again))
    z = np.random.default_rng(0).standard_normal((40, 2), np.float32)
    np.testing.assert_array_equal(before.decode(z), after.decode(z))
    runtime = LiteRTRuntime(again, 1)
    assert runtime.rows is None
    np.testing.assert_allclose(runtime.decode(z), after.decode(z), atol=1e-5)
    former, manifest = (json.loads((folder / "manifest.json").read_text()) for folder in (copied, again))
    assert manifest["training"].pop("converted_from") == {"version": 1, "digest": former["digest"]}
    own = ("digest", "files", "runtimes")
    assert {k: v for k, v in manifest.items() if k not in own} == {
        k: v for k, v in former.items() if k not in own
    }
    card = (again / "card.md").read_text()
    assert card == (copied / "card.md").read_text() + (
        f"\n## Converted\n\nAll numbers above were measured with version 1, digest `{former['digest']}`.\nThis "
        "version has the same weights: `vitrine-train convert` wrote the networks' files anew.\n"
    )


def test_what_is_converted_twice_says_once_with_which_version_its_numbers_were_measured(copied):
    second = convert.convert(copied)
    third = convert.convert(second)
    first, then = (json.loads((each / "manifest.json").read_text())["digest"] for each in (copied, second))
    card = (third / "card.md").read_text()
    assert card == (copied / "card.md").read_text() + (
        f"\n## Converted\n\nAll numbers above were measured with version 1, digest `{first}`.\nThis version has "
        "the same weights: `vitrine-train convert` wrote the networks' files anew, as version 2, digest "
        f"`{then}`, and again as this one.\n"
    )


def test_a_card_in_former_words_is_written_anew_with_the_paths_that_it_alone_records(copied):
    card = copied / "card.md"
    text = card.read_text()
    card.write_text(
        text.replace("- Decoder: ", "- The decoder: ").replace(
            "vitrine-train fit training/configs/tiny.toml",
            "vitrine-train fit 'my own.toml'",
        )
        + "\n## Converted\n\nThe weights are those of version 7, digest `abc`.\nAll numbers above were.\n"
    )
    again = (convert.convert(copied) / "card.md").read_text()
    assert "\n- Decoder: " in again
    assert "vitrine-train fit 'my own.toml' --seed" in again
    command = "    vitrine-train fit 'my own.toml' --data '../b c' --seed 3"
    assert convert._as_typed(f"Again:\n\n{command}\n") == {"config_file": "my own.toml", "source": "../b c"}
    assert "All numbers above were measured with version 7, digest `abc`.\n" in again
    assert again.count("## Converted") == 1


def test_numbers_that_no_card_has_now_leave_the_words_as_they_were(copied):
    manifest = json.loads((copied / "manifest.json").read_text())
    del manifest["metrics"]["bounds"]
    (copied / "manifest.json").write_text(json.dumps(manifest))
    (copied / "card.md").write_text("# Former words\n")
    assert (convert.convert(copied) / "card.md").read_text().startswith("# Former words\n\n## Converted\n")


@pytest.mark.parametrize(("said", "expected"), [(None, "mean"), ("draw", "draw")])
def test_what_samples_show_is_kept_or_if_no_key_says_it_that_of_the_likelihood(copied, said, expected):
    manifest = json.loads((copied / "manifest.json").read_text())
    assert manifest.pop("samples_render") == "mean"  # the likelihood is Gaussian
    manifest |= {} if said is None else {"samples_render": said}
    (copied / "manifest.json").write_text(json.dumps(manifest))
    again = json.loads((convert.convert(copied) / "manifest.json").read_text())
    assert again["samples_render"] == expected


def test_a_service_accepts_what_was_converted(copied):
    convert.convert(copied)
    found = store.scan(copied.parents[1])
    assert [version.number for version in found.versions["tiny"]] == [1, 2]
    assert found.rejected == {}


def test_a_version_of_other_weights_than_its_manifest_names_is_not_converted(copied):
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["training"]["weights_sha256"] = "0" * 64
    (copied / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunError, match="its weights are not those that its manifest names"):
        convert.convert(copied)
    assert [path.name for path in copied.parent.iterdir()] == ["1"]


def test_what_computes_something_else_is_not_published(copied, monkeypatch):
    written = export.write_decoder

    def of_other_weights(model, path, axes):
        model.decoder.weights[-1].assign_add(np.full(model.decoder.weights[-1].shape, 0.1, np.float32))
        written(model, path, axes)

    monkeypatch.setattr(export, "write_decoder", of_other_weights)
    with pytest.raises(RunError, match=r"tiny@1: decode differs by .*; nothing was published"):
        convert.convert(copied)
    assert [path.name for path in copied.parent.iterdir()] == ["1"]


def test_axes_are_found_again_whatever_their_order_and_direction():
    z_mean, z_log_var = np.random.default_rng(0).standard_normal((2, 50, 4)).astype(np.float32)
    z_mean[:, [1, 3]] = 0  # two dead axes, told apart by their variances alone
    order = [2, 0, 3, 1]
    turned = Posterior(z_mean[:, order] * np.float32([1, -1, 1, 1]), z_log_var[:, order])
    axes = convert._axes_between(Posterior(z_mean, z_log_var), turned, "name")
    assert (axes.order, axes.signs) == ((2, 0, 3, 1), (1, -1, 1, 1))
    with pytest.raises(RunError, match="cannot be told"):
        convert._axes_between(
            Posterior(z_mean, z_log_var), Posterior(z_mean[:, [0, 0, 1, 3]], z_log_var), "name"
        )


def test_a_version_is_converted_by_whatever_path_if_it_is_the_newest(copied, monkeypatch):
    monkeypatch.chdir(copied)
    again = convert.convert(Path())
    assert again == copied.parent / "2"
    assert sorted(path.name for path in copied.parent.iterdir()) == ["1", "2"]
    with pytest.raises(RunError, match="not the newest version of its model"):
        convert.convert(copied)


def test_draws_that_differ_are_not_published(copied, monkeypatch):
    def other(self, decoded, noise):
        return self.mean(decoded) + 0.1 * noise

    monkeypatch.setattr("training.models.likelihoods.gaussian.Gaussian.draw", other)
    with pytest.raises(RunError, match=r"draw differs in .* of the pixels; nothing was published"):
        convert.convert(copied)


def test_a_folder_that_is_no_version_is_refused(tmp_path):
    with pytest.raises(RunError, match="not a version of a model store"):
        convert.convert(tmp_path)


def without_scores(version):
    """Make of a version one that was published before there were scores."""
    manifest = json.loads((version / "manifest.json").read_text())
    del manifest["scores"], manifest["likelihood"]["log_level_width"]
    (version / "manifest.json").write_text(json.dumps(manifest))


def test_with_the_data_at_hand_a_version_of_before_scores_gets_them(copied, tiny_dataset, monkeypatch):
    published = json.loads((copied / "manifest.json").read_text())
    without_scores(copied)
    asked = []
    monkeypatch.setattr(convert.data, "load_again", lambda *given: asked.append(given) or tiny_dataset)
    again = convert.convert(copied, Path("images"))
    manifest = json.loads((again / "manifest.json").read_text())
    assert [given[1] for given in asked] == [Path("images")]
    assert manifest["likelihood"] == published["likelihood"]
    for key, value in manifest["scores"].items():
        # The same weights by a graph that was written to a file: float32 sums of some 30 nats.
        expected = published["scores"][key]
        assert value == (pytest.approx(expected, abs=1e-3) if isinstance(expected, list) else expected)
    assert store.scan(again.parents[1]).find("tiny").manifest.scores.num_images == 32


def test_with_the_data_at_hand_a_version_gets_a_map_which_the_next_one_keeps_without(
    copied, tiny_dataset, monkeypatch, tmp_path
):
    assert "map" not in json.loads((copied / "manifest.json").read_text())
    monkeypatch.setattr(convert.data, "load_again", lambda *given: tiny_dataset)
    again = convert.convert(copied)
    found = held_out.open_map(store.scan(tmp_path).find("tiny"))
    assert np.array_equal(found.images, np.round(tiny_dataset.test * 255).astype(np.uint8))
    z_mean = TrainedModel.from_version(again).encode(tiny_dataset.test).z_mean
    np.testing.assert_allclose(found.z_mean, z_mean, atol=1e-5)  # float32, of one graph written twice

    def gone(*given):
        raise DataError("no data")

    monkeypatch.setattr(convert.data, "load_again", gone)
    convert.convert(again, map_images=3)
    kept = held_out.open_map(store.scan(tmp_path).find("tiny@3"))
    assert np.array_equal(kept.z_mean, found.z_mean)


def test_a_map_has_as_many_images_as_are_asked_for(copied, tiny_dataset, monkeypatch, tmp_path):
    monkeypatch.setattr(convert.data, "load_again", lambda *given: tiny_dataset)
    convert.convert(copied, map_images=7)
    found = held_out.open_map(store.scan(tmp_path).find("tiny"))
    assert np.array_equal(found.images, np.round(tiny_dataset.test[:7] * 255).astype(np.uint8))


def test_without_the_data_a_version_is_converted_without_scores_and_the_reason_is_told(copied, caplog):
    without_scores(copied)
    manifest = json.loads((convert.convert(copied) / "manifest.json").read_text())
    assert "scores" not in manifest
    assert manifest["likelihood"]["log_level_width"] == -np.log(255)
    assert "scores: not measured, as that takes the data; nor is a map made" in caplog.text


def test_data_that_were_named_and_are_not_the_versions_own_are_refused(copied, tmp_path):
    with pytest.raises(DataError, match=r"has no train-images-idx3-ubyte\.gz"):
        convert.convert(copied, tmp_path)
    assert [path.name for path in copied.parent.iterdir()] == ["1"]
