import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training.errors import ConfigError  # noqa: E402
from training.models import networks  # noqa: E402


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


@pytest.mark.parametrize("shape", [(28, 28), (12, 20), (16, 16, 3), (64, 64, 3)])
@pytest.mark.parametrize("channels", [(4,), (4, 6)])
def test_convolutions_take_and_give_images_of_any_shape_that_halves(shape, channels):
    encoder = networks.conv_encoder(shape, channels, (8,), 3)
    decoder = networks.conv_decoder(3, (8,), channels[::-1], shape, num_parameters=6)
    z_mean, z_log_var = encoder(np.random.default_rng(0).random((2, *shape), np.float32))
    assert z_mean.shape == z_log_var.shape == (2, 3)
    assert decoder(z_mean).shape == (2, *shape, 6)


@pytest.mark.parametrize("shape", [(28, 28), (12, 20), (16, 16, 3)])
@pytest.mark.parametrize("channels", [(6,), (4, 6)])
def test_residual_convolutions_take_and_give_images_of_any_shape_that_halves(shape, channels):
    encoder = networks.residual_encoder(shape, channels, 2, (8,), 3)
    decoder = networks.residual_decoder(3, (8,), channels[::-1], 2, shape, num_parameters=6)
    z_mean, z_log_var = encoder(np.random.default_rng(0).random((2, *shape), np.float32))
    assert z_mean.shape == z_log_var.shape == (2, 3)
    assert decoder(z_mean).shape == (2, *shape, 6)


@pytest.mark.parametrize("shape", [(8, 8), (8, 12, 3)])
def test_two_levels_of_axes_take_and_give_images(shape):
    map_size = (shape[0] // 4) * (shape[1] // 4) * 2
    encoder = networks.spatial_encoder(shape, (4, 6), 1, (8,), map_size + 3, 2)
    decoder = networks.spatial_decoder(map_size + 3, (8,), (6, 4), 1, shape, 2, num_parameters=5)
    z_mean, z_log_var = encoder(np.random.default_rng(0).random((2, *shape), np.float32))
    assert z_mean.shape == z_log_var.shape == (2, map_size + 3)
    assert decoder(z_mean).shape == (2, *shape, 5)


def test_a_spatial_axis_reaches_its_own_neighbourhood_and_a_global_one_the_whole_image():
    decoder = networks.spatial_decoder(2 + 16 * 2, (8,), (6, 4), 1, (16, 16), 2)
    z = np.zeros((3, 34), np.float32)
    z[1, 2] = 1.0  # the upper left of the 4 x 4 map
    z[2, 0] = 1.0
    images = decoder(z).numpy()[..., 0]
    # 3 x 3 convolutions at the smallest size (two) and at half size (one): a corner reaches 2 cells and a pixel.
    changed = np.abs(images[1] - images[0]) > 1e-7
    assert changed[:4, :4].any()
    assert not changed[:, 15].any()
    assert not changed[15].any()
    assert (np.abs(images[2] - images[0]) > 1e-7).mean() > 0.9


def test_axes_that_leave_none_for_the_global_level_are_refused():
    with pytest.raises(ConfigError, match="latent_dim: expected more than 8"):
        networks.spatial_encoder((8, 8), (4, 4), 1, (8,), 8, 2)


def test_the_code_of_an_image_does_not_depend_on_the_other_images_of_its_batch():
    encoder = networks.residual_encoder((8, 8), (4, 6), 1, (8,), 3)
    images = np.random.default_rng(1).random((4, 8, 8), np.float32)
    alone = encoder(images[:1], training=True)[0]
    np.testing.assert_allclose(encoder(images, training=True)[0][:1], alone, atol=1e-6)


def test_depth_to_space_is_the_inverse_of_space_to_depth():
    images = np.arange(2 * 4 * 6 * 3, dtype=np.float32).reshape(2, 4, 6, 3)
    rearranged = networks.SpaceToDepth()(images)
    assert rearranged.shape == (2, 2, 3, 12)
    np.testing.assert_array_equal(networks.DepthToSpace()(rearranged), images)


def test_the_numbers_of_a_pixel_do_not_mix_with_those_of_another_colour():
    decoder = networks.conv_decoder(2, (), (4,), (4, 4, 3), num_parameters=2)
    last = decoder.layers[-2]
    last.bias.assign(np.arange(6, dtype=np.float32))
    last.kernel.assign(np.zeros(last.kernel.shape, np.float32))
    assert decoder(np.zeros((1, 2), np.float32)).numpy()[0, 1, 2].tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("shape", [(27, 28), (28, 26)])
def test_an_image_that_cannot_be_halved_so_often_is_refused(shape):
    with pytest.raises(ConfigError, match="halved"):
        networks.conv_encoder(shape, (4, 4), (8,), 2)
    with pytest.raises(ConfigError, match="halved"):
        networks.conv_decoder(2, (8,), (4, 4), shape)
