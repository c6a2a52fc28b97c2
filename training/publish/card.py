"""The model card: what a version is, how good it is, what it must not be used for, how to make it again."""

import math
import re
from collections.abc import Sequence
from typing import Any

from training.configs.schema import Config
from training.models.likelihoods.registry import build

QUICK_DRAWS = 100  # k of the last bound that is measured without --full

TEMPLATE = """# {name}

A variational autoencoder with {latent_dim} latent axes for {size} {palette} images, trained on {data}.

## What it is

- Encoder: {pixels} pixels -> {encoder} -> z_mean and z_log_var, {latent_dim} each (linear).
- Decoder: {latent_dim} -> {decoder} -> {outputs} (linear), what p(x given z) takes for a pixel.
- Prior p(z): {prior}. Observation model p(x given z): {likelihood}.
- Objective: {objective}

## How good it is

Test reconstruction from the posterior mean: MSE **{mse:.4f}** a pixel, all {num_test} test images
(PCA with {latent_dim} components: {pca:.4f}).

Bounds on log p(x) ({bounds_protocol}):

| k | test images | L_k, nats an image | standard error | bits per dim | effective draws |
|---|---|---|---|---|---|
{bounds}

Bits per dim count a pixel as one of 256 levels{level_width}.{width_warning}
{fair_score}{gap}
Latent axes, over the {num_train} training images (an axis is active if the variance of its posterior
mean exceeds 0.01): {active} of {latent_dim} active, KL {kl:.2f} nats in all.

| axis | KL, nats | mean | standard deviation | 2.5 % | 97.5 % | active |
|---|---|---|---|---|---|---|
{axes}

{axis_order}
{quality}
## Use and limits

For teaching and for trying the service. It knows {data} and nothing else: any other picture is
reconstructed as {nearest}. Its bounds are no detector of unusual images: a likelihood
can be higher for images of another kind (Nalisnick et al. 2019).

## Make it again

    vitrine-train fit training/configs/{name}.toml{data_option} --seed {seed} --out runs/{name}
    vitrine-train evaluate runs/{name}{measured}
{rescored}    vitrine-train export runs/{name}

{epochs} epochs, batch {batch_size}, seed {seed}. Trained with {libraries} on {machine}. Weights SHA-256
`{weights}`. The same machine, libraries and state of this project give the same weights, bit for bit; others
round differently.
"""

OBJECTIVES = {
    "textbook": (
        "mean squared error over the {pixels} pixels + KL / {pixels}, which is (SSE + KL) / {pixels}: "
        "exactly the negative ELBO, up to a constant, of a Gaussian with variance 1/2."
    ),
    "elbo": "the negative ELBO, in nats an image (beta {beta:g}, free bits {free_bits:g}).",
    "iwae": "-L_k with k = {k}, in nats an image.",
    "dreg": "-L_k with k = {k}, in nats an image, by the doubly reparameterised gradient.",
}

MEAN_WEIGHT = (
    "\n  In training the mean image's squared error is added, {:g} nats for each squared unit; no bound "
    "knows it."
)
FINAL_PHASE = "\n  The last {epochs} epochs minimised {objective}"
TRAINED_ORDER = (
    "The order of the axes is an accident of the run: it carries no meaning and changes with the seed."
)
CANONICAL_ORDER = (
    "The axes are sorted by KL, axis 0 the most informative, and each points to where the decoded image\n"
    "becomes brighter; `axes.png` shows them all."
)

QUALITY = """
Against {number} test images, in 64 features of this project's classifier (SHA-256 `{sha256}`...,
accuracy {accuracy:.3f}); comparable with no other classifier's numbers. *mean* is the mean of p(x given z),
*draw* a draw from it:

| | Frechet distance | precision | recall | density | coverage | told from real, AUROC |
|---|---|---|---|---|---|---|
{table}

Of the samples {nearer:.1%} lie nearer to a training image than the nearest 1 % of test images do.
"""

PRIOR_NAMES = {
    "standard_normal": "N(0, I)",
    "gaussian_mixture": "the fitted mixture",
}

