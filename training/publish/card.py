"""The model card: what a version is, how good it is, what it must not be used for, how to make it again."""

import math
import os
import re
import shlex
from pathlib import Path
from typing import Any

import jinja2

from training.data.ground import is_drawn_inverted
from training.evaluation.schema import Report
from training.metrics import bounds
from training.metrics.pca import num_components
from training.models import latent_axes
from training.models.latent_axes import Axes
from training.models.networks import architecture_of
from training.priors import KINDS
from training.runs import replacing
from training.trained import TrainedModel

CARD = "card.md"
QUICK_DRAWS = max(k for _, draws in bounds.QUICK for k in draws)

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=jinja2.select_autoescape(),  # of HTML alone: this is Markdown
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters["number"] = format


def render(model: TrainedModel, report: Report) -> str:
    """Return the card of a model with its prior, in Markdown; the report is over the published axes."""
    network, environment = model.experiment.network, model.environment
    own_data = re.sub(r"[^\w.-]", "_", environment["data"]["name"])  # it may hold Markdown
    networks = architecture_of(network, model.image_shape, model.likelihood)
    pixels = math.prod(model.image_shape)
    return TEMPLATES.get_template("card.md.jinja").render(
        model=model,
        config=model.experiment,
        environment=environment,
        report=report,
        pixels=pixels,
        pca_components=num_components(network.latent_dim, environment["splits"]["train"], pixels),
        inverted=is_drawn_inverted(model.ground, model.image_shape),
        prior=model.known_prior,
        prior_kinds=KINDS,
        config_file=_as_typed(environment, "config_file", f"training/configs/{model.experiment.name}.toml"),
        own_data=own_data,
        data_path=_as_typed(environment, "source", own_data),
        encoder=networks.encoder_in_words(),
        decoder=networks.decoder_in_words(),
        quick_draws=QUICK_DRAWS,
    )


def write(model: TrainedModel, report: Report, run: Path) -> None:
    """Write ``card.md``, which ``export`` publishes, into a run folder; a NotWritten if that fails."""
    published = report.over(published_axes(model, report).describe(report.axes))
    with replacing(run / CARD) as file:
        file.write(render(model, published).encode())


def published_axes(model: TrainedModel, report: Report) -> Axes:
    """Return how the trained axes are published."""
    if model.experiment.traversal.axis_order == "as-trained":
        return latent_axes.as_trained(model.latent_dim)
    return latent_axes.canonical(model.decode, report.axes)


def _as_typed(environment: dict[str, Any], key: str, otherwise: str) -> str:
    """Return a path that a run recorded as a command takes it: from this folder, which is where runs/ lies.

    A published card says no more of anybody's disk than a command needs. A version has no record.
    """
    recorded = environment.get(key)
    path = os.path.relpath(recorded) if recorded else ""
    return shlex.quote(path) if path and path.isprintable() else otherwise
