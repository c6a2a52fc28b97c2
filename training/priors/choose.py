"""Priors p(z): what codes are drawn from, and what the bounds are measured with.

While a model trains its prior is N(0, I). The codes that its encoder gives to real images fill only part of
that: the *aggregate posterior* q(z), the posterior averaged over the data, has holes where the decoder was
never trained. A mixture of Gaussians with full covariances, fitted to draws of q(z given x) after training,
is a prior without those holes (Ghosh et al. 2020; Dai & Wipf 2019 fit a second model instead). It is fitted
to draws and not to posterior means, so it is a proper p(z) for the bound as well: bits and samples come from
the same prior.

D is the number of latent axes, K the number of components.
"""

import dataclasses
import json
import math
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training import data
from training.configs.schema import Config
from training.errors import RunError
from training.models import objectives
from training.runs import write_json
from training.types import ReportSection, Tensor

Codes = npt.NDArray[np.float32]

PRIOR = "prior.json"
PRIOR_ARRAYS = "prior.npz"
DRAWS_PER_IMAGE = 5
MAX_ITERATIONS = 100
LEAST_GAIN = 1e-3  # nats a code: below it another iteration is not worth its time
BATCH = 20_000  # codes whose responsibilities are held in memory at once
ENCODE_BATCH = 1_000


class Prior(Protocol):
    """What every prior has."""

    @property
    def name(self) -> str:
        """What the manifest calls it."""
        ...

    @property
    def label(self) -> str:
        """What a table of the card calls it."""
        ...

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats of codes (..., D), shape (...)."""
        ...

    def draw(self, count: int, rng: np.random.Generator) -> Codes:
        """Return `count` codes, (count, D) float32."""
        ...

    def describe(self) -> str:
        """Return what the card says it is, half a sentence."""
        ...

    def manifest_entry(self) -> dict[str, Any]:
        """Return the manifest's ``prior``: its name, and where its arrays and classes are, if it has any."""
        ...

    def reordered(self, order: Sequence[int], signs: Sequence[int]) -> "Prior":
        """Return the same density over codes whose axis i is the old axis ``order[i]`` times ``signs[i]``."""
        ...

    def save(self, folder: Path) -> None:
        """Write the arrays into a folder, if there are any.

        Raises:
            OSError: the file cannot be written.
        """
        ...


class Candidate(ReportSection):
    """A prior that was tried."""

    name: str
    components: int
    validation_nats: float  # mean of log p(z) over draws of q(z given x) of validation images


class PriorReport(ReportSection):
    """Which prior a model has, and which others were tried; two candidates' ELBO differ as their nats do."""

    name: str
    candidates: tuple[Candidate, ...] = ()  # the first is the one that the model was trained with
    weights_sha256: str | None = None  # of the trained weights, to which a fitted prior belongs
    tried: tuple[Any, ...] = ()  # what the configuration asked for
    components: int | None = None
    classes: tuple[str, ...] = ()

    @property
    def gain(self) -> float:
        """How much the best candidate's ELBO exceeds that of the prior while training, nats an image."""
        nats = [candidate.validation_nats for candidate in self.candidates] or [0.0]
        return max(nats) - nats[0]