RECONSTRUCTION = """
Reconstructions of {number} test images as 8-bit pictures, beside PCA of the same dimension:

| | MSE | PSNR, dB | SSIM |
|---|---|---|---|
{table}
"""

BESIDE = """
Beside it, against the same test images, *{name}*, codes from {prior}: Frechet distance {distance:.3f},
{ratio:.1f} times as large.
"""

OUTLIERS = """
Chance that an image of another kind looks less usual than a test image (AUROC; 0.5 says nothing, below it
the model finds the stranger *more* probable), by {score} over {number} images, and by what that exceeds the
image's size as a PNG file:

| | score | less complexity |
|---|---|---|
{table}

{warning}
"""

FAIR_SCORE = """
Scored as a probability over 256 levels, with discretized logistics around the mean images (scales fitted on
validation images; then the encoder refitted, decoder frozen), bits per dim:

| scales | encoder | {header} |
|---|---|{rule}
{table}
"""

GAP = """
What KL is made of (Hoffman & Johnson 2016), {number} draws of the aggregate posterior q(z): {information:.2f}
nats of information about which training image it was, which cannot exceed {most:.2f}, and the gap between
q(z) and the prior:

| prior | KL(q(z given x), p(z)), mean | KL(q(z), p(z)) | standard error |
|---|---|---|---|
{table}
"""

WIDTH_WARNING = (
    "\nThis likelihood is absurdly wide for pixels in [0, 1]: storing the raw bytes\n"
    "costs 8 bits a pixel. The figure says what the loss really claims, and that it can hardly tell a good\n"
    "model from a dead one."
)


def model_card(config: Config, recorded: dict[str, Any], metrics: dict[str, Any]) -> str:
    """Write the card in Markdown from the run's own numbers.

    Args:
        config: the experiment.
        recorded: what ``environment.json`` of the run says.
        metrics: what ``evaluate`` measured.
    """
    height, width = recorded["image_shape"][:2]
    canonical = config.traversal.axis_order == "canonical"
    clothes = config.data.name == "fashion-mnist"
    own = re.sub(r"[^\w.-]", "_", recorded["data"]["name"])  # a folder's name, which may hold Markdown
    bounds, axes, test = metrics["bounds"], metrics["axes"], metrics["test"]
    libraries, machine = recorded["libraries"], recorded["machine"]
    likelihood = build(config.likelihood.name, **config.likelihood.parameters)
    activation = "ReLU" if config.network.kind == "dense" else "SiLU"

    def dense(units: Sequence[int]) -> list[str]:
        return [f"{' -> '.join(map(str, units))} (dense, {activation})"] if units else []

    strided = config.network.kind == "conv"
    kernel = "4 x 4, stride 2" if strided else "3 x 3, at half the size of the one before"
    convolved = [f"{number} channels ({kernel}, {activation})" for number in config.network.channels]
    if config.network.residual_blocks:
        blocks = config.network.residual_blocks
        convolved.append(f"{blocks} residual block{'s' * (blocks > 1)}")
    too_wide = bounds["log_p_x"][0]["bits_per_dim"] > 8
    return TEMPLATE.format(
        name=config.name,
        data="Fashion-MNIST" if clothes else f"the {recorded['splits']['train']} images of {own}",
        nearest="the nearest piece of clothing" if clothes else "whatever comes nearest among these",
        data_option="" if clothes else f" --data {own}",
        measured=_options(metrics),
        rescored=_rescored(config.name, metrics.get("fair_score")),
        latent_dim=config.network.latent_dim,
        prior=_prior(metrics.get("prior", {"name": "standard_normal"})),
        axis_order=CANONICAL_ORDER if canonical else TRAINED_ORDER,
        quality=_quality(metrics.get("quality")),
        fair_score=_fair_score(metrics.get("fair_score")),
        gap=_gap(metrics.get("gap")),
        size=f"{height} x {width}",
        palette="colour" if len(recorded["image_shape"]) == 3 else "grey",
        pixels=math.prod(recorded["image_shape"]),
        encoder=" -> ".join([*convolved, *dense(config.network.encoder_units)]),
        decoder=" -> ".join([*dense(config.network.decoder_units), *convolved[::-1]]),
        outputs=f"{math.prod(recorded['image_shape'])} x {likelihood.num_parameters}",
        likelihood=likelihood.description
        + "".join(f", {name} {value:g}" for name, value in likelihood.parameters.items()),
        objective=OBJECTIVES[config.objective.name].format(
            pixels=math.prod(recorded["image_shape"]),
            beta=config.objective.beta,
            free_bits=config.objective.free_bits,
            k=config.objective.k,
        )
        + (MEAN_WEIGHT.format(config.objective.mean_weight) if config.objective.mean_weight else "")
        + _final_phase(config),
        mse=test["reconstruction_mse"],
        pca=test["pca_reconstruction_mse"],
        num_test=test["num_images"],
        bounds_protocol=bounds["protocol"],
        bounds="\n".join(
            f"| {row['k']} | {row['num_images']} | {row['nats']:.2f} | {row['standard_error']:.2f} "
            f"| {row['bits_per_dim']:.3f} | {row['effective_sample_size']:.1f} |"
            for row in bounds["log_p_x"]
        ),
        level_width=": the density times the width of a level, 1/255" if likelihood.log_level_width else "",
        width_warning=WIDTH_WARNING if too_wide else "",
        num_train=recorded["splits"]["train"],
        active=sum(axis["active"] for axis in axes),
        kl=sum(axis["kl"] for axis in axes),
        axes="\n".join(
            f"| {number} | {axis['kl']:.2f} | {axis['mean']:+.2f} | {axis['std']:.2f} "
            f"| {axis['quantiles']['0.025']:+.2f} | {axis['quantiles']['0.975']:+.2f} "
            f"| {'yes' if axis['active'] else 'no'} |"
            for number, axis in enumerate(axes)
        ),
        epochs=config.optimizer.epochs,
        batch_size=config.optimizer.batch_size,
        seed=config.seed,
        libraries=", ".join(f"{name} {version}" for name, version in libraries.items()),
        machine=f"{machine['cores']} cores of {machine['processor']}",
        weights=recorded["weights_sha256"],
    )


