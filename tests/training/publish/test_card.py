import dataclasses
import json
import re

import pytest

from tests.conftest import FASHION_VERSION, SHIPPED_STORE

pytestmark = pytest.mark.tensorflow

from training.evaluation import schema  # noqa: E402
from training.evaluation.schema import Report  # noqa: E402
from training.models.likelihoods.gaussian import GaussianShared  # noqa: E402
from training.priors.choose import Candidate, PriorReport  # noqa: E402
from training.publish import card, convert  # noqa: E402
from training.sources import UNRECORDED  # noqa: E402
from training.trained import TrainedModel  # noqa: E402

VERSIONS = [path.parent for path in sorted(SHIPPED_STORE.glob("*/*/manifest.json"))]
# What published cards call what has another name now, and what they did not say yet.
BESIDE_PCA = "beside PCA of the same dimension"
FORMER = {
    "vitrine-train rescore": "vitrine-train recalibrate",
    "This likelihood is absurdly wide for pixels in [0, 1]: storing the raw bytes\ncosts 8 bits a pixel. The figure "
    "says what the loss really claims, and that it can hardly tell a good\nmodel from a dead one.\n": "Storing the raw "
    "bytes costs 8 bits a pixel. The variance of p(x given z), 0.5, is 26.9 times the squared error\nof a "
    "reconstructed pixel: this likelihood is far too wide. The figure says what the loss really claims, and that "
    "it\ncan hardly tell a good model from a dead one.\n",
    f"{BESIDE_PCA}:\n": f"{BESIDE_PCA}\n(rounded to 256 levels and cut off at 0 and 1, which the errors of all "
    "test images above are not):\n",
    " active, KL ": " active, KL to N(0, I) ",
    "mean exceeds 0.01):": "mean exceeds 0.01 and it carries 0.05 nats at least):",
    "*draw* a draw from it:\n": "*draw* a draw from it. *Told from real* is how well two convolutions, trained for "
    "2 epochs on half of the pictures, tell the\nother half from test images; trained longer they tell "
    "better:\n",
    # It promised what only a recorded state can give.
    "`. The same machine, libraries and state of this project give the same weights, bit for bit; others\n"
    "round differently.\n": "`.\nThe state of this project was not recorded then, so these weights cannot be "
    "made again to the bit.\n",
}


def published(version):
    """A version, and the report that its manifest holds."""
    manifest = json.loads((version / "manifest.json").read_text())
    weights = {"weights_sha256": manifest["training"]["weights_sha256"]}
    report = Report.model_validate(weights | manifest["metrics"] | {"axes": manifest["axes"]})
    return TrainedModel.open(version), report


def published_digests(file, model):
    """The digests that were recorded of a model, by version."""
    found = {}
    for line in file.read_text().splitlines():
        record = json.loads(line)
        if record["model"] == model:
            found.setdefault(record["version"], set()).add(record["digest"])
    return found


def told_formerly(source):
    """What each conversion appended once."""
    return (
        f"\n## Converted\n\nThe weights are those of version {source['version']}, digest "
        f"`{source['digest']}`.\n`vitrine-train convert` wrote the networks' files anew. All numbers above "
        "were measured with that version.\n"
    )


@pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.parent.name)
def test_a_shipped_card_is_what_its_numbers_say_byte_for_byte(version):
    expected = (version / "card.md").read_text()
    for former, name in FORMER.items():
        expected = expected if name in expected else expected.replace(former, name)
    # The run that a card tells of may be there still.
    expected = re.sub(rf"runs/{version.parent.name}(?=\s)", r"\g<0>-again", expected)
    source = json.loads((version / "manifest.json").read_text())["training"].get("converted_from")
    rendered = card.render(*published(version))
    assert expected.startswith(rendered)
    # Each conversion since the numbers were measured has told where its weights come from.
    digests = published_digests(SHIPPED_STORE / "published.jsonl", version.parent.name)
    ending = expected[len(rendered) :]
    chain = [
        {"version": int(number), "digest": digest}
        for number, digest in re.findall(r"version (\d+), digest\s+`(\w+)`", ending)
    ]
    assert chain[-1:] == ([source] if source else [])
    assert ending in ("".join(map(told_formerly, chain)), convert.told(chain) if chain else "")
    assert all(each["digest"] in digests[each["version"]] for each in chain)


