"""Networks from elsewhere as a trained model of the project."""

import numpy as np
import pytest

from tests.strangers import blobs, linear_pair
from training.errors import RunError

pytestmark = pytest.mark.tensorflow

IMAGES = blobs(96, size=8)


@pytest.fixture
def pair(tmp_path):
    from training.publish.importing import layouts, measuring, networks

    for name, model in zip(("encoder", "decoder"), linear_pair(IMAGES), strict=True):
        model.save(tmp_path / f"{name}.keras")
    networks_ = [networks.load(tmp_path / f"{name}.keras") for name in ("encoder", "decoder")]
    layout = layouts.Layout("flat", (8, 8))
    return measuring.measure(*networks_, layout, layout, IMAGES), *networks_


def test_the_model_encodes_and_decodes_as_the_files_do_with_the_measured_variance(pair):
    from training.publish.importing.adapting import adapted

    found, encoder, decoder = pair
    model, moved, why = adapted("mine", found, encoder, decoder, IMAGES, None)
    assert moved is None
    assert model.likelihood.name == "gaussian"
    assert "black or white" in why
    posterior = model.encode(IMAGES)
    np.testing.assert_allclose(posterior.z_mean, encoder(IMAGES.reshape(96, 64))["z_mean"], atol=1e-5)
    np.testing.assert_allclose(np.exp(posterior.z_log_var / 2), 0.1, rtol=1e-5)
    decoded = model.decode(posterior.z_mean)
    assert decoded.shape == (96, 8, 8)
    error = float(np.mean((decoded - IMAGES) ** 2))
    assert error <= model.likelihood.parameters["variance"] < 2 * error + 0.01


def test_black_and_white_pictures_are_coins(pair):
    from training.publish.importing.adapting import adapted

    found, encoder, decoder = pair
    binary = (IMAGES > 0.5).astype(np.float32)
    model, _, _ = adapted("mine", found, encoder, decoder, binary, None)
    assert model.likelihood.name == "bernoulli"
    plain, _, _ = adapted("mine", found, encoder, decoder, IMAGES, "gaussian")
    z = model.encode(IMAGES).z_mean
    np.testing.assert_allclose(model.decode(z), np.clip(plain.decode(z), 1e-6, 1 - 1e-6), atol=1e-5)


def test_codes_without_a_width_get_variance_one_and_the_width_of_the_best_elbo(pair):
    import dataclasses

    from training.publish.importing.adapting import WIDTHS, adapted

    found, encoder, decoder = pair
    alone = dataclasses.replace(found, spread=None)
    model, moved, _ = adapted("mine", alone, encoder, decoder, IMAGES, "gaussian")
    posterior = model.encode(IMAGES)
    np.testing.assert_allclose(posterior.z_mean.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(posterior.z_mean.std(axis=0), 1, rtol=1e-4)
    assert moved.width in WIDTHS
    np.testing.assert_allclose(np.exp(posterior.z_log_var / 2), moved.width, rtol=1e-5)
    plain, _, _ = adapted("mine", found, encoder, decoder, IMAGES, "gaussian")
    np.testing.assert_allclose(
        model.decode(posterior.z_mean), plain.decode(plain.encode(IMAGES).z_mean), atol=1e-4
    )


def test_what_is_not_a_number_is_not_published(pair):
    from training.publish.importing.adapting import adapted, require_finite

    found, encoder, decoder = pair
    model, _, _ = adapted("mine", found, encoder, decoder, IMAGES, "gaussian")
    require_finite(model, IMAGES)
    with pytest.raises(RunError, match="not a number"):
        require_finite(model, IMAGES * np.float32("nan"))