def _final_phase(config: Config) -> str:
    phase = config.objective.final_phase
    if phase is None:
        return ""
    return FINAL_PHASE.format(epochs=phase.epochs, objective=OBJECTIVES[phase.name].format(k=phase.k))


def _full(bounds: dict[str, Any]) -> str:
    return " --full" if bounds["log_p_x"][-1]["k"] > QUICK_DRAWS else ""


def _options(metrics: dict[str, Any]) -> str:
    """Return what ``evaluate`` was asked for beyond the least."""
    quality = metrics.get("quality")
    options = [_full(metrics["bounds"])]
    if quality is not None:
        beside = quality.get("beside")
        options += [" --quality", f" --beside {_folder(beside['name'])}" if beside else ""]
    return "".join(options)


def _folder(name: str) -> str:
    """Return where a version lies, or a run that was made as its card says."""
    model, _, version = name.partition("@")
    return f"model_store/{model}/{version}" if version else f"runs/{model}"


def _rescored(name: str, fair_score: dict[str, Any] | None) -> str:
    if fair_score is None:
        return ""
    return f"    vitrine-train rescore runs/{name}{_full(fair_score['shared']['after'])}\n"


def _prior(prior: dict[str, Any]) -> str:
    if prior["name"] == "standard_normal":
        return "N(0, I)"
    nats = [candidate["validation_nats"] for candidate in prior["candidates"]]
    if len(nats) == 1:
        return f"the {prior['components']} Gaussians that the VampPrior became, learned with the weights"
    of_classes = f", shared by {len(prior['classes'])} classes" if prior["classes"] else ""
    many = f"a mixture of {prior['components']} Gaussians"
    mixture = f"{many if prior['components'] > 1 else 'a Gaussian'} with full covariances{of_classes}"
    gain = f"{max(nats) - nats[0]:.1f} nats an image better than the prior it was trained with"
    return f"{mixture}, fitted after\n  training to draws of q(z given x); on validation images {gain}"


