"""What an encoder and a decoder from elsewhere are, measured on pictures."""

import numpy as np
import pytest

from tests.strangers import blobs, linear_pair
from training.errors import RunError

pytestmark = pytest.mark.tensorflow

IMAGES = blobs(96, size=8)
COLOURS = np.stack([IMAGES, IMAGES**2, 1 - IMAGES], axis=-1)


def measured(tmp_path, encoder, decoder, images=IMAGES):
    from training.publish.importing import layouts, measuring, networks

    encoder.save(tmp_path / "encoder.keras")
    decoder.save(tmp_path / "decoder.keras")
    networks_ = [networks.load(tmp_path / f"{name}.keras") for name in ("encoder", "decoder")]
    layout = layouts.Layout("flat", images.shape[1:])
    return measuring.measure(*networks_, layout, layout, images)


def around(
    encoder, decoder, before=lambda x: x, after=lambda x: x, outputs=lambda mean, log_var: [mean, log_var]
):
    """Networks that take what `before` undoes, give what `after` makes, and have the encoder's outputs so."""
    import keras

    x, z = keras.Input(shape=encoder.input_shape[1:]), keras.Input(shape=decoder.input_shape[1:])
    return keras.Model(x, outputs(*encoder(before(x)))), keras.Model(z, after(decoder(z)))


def test_a_plain_pair_is_what_it_is(tmp_path):
    found = measured(tmp_path, *linear_pair(IMAGES))
    assert found.way == ("[0, 1]", "[0, 1]", False, False)
    assert found.latent_dim == 3
    assert found.mean.describe() == "z_mean"
    assert found.spread[0].describe(), found.spread[1] == ("z_log_var", "z_log_var")
    assert found.told_by == "its name"
    assert found.error < 0.5 * found.error_of_mean_image


def test_errors_are_those_of_all_pictures_not_of_those_that_ways_are_tried_with(tmp_path):
    images = blobs(400, size=8)
    encoder, decoder = linear_pair(images)
    found = measured(tmp_path, encoder, decoder, images)
    codes = encoder(images.reshape(-1, 64))[0]
    errors = (np.asarray(decoder(codes)) - images.reshape(-1, 64)) ** 2
    assert found.error == pytest.approx(float(errors.mean()), rel=1e-5)
    assert abs(float(errors[:128].mean()) / found.error - 1) > 1e-4  # which are others
    mean_image = ((images - images.mean(axis=0)) ** 2).mean()
    assert found.error_of_mean_image == pytest.approx(float(mean_image), rel=1e-5)


@pytest.mark.parametrize(
    ("before", "after", "taken", "given"),
    [
        (lambda x: (x + 1) / 2, lambda x: 2 * x - 1, "[-1, 1]", "[-1, 1]"),
        (lambda x: x / 255, lambda x: 255 * x, "[0, 255]", "[0, 255]"),
        (lambda x: x / 255, lambda x: x, "[0, 255]", "[0, 1]"),
    ],
)
def test_scales_of_pixels_are_found(tmp_path, before, after, taken, given):
    pair = linear_pair(IMAGES**3)  # linear networks alone would know no scale from another
    curved = around(*pair, lambda x: before(x) ** 3, lambda x: after(abs(x) ** (1 / 3)))
    found = measured(tmp_path, *curved)
    assert found.way == (taken, given, False, False)


def test_logits_are_found(tmp_path):
    from keras import ops

    def logits(x):
        x = ops.clip(x, 0.001, 0.999)
        return ops.log(x / (1 - x))

    found = measured(tmp_path, *around(*linear_pair(IMAGES), after=logits))
    assert found.way == ("[0, 1]", "logits", False, False)


def test_networks_that_know_the_pictures_inverted_are_found(tmp_path):
    encoder, decoder = around(
        *linear_pair((1 - IMAGES) ** 3), before=lambda x: x**3, after=lambda x: abs(x) ** (1 / 3)
    )
    found = measured(tmp_path, encoder, decoder, images=IMAGES)
    assert found.way == ("[0, 1]", "[0, 1]", True, False)


def test_exchanged_colours_are_found(tmp_path):
    found = measured(tmp_path, *linear_pair(COLOURS[..., ::-1]), images=COLOURS)
    assert found.way == ("[0, 1]", "[0, 1]", False, True)


