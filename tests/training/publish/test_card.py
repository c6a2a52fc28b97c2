import copy
import json

import pytest

from tests.conftest import SHIPPED_STORE

pytestmark = pytest.mark.tensorflow

from training.configs import flat  # noqa: E402
from training.configs.schema import from_dict  # noqa: E402
from training.publish.card import model_card  # noqa: E402

VERSION = SHIPPED_STORE / "fashion-dense" / "4"


@pytest.fixture
def shipped_numbers():
    manifest = json.loads((VERSION / "manifest.json").read_text())
    recorded = manifest["training"] | {"image_shape": manifest["image"]["shape"]}
    return manifest, recorded, manifest["metrics"] | {"axes": manifest["axes"]}


def test_the_shipped_card_is_what_its_numbers_say_byte_for_byte(shipped_numbers):
    manifest, recorded, metrics = shipped_numbers
    config = from_dict(flat.in_sections(manifest["training"]["config"]))
    assert model_card(config, recorded, metrics) == (VERSION / "card.md").read_text()


def test_a_card_of_other_images_speaks_of_them_and_not_of_clothes(shipped_numbers):
    manifest, recorded, metrics = shipped_numbers
    config = from_dict(flat.in_sections(manifest["training"]["config"] | {"data": "images"}))
    card = model_card(config, recorded | {"data": {"name": "my `photos`"}}, metrics)
    assert "trained on the 55000 images of my__photos_." in card
    assert "--data my__photos_ --seed 42 --out" in card
    for word in ("Fashion-MNIST", "clothing"):
        assert word not in card


@pytest.fixture(scope="module")
def measured(tiny_run, tiny_dataset, tmp_path_factory):
    """The tiny model with everything that there is to measure, and its card's ingredients."""
    from training.evaluation import evaluate, recalibrate
    from training.fitting.fit import load_run
    from training.priors import StandardNormal

    config, vae, recorded = load_run(tiny_run)
    run = tmp_path_factory.mktemp("evaluated")
    metrics = evaluate.evaluate(config, vae, tiny_dataset, run, quality=True)
    fair = recalibrate.rescore(vae, StandardNormal(2), tiny_dataset, 0, epochs=1)
    return config, recorded, metrics | {"fair_score": fair}


def test_the_card_names_the_commands_that_measured_it(measured):
    config, recorded, metrics = copy.deepcopy(measured)
    commands = "    vitrine-train evaluate runs/{0}{1} --quality{2}\n    vitrine-train rescore runs/{0}{1}\n"
    assert commands.format(config.name, "", "") in model_card(config, recorded, metrics)
    for bounds in (metrics["bounds"], metrics["fair_score"]["shared"]["after"]):
        bounds["log_p_x"].append(bounds["log_p_x"][-1] | {"k": 500})
    metrics["quality"]["beside"] = metrics["quality"] | {"name": "other@3", "prior": "standard_normal"}
    card = model_card(config, recorded, metrics)
    assert commands.format(config.name, " --full", " --beside model_store/other/3") in card
    plain = {key: part for key, part in metrics.items() if key not in ("quality", "fair_score")}
    assert "rescore" not in model_card(config, recorded, plain)


def test_what_was_measured_stands_on_the_card(measured):
    config, recorded, metrics = measured
    card = model_card(config, recorded, metrics)
    for key, scales in (("shared", "one"), ("per_pixel", "one a pixel")):
        bits = " | ".join(
            f"{row['bits_per_dim']:.3f}" for row in metrics["fair_score"][key]["after"]["log_p_x"]
        )
        assert f"| {scales} | refitted | {bits} |" in card
    terms = metrics["gap"]["priors"]["standard_normal"]
    assert f"| N(0, I) | {terms['kl']:.2f} | {terms['marginal_kl']:.2f} |" in card
    quality = metrics["quality"]
    for name, key in (("this model", "reconstruction"), ("PCA", "pca_reconstruction")):
        row = quality[key]
        assert f"| {name} | {row['mse']:.4f} | {row['psnr_db']:.2f} | {row['ssim']:.3f} |" in card
    for name, value in quality["outliers"]["auroc"].items():
        assert f"| {name} | {value:.3f} | {quality['outliers']['auroc_less_complexity'][name]:.3f} |" in card
    assert quality["outliers"]["warning"] in card
    assert "Frechet" not in card  # there is no classifier for these images


def test_a_model_beside_stands_in_the_same_table(measured):
    config, recorded, metrics = measured
    numbers = dict.fromkeys(
        ("frechet_distance", "precision", "recall", "density", "coverage", "two_sample_auroc"), 0.25
    )
    copies = {"memorisation": {"features": {"share_below": 0.02}}}
    beside = {
        "name": "other@3",
        "prior": "standard_normal",
        "samples": {"mean": numbers | {"frechet_distance": 1.0}},
        "reconstruction": metrics["quality"]["reconstruction"] | {"psnr_db": 12.345},
        "frechet_ratio": 4.0,
    }
    quality = metrics["quality"] | {
        "classifier": {"sha256": "0" * 64, "test_accuracy": 0.9},
        "real": numbers,
        "samples": {"mean": numbers | copies},
        "beside": beside,
    }
    card = model_card(config, recorded, metrics | {"quality": quality})
    assert "| other@3, samples, mean | 1.000 | 0.250 |" in card
    assert "*other@3*, codes from N(0, I): Frechet distance 1.000,\n4.0 times" in card
    assert "| 12.35 |" in card or "| 12.34 |" in card
