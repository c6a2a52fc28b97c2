import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training import networks  # noqa: E402


def test_the_textbooks_encoder_and_decoder_have_the_textbooks_weights():
    encoder = networks.dense_encoder((28, 28), (150, 100), 10)
    decoder = networks.dense_decoder(10, (100, 150), (28, 28))
    assert encoder.count_params() == 784 * 150 + 150 + 150 * 100 + 100 + 2 * (100 * 10 + 10)
    assert decoder.count_params() == 10 * 100 + 100 + 100 * 150 + 150 + 150 * 784 + 784


def test_an_encoder_gives_a_mean_and_a_log_variance_for_every_image():
    z_mean, z_log_var = networks.dense_encoder((6, 5), (4,), 3)(np.zeros((7, 6, 5), np.float32))
    assert z_mean.shape == z_log_var.shape == (7, 3)


def test_a_decoder_is_linear_in_its_last_layer_and_not_confined_to_the_unit_interval():
    decoder = networks.dense_decoder(3, (4,), (6, 5))
    images = decoder(100 * np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)).numpy()
    assert images.shape == (20, 6, 5, 1)
    assert images.min() < 0
    assert images.max() > 1


def test_height_and_width_are_not_exchanged():
    decoder = networks.dense_decoder(1, (), (2, 3))
    decoder.layers[1].set_weights([np.arange(6, dtype=np.float32)[None], np.zeros(6, np.float32)])
    assert decoder(np.ones((1, 1), np.float32)).numpy()[..., 0].tolist() == [[[0, 1, 2], [3, 4, 5]]]


def test_a_shared_parameter_is_one_learned_number_for_every_pixel_and_image():
    decoder = networks.dense_decoder(2, (4,), (3, 2), num_parameters=2, num_shared=1)
    shared = next(weight for weight in decoder.trainable_weights if "shared" in weight.path)
    shared.assign([0.7])
    parameters = decoder(np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)).numpy()
    assert parameters.shape == (5, 3, 2, 2)
    np.testing.assert_allclose(parameters[..., 1], 0.7)
    assert parameters[..., 0].std() > 0