@pytest.mark.parametrize(
    ("name", "spread"),
    [("log_var", "z_log_var"), ("log_sigma", "z_log_std"), ("stddev", "z_std"), ("variance", "z_var")],
)
def test_a_name_says_what_an_output_is(tmp_path, name, spread):
    import keras
    from keras import ops

    made = {
        "z_log_var": lambda v: v + 0.0,
        "z_log_std": lambda v: v / 2,
        "z_std": lambda v: ops.exp(v / 2),
        "z_var": ops.exp,
    }[spread]
    encoder, decoder = linear_pair(IMAGES)

    def outputs(mean, log_var):
        return {"code": mean, name: keras.layers.Identity()(made(log_var))}

    found = measured(tmp_path, *around(encoder, decoder, outputs=outputs))
    assert found.mean.describe() == "code"
    assert found.spread[1] == spread
    assert found.told_by == "its name"


@pytest.mark.parametrize("spread", ["z_log_var", "z_std"])
def test_without_names_the_variance_of_all_codes_says_it(tmp_path, spread):
    from keras import ops

    encoder, decoder = linear_pair(IMAGES, std=0.1)

    def outputs(mean, log_var):
        return {"b": ops.exp(log_var / 2) if spread == "z_std" else log_var + 0.0, "a": mean + 0.0}

    found = measured(tmp_path, *around(encoder, decoder, outputs=outputs))
    assert found.mean.describe() == "a"
    assert found.spread[1] in (("z_std", "z_var") if spread == "z_std" else ("z_log_var", "z_log_std"))
    assert found.told_by.startswith("the variance of all codes")


@pytest.mark.parametrize("spread", ["z_log_var", "z_log_std", "z_std", "z_var"])
def test_draws_of_the_code_say_it_whatever_the_names_are(tmp_path, spread):
    import keras
    from keras import ops

    from training.publish.importing import layouts, measuring, networks

    made = {
        "z_log_var": lambda v: v,
        "z_log_std": lambda v: v / 2,
        "z_std": lambda v: ops.exp(v / 2),
        "z_var": ops.exp,
    }
    encoder, decoder = linear_pair(IMAGES, std=0.3)

    class Noise(keras.layers.Layer):
        def call(self, mean):
            return mean + 0.3 * keras.random.normal(ops.shape(mean))

    def outputs(mean, log_var):
        return [Noise()(mean), made[spread](log_var) + 0.0, mean + 0.0]

    encoder, _ = around(encoder, decoder, outputs=outputs)
    encoder.export(str(tmp_path / "encoder"), verbose=False)
    decoder.save(tmp_path / "decoder.keras")
    layout = layouts.Layout("flat", (8, 8))
    pair = [networks.load(tmp_path / name) for name in ("encoder", "decoder.keras")]
    found = measuring.measure(*pair, layout, layout, IMAGES)
    assert found.mean.describe() == "output_2"
    assert (found.spread[0].describe(), found.spread[1]) == ("output_1", spread)
    assert found.told_by == "draws of the code"


def test_two_halves_of_one_output_are_mean_and_log_variance(tmp_path):
    from keras import ops

    found = measured(
        tmp_path,
        *around(*linear_pair(IMAGES), outputs=lambda mean, log_var: ops.concatenate([mean, log_var], axis=1)),
    )
    assert found.mean.half == 0
    assert (found.spread[0].half, found.spread[1]) == (1, "z_log_var")


def test_a_mean_alone_has_no_width(tmp_path):
    found = measured(tmp_path, *around(*linear_pair(IMAGES), outputs=lambda mean, log_var: mean + 0.0))
    assert found.spread is None


def test_what_needs_code_that_is_not_run_is_refused_by_its_class(tmp_path):
    import keras

    double = keras.layers.Lambda(lambda x: 2 * x)
    encoder, decoder = around(
        *linear_pair(IMAGES), outputs=lambda mean, log_var: [double(mean), double(log_var)]
    )
    with pytest.raises(
        RunError, match=r"encoder\.keras: every output.* needs the layer Lambda.*--trust runs it"
    ):
        measured(tmp_path, encoder, decoder)
    encoder, decoder = around(*linear_pair(IMAGES), after=double)
    with pytest.raises(RunError, match=r"decoder\.keras: its output needs the layer Lambda"):
        measured(tmp_path, encoder, decoder)


def test_networks_that_do_not_fit_together_are_refused(tmp_path):
    encoder, _ = linear_pair(IMAGES, latent_dim=3)
    _, decoder = linear_pair(IMAGES, latent_dim=5)
    with pytest.raises(RunError, match=r"no output \(z_mean, z_log_var\) is a code of 5 numbers"):
        measured(tmp_path, encoder, decoder)


def test_log_variances_come_of_every_meaning():
    from training.publish.importing.measuring import log_variance

    std = np.array([0.5, 2.0])
    said = {"z_log_var": 2 * np.log(std), "z_log_std": np.log(std), "z_std": std, "z_var": std**2}
    for spread, values in said.items():
        np.testing.assert_allclose(log_variance(values, spread), 2 * np.log(std))