@pytest.fixture(scope="module")
def dense():
    return published(SHIPPED_STORE / "fashion-dense" / "7")


def test_a_card_of_other_images_speaks_of_them_and_not_of_clothes(dense):
    model, report = dense
    own = dataclasses.replace(
        model,
        config=model.config.replaced({"data": {"name": "images"}}),
        environment=model.environment | {"data": {"name": "my `photos`"}},
    )
    text = card.render(own, report)
    assert "trained on the 55000 images of my__photos_." in text
    assert "--data my__photos_ --seed 42 --out" in text
    for word in ("Fashion-MNIST", "clothing"):
        assert word not in text


def test_a_likelihood_is_called_too_wide_only_if_its_variance_exceeds_the_squared_error(dense):
    model, report = dense
    assert report.bounds.log_p_x[0].bits_per_dim > 8
    wide = "The variance of p(x given z), 0.5, is 26.9 times the squared error\nof a reconstructed pixel:"
    assert wide in card.render(model, report)
    worse = report.model_copy(
        update={"reconstruction": report.reconstruction.model_copy(update={"reconstruction_mse": 0.6})}
    )
    learned = dataclasses.replace(model, likelihood=GaussianShared())
    for text in (card.render(model, worse), card.render(learned, report)):
        assert "Storing the raw bytes costs 8 bits a pixel.\n\nScored as" in text
        assert "wide" not in text
    rows = [report.bounds.log_p_x[0].model_copy(update={"bits_per_dim": 7.9})]
    fewer = report.model_copy(update={"bounds": report.bounds.model_copy(update={"log_p_x": rows})})
    assert "raw bytes" not in card.render(model, fewer)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"objective": {"name": "iwae", "k": 5}}, "- Objective: -L_k with k = 5, in nats an image.\n"),
        ({"objective": {"name": "dreg", "k": 5}}, "k = 5, in nats an image, by the doubly reparameterised"),
        (
            {"objective": {"name": "elbo", "beta": 0.5, "free_bits": 0.25, "mean_weight": 3.0}},
            "- Objective: the negative ELBO, in nats an image (beta 0.5, free bits 0.25).\n  In training the mean "
            "image's squared error is added, 3 nats for each squared unit; no bound knows it.\n\n## How good",
        ),
        (
            {"objective": {"name": "elbo", "final_phase": {"name": "dreg", "k": 8, "epochs": 4}}},
            "(beta 1, free bits 0).\n  The last 4 epochs minimised -L_k with k = 8, in nats an image, by the doubly "
            "reparameterised gradient.\n\n## How good",
        ),
    ],
)
def test_the_card_says_what_was_minimised(dense, changes, words):
    model, report = dense
    other = dataclasses.replace(model, config=model.config.replaced(changes))
    assert words in card.render(other, report)


def test_the_card_says_what_a_fitted_prior_is_worth(dense):
    model, report = dense
    nats = {"standard_normal": -68.0, "gaussian_mixture": -53.0}
    candidates = [Candidate(name=name, components=1, validation_nats=value) for name, value in nats.items()]
    fitted = PriorReport(name="gaussian_mixture", candidates=tuple(candidates), components=100)
    mixture = TrainedModel.open(FASHION_VERSION).prior
    text = card.render(model.with_prior(mixture), report.model_copy(update={"prior": fitted}))
    line = (
        "- Prior p(z): a mixture of 100 Gaussians with full covariances, shared by 10 classes, fitted after "
        "training to draws of q(z given x); on validation images 15.0 nats an image better than the prior it was "
        "trained with. Observation model"
    )
    assert line in " ".join(text.split())