@dataclasses.dataclass(frozen=True)
class StandardNormal:
    """N(0, I).

    Args:
        latent_dim: D.
    """

    latent_dim: int
    name: str = "standard_normal"
    label: ClassVar[str] = "N(0, I)"

    def describe(self) -> str:
        """Return the card's words for it; see ``Prior``."""
        return self.label

    def manifest_entry(self) -> dict[str, Any]:
        """Return the manifest's ``prior``; see ``Prior``."""
        return {"name": self.name}

    def reordered(self, order: Sequence[int], signs: Sequence[int]) -> "StandardNormal":  # noqa: ARG002
        """Return itself: it is the same along every axis and in either direction."""
        return self

    def save(self, folder: Path) -> None:
        """Write nothing: it has no arrays."""

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log N(z; 0, I); see ``Prior``."""
        zeros = tf.zeros_like(z)
        return objectives.log_normal(z, zeros, zeros)

    def draw(self, count: int, rng: np.random.Generator) -> Codes:
        """Return codes; see ``Prior``."""
        return rng.standard_normal((count, self.latent_dim), dtype=np.float32)


@dataclasses.dataclass(frozen=True)
class GaussianMixture:
    """sum_k w_k N(z; m_k, C_k C_k^T).

    Args:
        weights: w, (K,), positive, their sum one.
        means: m, (K, D).
        cholesky: C, (K, D, D), lower triangular.
        classes: names of the classes that components belong to; empty: to none.
        component_class: (K,), the class of each component; empty where there are no classes.
    """

    weights: npt.NDArray[np.float64]
    means: npt.NDArray[np.float64]
    cholesky: npt.NDArray[np.float64]
    classes: tuple[str, ...] = ()
    component_class: npt.NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.zeros(0, np.int64))
    name: str = "gaussian_mixture"
    label: ClassVar[str] = "the fitted mixture"

    def describe(self) -> str:
        """Return the card's words for it; see ``Prior``."""
        many = f"a mixture of {len(self.weights)} Gaussians" if len(self.weights) > 1 else "a Gaussian"
        shared = f", shared by {len(self.classes)} classes" if self.classes else ""
        return f"{many} with full covariances{shared}"

    def manifest_entry(self) -> dict[str, Any]:
        """Return the manifest's ``prior``; see ``Prior``."""
        return {"name": self.name, "path": PRIOR_ARRAYS, "classes": list(self.classes)}

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the mixture's log-density; see ``Prior``."""
        return tf.reduce_logsumexp(self.log_joint(z), axis=-1)

    def log_joint(self, z: Tensor) -> Tensor:
        """Return log w_k + log N(z; m_k, C_k C_k^T) of codes (..., D), shape (..., K)."""
        latent_dim = self.means.shape[1]
        whiten = np.linalg.inv(self.cholesky)  # rows of C^-1, so that |C^-1 (z - m)|^2 is the distance
        flat = tf.reshape(z, (-1, latent_dim))
        # One product for all components: (N, D) x (D, K D).
        stacked = whiten.transpose(2, 0, 1).reshape(latent_dim, -1).astype(np.float32)
        offset = np.einsum("kij,kj->ki", whiten, self.means).astype(np.float32)
        white = tf.reshape(flat @ stacked, (-1, *self.means.shape)) - offset
        log_scale = np.log(np.diagonal(self.cholesky, axis1=1, axis2=2)).sum(axis=1)
        constant = np.log(self.weights) - log_scale - 0.5 * latent_dim * math.log(2 * math.pi)
        log_joint = constant.astype(np.float32) - 0.5 * tf.reduce_sum(tf.square(white), axis=-1)
        return tf.reshape(log_joint, (*z.shape[:-1], len(self.weights)))

    def draw(self, count: int, rng: np.random.Generator) -> Codes:
        """Return codes; see ``Prior``."""
        chosen = rng.choice(len(self.weights), size=count, p=self.weights)
        noise = rng.standard_normal((count, self.means.shape[1]))
        shifted = np.einsum("nij,nj->ni", self.cholesky[chosen], noise)
        codes: Codes = (self.means[chosen] + shifted).astype(np.float32)
        return codes

    def reordered(self, order: Sequence[int], signs: Sequence[int]) -> "GaussianMixture":
        """Return the same density over codes whose axis i is the old axis ``order[i]`` times ``signs[i]``."""
        turned = np.asarray(signs)[:, None] * self.cholesky[:, order, :]
        covariances = turned @ turned.transpose(0, 2, 1)
        means = np.asarray(signs) * self.means[:, order]
        cholesky = np.linalg.cholesky(covariances).astype(np.float64)
        return dataclasses.replace(self, means=means, cholesky=cholesky)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return what is stored; the format is that of model_store/README.md."""
        return {
            "weights": self.weights,
            "means": self.means.astype(np.float32),
            "cholesky": self.cholesky.astype(np.float32),
            "component_class": self.component_class,
            "classes": np.array(self.classes, dtype=np.str_),
        }

    def save(self, folder: Path) -> None:
        """Write ``prior.npz`` into a folder, whole or not at all; see ``Prior``."""
        temporary = folder / f"{PRIOR_ARRAYS}.tmp"
        with temporary.open("wb") as file:
            np.savez_compressed(file, **self.arrays())  # type: ignore[arg-type]  # the stubs see flags
        temporary.replace(folder / PRIOR_ARRAYS)


LABELS = {kind.name: kind.label for kind in (StandardNormal, GaussianMixture)}


def of_version(entry: dict[str, Any], latent_dim: int, folder: Path) -> Prior:
    """Return the prior that a manifest's ``prior`` names.

    Args:
        entry: as of ``Prior.manifest_entry``.
        latent_dim: D.
        folder: of the version.

    Raises:
        OSError, ValueError, KeyError: as ``load_fitted``.
    """
    return load_fitted(folder / entry["path"]) if "path" in entry else StandardNormal(latent_dim)


def load_fitted(path: Path) -> GaussianMixture:
    """Read what ``save`` of a mixture wrote.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not such a file, or not all of it.
        KeyError: it lacks an array.
    """
    try:
        with path.open("rb") as content, np.load(content, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"not a whole .npz file: {error}") from error
    return GaussianMixture(
        weights=arrays["weights"],
        means=arrays["means"].astype(np.float64),
        cholesky=arrays["cholesky"].astype(np.float64),
        classes=tuple(str(name) for name in arrays["classes"]),
        component_class=arrays["component_class"],
    )


@dataclasses.dataclass(frozen=True)
class Choice:
    """Which prior was chosen, and why.

    Args:
        prior: the one whose bound on the validation split is the highest.
        candidates: for each that was tried, ``name``, ``components`` and ``validation_nats``: the mean of
            log p(z) over draws of q(z given x) of validation images. Two candidates' ELBO differ by as much.
    """

    prior: Prior
    candidates: list[dict[str, Any]]


def learned(config: Config, vae: Any) -> StandardNormal | GaussianMixture:
    """Return the prior that a model was trained with: N(0, I), or the mixture that its VampPrior has become.

    Args:
        config: the experiment.
        vae: the trained model.
    """
    if vae.vamp is None:
        return StandardNormal(config.network.latent_dim)
    z_mean, z_log_var = (np.asarray(part, np.float64) for part in vae.encoder(vae.vamp.pseudo_images()))
    cholesky = np.exp(z_log_var / 2)[:, :, None] * np.eye(config.network.latent_dim)
    return GaussianMixture(np.full(len(z_mean), 1 / len(z_mean)), z_mean, cholesky)


def prepare(
    config: Config,
    encoder: Callable[..., Any],
    trained_with: Prior,
    dataset: data.Dataset,
    run: Path,
    weights_sha256: str,
    report: Callable[[str], None] = lambda _: None,
) -> tuple[Prior, PriorReport]:
    """Return the prior of a run, fitted now or read back from its folder, and how it was chosen.

    Args:
        config: the experiment; without ``prior.components`` it is the prior that the model was trained with.
        encoder: images (B, ...) -> z_mean, z_log_var.
        trained_with: the prior while the model trained.
        dataset: the images; the test split is not touched.
        run: the run folder, where ``prior.npz`` and ``prior.json`` are kept.
        weights_sha256: of the trained weights, to which a fitted prior belongs.
        report: called with a line for each candidate.

    Raises:
        RunError: the run folder cannot be written.
    """
    known = read(config, trained_with, run, weights_sha256)
    if known is not None:
        return known
    choice = choose(encoder, dataset, config.prior.components, config.seed, report, trained_with)
    prior = choice.prior
    described = PriorReport(
        name=prior.name,
        candidates=tuple(Candidate.model_validate(candidate) for candidate in choice.candidates),
        weights_sha256=weights_sha256,
        tried=config.prior.components,
    )
    try:
        if isinstance(prior, GaussianMixture):
            described = described.model_copy(
                update={"components": len(prior.weights), "classes": prior.classes}
            )
            prior.save(run)
            prior = load_fitted(run / PRIOR_ARRAYS)  # rounded as it will be served: that is what is measured
        write_json(run / PRIOR, described.as_dict())
    except OSError as error:
        raise RunError(f"{run}: cannot be written ({error.strerror or error})") from error
    return prior, described


def read(
    config: Config, trained_with: Prior, run: Path, weights_sha256: str
) -> tuple[Prior, PriorReport] | None:
    """Return what ``prepare`` found for these weights and this configuration; None: it has yet to."""
    if isinstance(trained_with, StandardNormal) and not config.prior.components:
        return trained_with, PriorReport(name=trained_with.name)
    try:
        described = PriorReport.model_validate(json.loads((run / PRIOR).read_text()))
        if described.weights_sha256 != weights_sha256 or described.tried != config.prior.components:
            return None
        if described.name == StandardNormal.name:
            return StandardNormal(config.network.latent_dim), described
        return load_fitted(run / PRIOR_ARRAYS), described
    except (OSError, ValueError, KeyError):
        return None


def choose(
    encoder: Callable[..., Any],
    dataset: data.Dataset,
    components: Sequence[int],
    seed: int,
    report: Callable[[str], None] = lambda _: None,
    trained_with: Prior | None = None,
) -> Choice:
    """Fit mixtures to draws of q(z given x) of the training images; choose on validation images.

    Where images have classes, every class gets a mixture of its own, an equal share of the components, and
    the whole weighs the classes by their share of the data: a class can then be asked for.

    Args:
        encoder: images (B, ...) -> z_mean, z_log_var.
        dataset: the images; the test split is not touched.
        components: numbers of components to try.
        seed: of the draws, and of where the fits begin.
        report: called with a line for each candidate.
        trained_with: the prior while the model trained, the first candidate; None: N(0, I).
    """
    rng = np.random.default_rng(seed)
    train = posterior_draws(*posteriors(encoder, dataset.train), DRAWS_PER_IMAGE, rng)
    held_out = posterior_draws(*posteriors(encoder, dataset.validation), DRAWS_PER_IMAGE, rng)
    labels = dataset.labels
    best: Prior = trained_with or StandardNormal(train.shape[1])
    nats = _mean_log_prob(best, held_out)
    number_of = len(best.weights) if isinstance(best, GaussianMixture) else 1
    candidates: list[dict[str, Any]] = [{"name": best.name, "components": number_of, "validation_nats": nats}]
    for number in dict.fromkeys(_rounded(number, labels) for number in components):
        if labels is None:
            mixture = fit_gaussian_mixture(train, number, rng)
        else:
            classes = np.tile(labels.train, DRAWS_PER_IMAGE)
            mixture = fit_mixture_per_class(train, classes, labels.names, number, rng)
        found = _mean_log_prob(mixture, held_out)
        candidates.append(
            {"name": mixture.name, "components": len(mixture.weights), "validation_nats": found}
        )
        report(
            f"prior of {len(mixture.weights)} Gaussians: "
            f"{found - candidates[0]['validation_nats']:+.2f} nats an image against the one while training"
        )
        if found > nats:
            best, nats = mixture, found
    return Choice(best, candidates)


def _rounded(components: int, labels: data.Labels | None) -> int:
    """Return how many Gaussians there will be: as many for every class, at least one."""
    classes = 1 if labels is None else len(np.unique(labels.train))
    return max(1, components // classes) * classes


def posteriors(encoder: Callable[..., Any], images: data.Images) -> tuple[Codes, Codes]:
    """Return means and standard deviations of q(z given x), (N, D) each."""
    encoded = [encoder(batch, training=False) for batch in data.batches(images, ENCODE_BATCH)]
    z_mean = np.concatenate([np.asarray(mean) for mean, _ in encoded])
    return z_mean, np.exp(np.concatenate([np.asarray(log_var) for _, log_var in encoded]) / 2)


def posterior_draws(z_mean: Codes, z_std: Codes, draws: int, rng: np.random.Generator) -> Codes:
    """Return `draws` codes for every image, (draws * N, D): all images once, then again."""
    return np.concatenate(
        [z_mean + z_std * rng.standard_normal(z_mean.shape, dtype=np.float32) for _ in range(draws)]
    )


def fit_mixture_per_class(
    z: Codes,
    labels: npt.NDArray[np.int64],
    names: tuple[str, ...],
    components: int,
    rng: np.random.Generator,
) -> GaussianMixture:
    """Fit one mixture to the codes of each class, and join them by the classes' shares.

    Args:
        z: (N, D).
        labels: (N,), the class of each code.
        names: the classes' names.
        components: K of the whole; each class that has codes gets an equal share, at least one.
        rng: where the fits begin.
    """
    present = np.unique(labels)
    each = max(1, components // len(present))
    parts = [fit_gaussian_mixture(z[labels == label], each, rng) for label in present]
    shares = [float(np.mean(labels == label)) for label in present]
    return GaussianMixture(
        weights=np.concatenate([share * part.weights for share, part in zip(shares, parts, strict=True)]),
        means=np.concatenate([part.means for part in parts]),
        cholesky=np.concatenate([part.cholesky for part in parts]),
        classes=names,
        component_class=np.concatenate(
            [np.full(len(part.weights), label) for label, part in zip(present, parts, strict=True)]
        ),
    )


def fit_gaussian_mixture(z: Codes, components: int, rng: np.random.Generator) -> GaussianMixture:
    """Fit a mixture of Gaussians with full covariances by expectation maximisation.

    The covariances have an inverse Wishart prior worth D + 2 codes, so that a component with few codes keeps
    a sensible shape; with many codes it does not matter.

    Args:
        z: (N, D).
        components: K; fewer if there are fewer than 2 D + 2 codes for each.
        rng: where it begins.
    """
    count, latent_dim = z.shape
    components = max(1, min(components, count // (2 * latent_dim + 2)))
    spread = np.atleast_2d(np.cov(z, rowvar=False, bias=True))
    centres = _spread_out(z, components, rng)
    nearest = np.concatenate([_nearest(batch, centres) for batch in data.batches(z, BATCH)])
    responsibility = np.eye(components, dtype=np.float32)
    hard = _moments(z, lambda start, batch: responsibility[nearest[start : start + len(batch)]])
    mixture = _maximise(hard, spread)
    before = -math.inf
    for _ in range(MAX_ITERATIONS):
        total = 0.0

        def expect(start: int, batch: Codes) -> Codes:  # noqa: ARG001  the other caller needs it
            nonlocal total
            log_joint = mixture.log_joint(tf.constant(batch))  # noqa: B023  called before it changes
            log_prob = tf.reduce_logsumexp(log_joint, axis=-1, keepdims=True)
            total += float(np.sum(log_prob, dtype=np.float64))
            return np.asarray(tf.exp(log_joint - log_prob))

        mixture = _maximise(_moments(z, expect), spread)
        if total / count - before < LEAST_GAIN:
            break
        before = total / count
    return mixture


_Moments = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]


def _moments(z: Codes, responsibilities: Callable[[int, Codes], Codes]) -> _Moments:
    """Return each component's share of the codes: number (K,), sum (K, D), sum of squares (K, D, D)."""
    number, first, second = np.zeros(()), np.zeros(()), np.zeros(())
    for start in range(0, len(z), BATCH):
        batch = z[start : start + BATCH]
        weight = responsibilities(start, batch)
        number = number + weight.sum(axis=0, dtype=np.float64)
        first = first + (weight.T @ batch).astype(np.float64)
        second = second + np.stack([(batch * column[:, None]).T @ batch for column in weight.T])
    return number, first, second


