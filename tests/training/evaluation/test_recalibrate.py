import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training.evaluation import recalibrate  # noqa: E402
from training.priors import GaussianMixture  # noqa: E402


@pytest.fixture(scope="module")
def found(tiny_model, tiny_dataset):
    before = [weights.copy() for weights in tiny_model.encoder.get_weights()]
    result = recalibrate.recalibrate(tiny_model, tiny_dataset, epochs=3)
    for weights, was in zip(tiny_model.encoder.get_weights(), before, strict=True):
        assert np.array_equal(weights, was)  # the model itself is left as it is, to the bit
    return result


@pytest.mark.parametrize("per_pixel", [False, True])
def test_fitted_scales_are_those_that_the_images_were_made_with(per_pixel):
    rng = np.random.default_rng(0)
    truth = np.array([[2.0, 6.0], [10.0, 4.0]]) if per_pixel else np.array(5.0)
    means = np.full((4_000, 2, 2), 0.5, np.float32)
    levels = np.rint(127.5 + truth * rng.logistic(size=means.shape)).clip(0, 255)
    scales = recalibrate.fit_scales((levels / 255).astype(np.float32), means, per_pixel=per_pixel)
    assert scales.shape == truth.shape
    # The standard error of a logistic's scale from N draws is 0.84 / sqrt(N): 1.3 % a pixel; four of them.
    np.testing.assert_allclose(scales, truth, rtol=0.053)


def test_a_pixel_that_never_deviates_gets_the_narrowest_scale_there_is():
    images = np.zeros((50, 2, 2), np.float32)
    scales = recalibrate.fit_scales(images, images, per_pixel=True)
    np.testing.assert_allclose(scales, recalibrate.MIN_SCALE, rtol=1e-5)


def test_the_logistic_around_the_mean_is_a_probability_over_levels(tiny_model):
    scales = np.log(np.linspace(0.5, 40, 30)).reshape(6, 5).astype(np.float32)
    likelihood = recalibrate.LogisticAroundMean(tiny_model.likelihood, scales)
    decoded = tiny_model.decoder(np.array([[0.3, -1.0]], np.float32))
    levels = np.broadcast_to(np.arange(256, dtype=np.float32)[:, None, None] / 255, (256, 6, 5))
    total = np.exp(likelihood.log_prob(levels, decoded).numpy().astype(np.float64)).sum(axis=0)
    np.testing.assert_allclose(total, 1, atol=1e-4)  # 256 float32 terms


def test_refitting_never_lowers_the_validation_elbo_and_here_raises_it(found):
    for scales in (found.shared, found.per_pixel):
        elbos = scales.validation_elbo
        assert len(elbos) == 4
        assert max(elbos) > elbos[0]
        before, after = scales.before.log_p_x, scales.after.log_p_x
        assert [row.k for row in after] == [1, 10, 100]
        # The posterior of a likelihood of standard deviation 180 levels is far too wide for residuals of 30.
        assert after[0].nats > before[0].nats
        assert all(row.bits_per_dim < 8 for row in after)  # what the raw bytes cost


def test_where_no_epoch_is_better_the_encoder_stays_as_it_was(tiny_model, tiny_dataset, monkeypatch):
    model = recalibrate.around_mean(tiny_model, np.float32(3.0))
    monkeypatch.setattr(recalibrate, "LEARNING_RATE", 1e3)
    again = recalibrate.refit(model, tiny_dataset, epochs=1)
    assert max(again.elbos) == again.elbos[0]
    for kept, was in zip(again.model.encoder.get_weights(), tiny_model.encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, was)
    assert float(again.model.likelihood.log_scales) == 3.0


def test_refitting_repeats_to_the_digit_with_a_fitted_prior_too(tiny_model, tiny_dataset):
    prior = GaussianMixture(np.ones(1), np.zeros((1, 2)), np.eye(2)[None])
    model = recalibrate.around_mean(tiny_model.with_prior(prior), np.float32(3.0))
    one, two = (recalibrate.refit(model, tiny_dataset, epochs=2).elbos for _ in range(2))
    assert one == two


def test_it_says_what_it_does(tiny_model, tiny_dataset, found, caplog):
    assert "decoder frozen" in found.protocol
    with caplog.at_level("INFO", "training"):
        recalibrate.refit(recalibrate.around_mean(tiny_model, np.float32(3.0)), tiny_dataset, epochs=1)
    assert any("epoch 1 of 1" in line for line in caplog.messages)