def test_a_prior_that_was_learned_with_the_weights_is_said_to_be(dense):
    model, report = dense
    config = model.config.replaced({"objective": {"name": "elbo"}, "prior": {"vamp_components": 50}})
    learned = PriorReport(
        name="gaussian_mixture",
        candidates=(Candidate(name="gaussian_mixture", components=50, validation_nats=-3.0),),
        components=50,
    )
    text = card.render(
        dataclasses.replace(model, config=config), report.model_copy(update={"prior": learned})
    )
    assert "the 50 Gaussians that the VampPrior became, learned with the weights. Observation" in text


@pytest.fixture(scope="module")
def measured(tiny_model, tiny_dataset, tmp_path_factory):
    """The tiny model with everything that there is to measure."""
    from training.evaluation import evaluate, recalibrate

    run = tmp_path_factory.mktemp("evaluated")
    report = evaluate.evaluate(tiny_model, tiny_dataset, run, quality=True)
    found = recalibrate.recalibrate(tiny_model, tiny_dataset, epochs=1)
    return report.model_copy(update={"recalibrated": found})


def changed(report, changes):
    """The report with other values at some dotted keys of its file."""
    table = report.as_dict()
    for dotted, value in changes.items():
        *path, key = dotted.split(".")
        section = table
        for part in path:
            section = section[part]
        section[key] = value
    return Report.model_validate(table)


def test_the_card_of_a_run_of_several_workers_names_as_many(tiny_model, measured):
    several = dataclasses.replace(tiny_model, environment=tiny_model.environment | {"workers": 3})
    assert " --out runs/tiny-again --workers 3\n" in card.render(several, measured)
    assert "--workers" not in card.render(tiny_model, measured)


def test_the_card_names_the_commands_that_measured_it(tiny_model, measured):
    commands = (
        "    vitrine-train evaluate runs/{0}-again{1} --quality{2}\n"
        "    vitrine-train recalibrate runs/{0}-again{1}\n"
    )
    assert commands.format("tiny", "", "") in card.render(tiny_model, measured)
    table = measured.as_dict()
    reference = {
        "name": "other@3",
        "prior": "standard_normal",
        "reconstruction": table["quality"]["reconstruction"],
    }
    rows = table["bounds"]["log_p_x"]
    full = changed(
        measured,
        {
            "bounds.log_p_x": [*rows, rows[-1] | {"k": 500}],
            "fair_score.shared.after.log_p_x": [*rows, rows[-1] | {"k": 500}],
            "quality.beside": reference | {"samples": {}},
        },
    )
    text = card.render(tiny_model, full)
    assert commands.format("tiny", " --full", " --reference model_store/other/3") in text
    plain = measured.model_copy(update={"quality": None, "recalibrated": None})
    assert "recalibrate" not in card.render(tiny_model, plain)


def test_final_phases_stand_on_the_card_beside_what_they_began_with(tiny_model, tiny_phases, measured):
    assert "last phase by another objective" not in card.render(tiny_model, measured)
    found = tiny_phases
    text = card.render(tiny_model, measured.model_copy(update={"final_phases": found}))
    start = found.phases[0].measured[0]
    figures = " | ".join(f"{start.nats(k):.2f}" for k in (1, 5, 100))
    assert (
        f"| objective | draws | steps | L_1, nats an image | L_5 | L_100 |\n|---|---|---|---|---|---|\n| none, as trained | | 0 | {figures} |\n"
        in text
    )
    mean, deviation = found.spread("dreg", 5)
    (row,) = (line for line in text.splitlines() if line.startswith("| dreg | 5 |"))
    assert f" {mean:.2f} ± {deviation:.2f} |" in row
    assert row.count("|") == 7
    assert "| textbook | 1 |" in text