def _quality(quality: dict[str, Any] | None) -> str:
    """Return the tables of quality, as far as it was measured."""
    if quality is None:
        return ""
    return _samples(quality) + _reconstructions(quality) + _outliers(quality.get("outliers"))


def _samples(quality: dict[str, Any]) -> str:
    """Return the table of sample quality, or nothing if it was not measured in features."""
    if quality["classifier"] is None:
        return ""
    rows = [("training images", quality["real"])]
    rows += [(f"samples, {name}", measured) for name, measured in quality["samples"].items()]
    rows += [("reconstructions", quality["reconstruction"])]
    beside = quality.get("beside")
    if beside is not None:
        rows += [(f"{beside['name']}, samples, mean", beside["samples"]["mean"])]
        rows += [(f"{beside['name']}, reconstructions", beside["reconstruction"])]
    columns = ("frechet_distance", "precision", "recall", "density", "coverage", "two_sample_auroc")
    table = "\n".join(
        f"| {name} | " + " | ".join(f"{row[key]:.3f}" if key in row else "" for key in columns) + " |"
        for name, row in rows
    )
    text = QUALITY.format(
        number=quality["num_images"],
        table=table,
        sha256=quality["classifier"]["sha256"][:12],
        accuracy=quality["classifier"]["test_accuracy"],
        nearer=quality["samples"]["mean"]["memorisation"]["features"]["share_below"],
    )
    if beside is None:
        return text
    return text + BESIDE.format(
        name=beside["name"],
        prior=PRIOR_NAMES[beside["prior"]],
        distance=beside["samples"]["mean"]["frechet_distance"],
        ratio=beside["frechet_ratio"],
    )


def _reconstructions(quality: dict[str, Any]) -> str:
    """Return the model's reconstructions beside PCA's, or nothing if these were not measured."""
    if "pca_reconstruction" not in quality:
        return ""
    rows = [("this model", quality["reconstruction"]), ("PCA", quality["pca_reconstruction"])]
    if "beside" in quality:
        rows.append((quality["beside"]["name"], quality["beside"]["reconstruction"]))
    table = "\n".join(
        f"| {name} | {row['mse']:.4f} | {row['psnr_db']:.2f} | {row['ssim']:.3f} |" for name, row in rows
    )
    return RECONSTRUCTION.format(number=quality["num_images"], table=table)


def _outliers(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    table = "\n".join(
        f"| {name} | {value:.3f} | {found['auroc_less_complexity'][name]:.3f} |"
        for name, value in found["auroc"].items()
    )
    return OUTLIERS.format(
        score=found["score"], number=found["num_images"], table=table, warning=found["warning"]
    )


def _fair_score(fair: dict[str, Any] | None) -> str:
    if fair is None:
        return ""
    draws = [row["k"] for row in fair["shared"]["after"]["log_p_x"]]
    encoders = {"before": "as trained", "after": "refitted"}
    table = "\n".join(
        f"| {scales} | {encoder} | "
        + " | ".join(f"{row['bits_per_dim']:.3f}" for row in fair[key][when]["log_p_x"])
        + " |"
        for key, scales in (("shared", "one"), ("per_pixel", "one a pixel"))
        for when, encoder in encoders.items()
    )
    return FAIR_SCORE.format(
        header=" | ".join(f"L_{k}" for k in draws), rule="---|" * len(draws), table=table
    )


def _gap(gap: dict[str, Any] | None) -> str:
    if gap is None:
        return ""
    table = "\n".join(
        f"| {PRIOR_NAMES[name]} | {row['kl']:.2f} | {row['marginal_kl']:.2f} | {row['standard_error']:.2f} |"
        for name, row in gap["priors"].items()
    )
    return GAP.format(
        number=gap["num_draws"], information=gap["information"], most=gap["most_information"], table=table
    )
