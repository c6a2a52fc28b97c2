import dataclasses

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from app import held_out, manifest, store  # noqa: E402
from training.data import Labels  # noqa: E402
from training.evaluation.evaluate import evaluate  # noqa: E402
from training.publish import export, maps  # noqa: E402


def labelled(dataset, test_labels, names=("a", "b", "c")):
    numbers = np.asarray(test_labels, np.int64)
    empty = np.empty(0, np.int64)
    return dataclasses.replace(
        dataset, test=dataset.test[: len(numbers)], labels=Labels(names, empty, empty, numbers)
    )


def test_images_are_of_every_class_in_proportion_and_in_their_order(tiny_dataset, monkeypatch):
    monkeypatch.setattr(maps, "NUM_IMAGES", 10)
    dataset = labelled(tiny_dataset, [0] * 24 + [1] * 12 + [2])
    found = maps.chosen(dataset)
    # Of 37 images the shares are 6.5, 3.2 and 0.3; each class has at least its first one.
    assert np.bincount(found.classes).tolist() == [6, 3, 1]
    assert found.names == ("a", "b", "c")
    assert found.classes.tolist() == sorted(found.classes.tolist())
    assert np.array_equal(found.images[0], dataset.test[0])
    assert np.array_equal(found.images[-1], dataset.test[36])
    assert np.array_equal(maps.chosen(dataset).images, found.images)


def test_all_images_are_taken_if_they_are_few_and_fewer_if_they_are_large(tiny_dataset, monkeypatch):
    assert len(maps.chosen(tiny_dataset).images) == len(tiny_dataset.test) == 40
    assert maps.chosen(tiny_dataset).names == ()
    monkeypatch.setattr(maps, "MAX_VALUES", 7 * 30)  # of images of 6 x 5
    assert np.array_equal(maps.chosen(tiny_dataset).images, tiny_dataset.test[:7])


def test_as_many_images_are_taken_as_are_asked_for_however_large_they_are(tiny_dataset, monkeypatch):
    monkeypatch.setattr(maps, "NUM_IMAGES", 10)
    monkeypatch.setattr(maps, "MAX_VALUES", 7 * 30)
    assert np.array_equal(maps.chosen(tiny_dataset, 30).images, tiny_dataset.test[:30])
    assert len(maps.chosen(tiny_dataset, 1_000).images) == 40
    assert len(maps.chosen(tiny_dataset, 3).images) == 3


@pytest.mark.parametrize("axes", [1, 2])
def test_two_axes_are_the_map_themselves(axes):
    z_mean = np.random.default_rng(0).standard_normal((9, axes), np.float32)
    positions = maps.positions_of(z_mean)
    assert np.array_equal(positions[:, :axes], z_mean)
    assert not positions[:, axes:].any()


def test_more_axes_are_embedded_so_that_near_codes_stay_near_and_always_the_same_way():
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1, 2], 20)
    centres = 10 * np.eye(5, dtype=np.float32)[groups]
    z_mean = (centres + 0.5 * rng.standard_normal((60, 5))).astype(np.float32)
    positions = maps.positions_of(z_mean)
    assert positions.shape == (60, 2)
    assert positions.dtype == np.float32
    apart = np.linalg.norm(positions[:, None] - positions[None], axis=-1) + 1e9 * np.eye(60)
    assert (groups[apart.argmin(axis=1)] == groups).all()
    assert np.array_equal(maps.positions_of(z_mean), positions)


@pytest.mark.parametrize("z_mean", [np.ones((20, 3), np.float32), np.eye(4, dtype=np.float32)])
def test_too_few_codes_or_codes_that_do_not_vary_lie_at_their_first_two_axes(z_mean):
    assert np.array_equal(maps.positions_of(z_mean), z_mean[:, :2])


def test_a_service_reads_the_map_of_an_exported_version(tiny_run, tiny_model, tiny_dataset, tmp_path):
    report = evaluate(tiny_model, tiny_dataset, tiny_run)
    mapped = maps.chosen(labelled(tiny_dataset, [0, 1, 2] * 13))
    version = export.export(tiny_model, report, tiny_dataset.validation, tmp_path, mapped)
    served = store.scan(tmp_path).find("tiny")
    assert served.folder == version
    assert served.manifest.map == manifest.Map(
        path="map.npz", sprites="map.png", num_images=39, columns=7, classes=("a", "b", "c"), method="z_mean"
    )
    found = held_out.open_map(served)
    assert np.array_equal(found.images, np.round(mapped.images * 255).astype(np.uint8))
    assert np.array_equal(found.classes, mapped.classes)
    # As trained, so the published axes are the model's own: the same float32 graph.
    np.testing.assert_allclose(found.z_mean, tiny_model.encode(mapped.images).z_mean, atol=1e-6)
    assert np.array_equal(found.positions, found.z_mean)


def test_a_map_is_over_the_published_axes(tiny_run, tiny_model, tiny_dataset, tmp_path):
    config = tiny_model.config.replaced({"traversal.axis_order": "canonical"})
    model = dataclasses.replace(tiny_model, config=config)
    report = evaluate(model, tiny_dataset, tiny_run)
    mapped = maps.chosen(tiny_dataset)
    version = export.export(model, report, tiny_dataset.validation, tmp_path, mapped)
    from training.trained import TrainedModel

    published = TrainedModel.from_version(version).encode(mapped.images).z_mean
    found = held_out.open_map(store.scan(tmp_path).find("tiny"))
    np.testing.assert_allclose(found.z_mean, published, atol=1e-5)
    assert found.names == ()


def test_colour_images_stand_in_the_sheet_row_by_row(tmp_path):
    images = np.linspace(0, 1, 5, dtype=np.float32)[:, None, None, None] * np.ones((5, 2, 3, 3), np.float32)
    sheet = maps._sheet(images, 3)
    assert sheet.shape == (4, 9, 3)
    assert sheet[::2, ::3, 0].tolist() == [[0, 64, 128], [191, 255, 0]]