def test_what_was_measured_stands_on_the_card(tiny_model, measured):
    text = card.render(tiny_model, measured)
    for part, scales in (
        (measured.recalibrated.shared, "one"),
        (measured.recalibrated.per_pixel, "one a pixel"),
    ):
        bits = " | ".join(f"{row.bits_per_dim:.3f}" for row in part.after.log_p_x)
        assert f"| {scales} | refitted | {bits} |" in text
    terms = measured.kl_decomposition.priors["standard_normal"]
    assert f"| N(0, I) | {terms.kl:.2f} | {terms.marginal_kl:.2f} |" in text
    found = measured.quality
    for name, row in (("this model", found.reconstruction), ("PCA", found.pca_reconstruction)):
        assert f"| {name} | {row.mse:.4f} | {row.psnr_db:.2f} | {row.ssim:.3f} |" in text
    for name, value in found.outliers.auroc.items():
        assert f"| {name} | {value:.3f} | {found.outliers.auroc_less_complexity[name]:.3f} |" in text
    assert found.outliers.warning in text
    assert "by what that exceeds the\nlength of a general code for the image:" in text
    assert "Frechet" not in text  # there is no classifier for these images


def test_a_card_says_how_many_components_pca_has_of_fewer_pictures_than_axes(tiny_model, measured):
    few = dataclasses.replace(
        tiny_model, environment=tiny_model.environment | {"splits": {"train": 2, "validation": 1, "test": 1}}
    )
    text = card.render(few, measured)
    assert tiny_model.latent_dim == 2
    assert "(PCA with 1 components: " in text
    row = measured.quality.pca_reconstruction
    assert f"| PCA with 1 numbers a picture | {row.mse:.4f} |" in text
    assert "beside PCA of the most dimensions that so few training images give\n(rounded" in text
    assert "| PCA | " in card.render(tiny_model, measured)


def test_a_reference_model_stands_in_the_same_table(dense):
    model, report = dense
    reference = published(FASHION_VERSION)[1].quality.reference
    found = reference.model_copy(update={"name": "other@3"})
    text = card.render(
        model,
        report.model_copy(
            update={"quality": report.quality.model_copy(update={"reference": found, "second": None})}
        ),
    )
    assert "| other@3, samples, mean | 53.025 | 0.947 |" in text
    assert "*other@3*, means of codes from N(0, I): Frechet distance 53.025.\n" in text
    # 53.025 / 53.025, and over the distance of this model's noisy draws, 253.958.
    told = "The Frechet distance of means of *other@3* is {} times that of {} of this model, by this one classifier.\n"
    assert told.format("1.0", "means") in text
    assert told.format("0.2", "draws") in text
    assert "| other@3 | 0.0185 | 17.98 | 0.560 |" in text


def test_the_card_of_a_run_is_over_the_axes_as_they_will_be_published(tiny_model, measured, tmp_path):
    config = tiny_model.config.replaced({"traversal.axis_order": "canonical"})
    card.write(dataclasses.replace(tiny_model, config=config), measured, tmp_path)
    text = (tmp_path / card.CARD).read_text()
    low, high = sorted(axis.kl for axis in measured.axes)
    assert text.index(f"| 0 | {high:.2f} |") < text.index(f"| 1 | {low:.2f} |")
    assert "The axes are sorted by KL" in text


def test_where_two_classifiers_judge_the_worse_of_them_is_the_headline(dense):
    model, report = dense
    reference = published(SHIPPED_STORE / "fashion-dense" / "7")[1].quality
    judge = schema.ClassifierReport(sha256="b" * 64, test_accuracy=0.918)
    rows = {"mean": 5.0, "draw": 2.0}
    second = schema.SecondJudge(
        classifier=judge,
        real=schema.Distribution(frechet_distance=0.03),
        samples={name: schema.Distribution(frechet_distance=row) for name, row in rows.items()},
        reconstruction=schema.Distribution(frechet_distance=3.0),
        reference={"mean": schema.Distribution(frechet_distance=25.0)},
    )
    found = schema.ReferenceQuality(
        name="other@3",
        prior="standard_normal",
        samples={"mean": reference.samples["mean"]},
        reconstruction=reference.reconstruction,
        frechet_ratio=1.0,
    )
    score = schema.AccuracyScore(of_draws=0.86, of_real=0.9, num_images=55_000, epochs=8, score=0.86 / 0.9)
    more = {"reference": found, "second": second, "accuracy_score": score}
    quality = report.quality.model_copy(update=more)
    # 53.025 / 253.958 by the first classifier, which saw this model's noisy draws, and 25 / 2 by the second.
    assert quality.ratios("draw") == pytest.approx({"first": 53.025 / 253.958, "second": 12.5}, rel=1e-4)
    assert quality.ratios("mean") == pytest.approx({"first": 1, "second": 5})
    text = card.render(model, report.model_copy(update={"quality": quality}))
    told = "of means of *other@3* is {} times that of {} of this model, by the worse of two classifiers.\n"
    assert told.format("0.2", "draws") in text
    assert told.format("1.0", "means") in text
    assert "| samples, draw | 2.000 |" in text
    assert "Classification accuracy score (Ravuri & Vinyals 2019): **0.956**." in text
    assert "alone.\n" not in text