def _maximise(moments: _Moments, spread: npt.NDArray[np.float64]) -> GaussianMixture:
    number, first, second = moments
    latent_dim = len(spread)
    number = np.maximum(number, 1e-6)  # a component that lost every code keeps its share of the prior's
    means = first / number[:, None]
    scatter = second - number[:, None, None] * means[:, :, None] * means[:, None, :]
    pseudo = latent_dim + 2
    # The pseudo-codes are as tight as one of K equal parts of the whole would be in D dimensions.
    shape = spread / len(number) ** (2 / latent_dim)
    covariances = (scatter + pseudo * shape) / (number + pseudo)[:, None, None]
    return GaussianMixture(number / number.sum(), means, np.linalg.cholesky(covariances))


def _spread_out(z: Codes, components: int, rng: np.random.Generator) -> Codes:
    """Return codes to begin with, each drawn by its squared distance from those before (k-means++)."""
    some = z[rng.choice(len(z), size=min(len(z), BATCH), replace=False)]
    chosen = [some[rng.integers(len(some))]]
    distance = np.full(len(some), np.inf)
    while len(chosen) < components:
        distance = np.minimum(distance, np.sum((some - chosen[-1]) ** 2, axis=1, dtype=np.float64))
        chosen.append(some[rng.choice(len(some), p=distance / distance.sum())])
    return np.stack(chosen)


def _nearest(z: Codes, centres: Codes) -> npt.NDArray[np.int64]:
    nearest: npt.NDArray[np.int64] = np.argmin(np.sum(centres**2, axis=1) - 2 * z @ centres.T, axis=1)
    return nearest


def _mean_log_prob(prior: Prior, z: Codes) -> float:
    parts = [np.asarray(prior.log_prob(tf.constant(batch))) for batch in data.batches(z, BATCH)]
    return float(np.mean(np.concatenate(parts), dtype=np.float64))