def test_a_classifier_without_a_number_is_not_said_to_have_judged(dense):
    model, report = dense
    reference = published(FASHION_VERSION)[1].quality.reference
    nothing = schema.Distribution()
    second = schema.SecondJudge(
        classifier=schema.ClassifierReport(sha256="b" * 64, test_accuracy=0.918),
        real=nothing,
        samples={"mean": nothing, "draw": schema.Distribution(frechet_distance=2.0)},
        reconstruction=nothing,
        reference={"mean": schema.Distribution(frechet_distance=25.0)},
    )
    quality = report.quality.model_copy(update={"reference": reference, "second": second})
    assert set(quality.ratios("draw")) == {"first", "second"}
    assert set(quality.ratios("mean")) == {"first"}
    text = card.render(model, report.model_copy(update={"quality": quality}))
    assert "0.2 times that of draws of this model, by the worse of two classifiers.\n" in text
    assert "1.0 times that of means of this model, by the first classifier alone.\n" in text

    unmeasured = quality.model_copy(
        update={
            "samples": {
                name: row.model_copy(update={"frechet_distance": None})
                for name, row in quality.samples.items()
            }
        }
    )
    assert unmeasured.ratios("mean") == {}
    text = card.render(model, report.model_copy(update={"quality": unmeasured}))
    assert "12.5 times that of draws of this model, by the second classifier alone.\n" in text
    assert "times that of means of this model" not in text


def test_a_saturated_measure_of_information_is_not_a_table(dense):
    model, report = dense
    parts = report.kl_decomposition
    assert "What KL is made of" in card.render(model, report)
    full = report.model_copy(
        update={"kl_decomposition": parts.model_copy(update={"information": parts.most_information - 0.01})}
    )
    text = card.render(model, full)
    assert "What KL is made of" not in text
    assert "KL(q(z given x), p(z)) is 7.39 nats to N(0, I). How much of it" in text


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        (None, "The state of this project was not recorded then"),
        ([{"training_sha256": "a", "commit": "c0ffee", "changed": False}], "checks out commit `c0ffee`"),
        (
            [{"training_sha256": "a", "commit": "c0ffee", "changed": True}],
            "those of no commit but changed ones",
        ),
        ([{"training_sha256": "a"}], "those of no commit. They were\nSHA-256 `a`."),
        ([{"training_sha256": "a"}, {"training_sha256": "b"}], "SHA-256 `a`,\nthen SHA-256 `b`."),
        (
            [UNRECORDED, {"training_sha256": "b", "commit": "c0ffee", "changed": False}],
            "begun before the state of this project was recorded, so it cannot be made again to the bit. It went on "
            "with\nSHA-256 `b`, commit `c0ffee`.",
        ),
    ],
    ids=["unrecorded", "clean", "changed", "installed", "resumed", "older"],
)
def test_a_card_says_which_state_of_the_project_makes_the_weights_again(dense, sources, told):
    model, report = dense
    environment = {key: value for key, value in model.environment.items() if key != "sources"}
    if sources is not None:
        environment["sources"] = sources
    assert told in card.render(dataclasses.replace(model, environment=environment), report)
