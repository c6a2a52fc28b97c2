"""What may be asked of one very model: every parameter of every picture, as a JSON schema with its range.

Names, types, choices and texts are those of the queries that are read. Ranges and defaults are those of the
checks that use cases make, for the model's shape and the limits in force.
"""

import math
from collections.abc import Iterable
from typing import Any

from app import latent
from app.explore import maps, planes
from app.explore.directions import MAX_STRENGTH
from app.explore.grids import MAX_CODE, MAX_FPS, MAX_WHOLE
from app.explore.labels import MAX_LABEL_CHARACTERS
from app.explore.paths import MAX_POINTS
from app.explore.points import MAX_CHARACTERS, MAX_TERMS
from app.explore.samples import MAX_OFFSET, MAX_TEMPERATURE
from app.explore.seeds import MAX_WORD_CHARACTERS
from app.http.endpoint import PictureEndpoint
from app.http.walks import ALONG_AXIS
from app.pictures.formats import FORMATS
from app.pictures.grids import GridStyle
from app.priors import GaussianMixture, open_prior
from app.settings import Settings
from app.store import Version

Schema = dict[str, Any]

# What a query has from another one and its endpoint refuses: walks between images have no axis.
NEVER = {("POST", "/interpolate"): ALONG_AXIS}

# What E[x given z] is called, and what stands for it where it has no closed form; by likelihood.
CENTRES = {
    "colour-logistic": "E[x given z] of p(x given z) up to levels cut off at black and white, where green is "
    "taken at the expected red, blue at the expected red and green",
    "autoregressive-logistic": "the centre of p(x given z): each pixel's mean if the neighbours that it "
    "leans on are at theirs, as E[x given z] has no closed form",
    "causal-logistic": "the base m(z) of p(x given z), trained to be near E[x given z] by its squared error, "
    "as that has no closed form",
}
CENTRES["causal-colour-logistic"] = CENTRES["causal-logistic"]


def mean_of(likelihood: str) -> str:
    """Return what ``render=mean`` shows of a model with this likelihood."""
    return CENTRES.get(likelihood, "the mean of p(x given z), E[x given z]")


def options(version: Version, settings: Settings, endpoints: Iterable[PictureEndpoint]) -> dict[str, Schema]:
    """Return by address, as ``GET /samples``, the parameters that may be given for `version`.

    Each is a JSON schema. Beside that standard's words there are ``default_by_axis``, the ends of a walk by
    latent axis; ``only_with``, the values of other parameters without which it is refused; ``points``, the
    kinds of places that the model has, up to ``maxTerms`` of them in a sum and ``maxPoints`` sums;
    ``parts``, what stands between commas; ``needs``, parameters without which it is refused; ``shows``, the
    meaning of a choice; and ``required``. A default of null leaves the parameter out.

    Raises:
        ModelError: the version's prior cannot be read.
    """
    names = _class_names(version)
    ranges = _ranges(version, settings, names)
    found = {}
    for endpoint in endpoints:
        if endpoint.path == "/map" and version.manifest.map is None:
            continue
        schema = endpoint.query.model_json_schema()
        own = ranges | _ranges_of(endpoint, version, settings, names)
        ruled_out = {*never(endpoint), *([] if names else ["label"])}
        animated = [name for name in endpoint.query.formats if FORMATS[name].animated]
        for name in ("fps", "loop"):
            own[name] = own[name] | {"only_with": {"format": animated}}
        parameters = {
            name: _merged(field, own.get(name, {}), name in schema.get("required", ()))
            for name, field in schema["properties"].items()
            if name not in ruled_out
        }
        parameters["format"]["enum"] = list(endpoint.query.formats)
        found[f"{endpoint.method} {endpoint.path}"] = parameters
    return found


def never(endpoint: PictureEndpoint) -> set[str]:
    """Return the parameters of an endpoint's query that it always refuses."""
    return set(NEVER.get((endpoint.method, endpoint.path), ()))


def _merged(field: Schema, own: Schema, required: bool) -> Schema:
    """Return a parameter's schema, that of a query's field, with what is a model's own."""
    given: Schema = next((each for each in field.get("anyOf", ()) if each.get("type") != "null"), {})
    words = {name: field[name] for name in ("description", "default", "examples") if name in field}
    kept = {name: field[name] for name in ("type", "enum") if name in field}
    return kept | given | words | own | ({"required": True} if required else {})


def ranges_of_all(endpoint: PictureEndpoint, settings: Settings) -> dict[str, Schema]:
    """Return the widest range of an endpoint's parameters, by name: beyond it, every model refuses them."""
    code = {"minimum": -MAX_CODE, "maximum": MAX_CODE}
    steps = settings.max_steps
    return {
        "zoom": whole(1, settings.max_zoom),
        "n": whole(1, settings.max_images),
        "offset": whole(0, MAX_OFFSET),
        "temperature": {"minimum": 0.0, "maximum": MAX_TEMPERATURE},
        **dict.fromkeys(("axis", "x", "y"), whole(0, MAX_WHOLE)),
        **dict.fromkeys(("low", "high"), code),
        "steps": whole(2, steps),
        "rows": whole(1, steps),
        "columns": whole(1, steps if endpoint.path == "/manifold" else MAX_WHOLE),
        "fps": whole(1, MAX_FPS),
        "k": whole(1, settings.max_draws),
    }


def _ranges(version: Version, settings: Settings, names: list[str]) -> dict[str, Schema]:
    """Return what is a model's own of each parameter, by its name; whatever the picture."""
    manifest = version.manifest
    image, walk, style = manifest.image, manifest.walk, GridStyle()
    fitting = settings.max_pixels // (image.height * image.width)  # images in one answer, at zoom 1
    axis = whole(0, manifest.latent_dim - 1)
    code = {"minimum": -MAX_CODE, "maximum": MAX_CODE}
    ends = [manifest.walk_range(number) for number in range(manifest.latent_dim)]
    priors = dict.fromkeys((manifest.prior.name, "standard_normal"))
    return {
        "model": {"enum": [version.reference, version.pinned]},
        "n": whole(1, min(settings.max_images, fitting)),
        "offset": whole(0, MAX_OFFSET),
        "seed": whole(0, latent.MAX_SEED) | {"type": ["integer", "string"], "maxLength": MAX_WORD_CHARACTERS},
        "temperature": {"minimum": 0.0, "maximum": MAX_TEMPERATURE},
        "label": {"enum": names, "maxLength": MAX_LABEL_CHARACTERS},
        "prior": {"enum": list(priors), "default": manifest.prior.name},
        "render": {"shows": {"mean": mean_of(manifest.likelihood.name), "draw": "a draw from p(x given z)"}},
        **dict.fromkeys(("x", "y"), axis),
        "axis": axis | {"default": walk.axis},
        "low": code | {"default_by_axis": [low for low, _ in ends]},
        "high": code | {"default_by_axis": [high for _, high in ends]},
        "steps": whole(2, min(settings.max_steps, fitting)) | {"default": walk.steps},
        "z": {"parts": {"type": "number", "count": manifest.latent_dim} | code},
        "columns": {"minimum": 1},
        "array": {"only_with": {"format": ["npy"]}},
        "rows": whole(1, settings.max_steps),
        "ink": {"default": image.ink},
        "fps": whole(1, MAX_FPS) | {"default": style.fps},
        "loop": {"default": style.loop},
    }


def _ranges_of(
    endpoint: PictureEndpoint, version: Version, settings: Settings, names: list[str]
) -> dict[str, Schema]:
    """Return what is one endpoint's own of the parameters that it shares with others."""
    manifest, path = version.manifest, endpoint.path
    image, axes = manifest.image, manifest.latent_dim
    fitting = settings.max_pixels // (image.height * image.width)
    examples = 1 if endpoint.body else max(1, len(manifest.examples))
    fewest = {
        "/axes": 2 * axes,
        "/map": maps.TALLEST,
        "/reconstruct": 2 * examples,
        "/compare": 2,
        "/interpolate": 2,
        "/directions": 2,
        "/score": 2 * examples,
        "/complete": 3 * examples,
    }
    zoom = min(settings.max_zoom, math.isqrt(fitting // fewest.get(path, 1)))
    found: dict[str, Schema] = {"zoom": whole(1, max(1, zoom))}
    if path in ("/samples", "/complete"):
        found["render"] = {"default": manifest.samples_render}
    places = _places(version, names)
    if endpoint.body:
        places["image"] = whole(0, settings.max_upload_images - 1)
    point = {"maxLength": MAX_CHARACTERS, "maxTerms": MAX_TERMS, "points": places}
    found |= dict.fromkeys(("at", "of", "from", "to", "points", "plus", "minus"), point)
    found["via"] = point | {"maxPoints": MAX_POINTS - 2}
    if path == "/axes":
        found["steps"] = whole(2, min(settings.max_steps, fitting // axes)) | {"default": manifest.walk.steps}
    if path == "/directions":
        found["low"] = found["high"] = {"minimum": -MAX_STRENGTH, "maximum": MAX_STRENGTH}
    if path == "/complete":
        found["n"] = whole(1, min(settings.max_images // examples, fitting // examples - 2))
    if path == "/reconstruct":
        found["elbo"] = whole(0, max(1, settings.max_draws // examples))
    if path in ("/complete", "/score"):  # of one upload; of several, all together
        found["k"] = whole(1, max(1, settings.max_draws // examples))
    if path == "/manifold":
        found |= {"columns": whole(1, settings.max_steps), "show": {"enum": list(planes.shows(manifest))}}
    if path == "/map":
        found["show"] = {"enum": list(maps.shows(manifest))}
    if (endpoint.method, path) == ("GET", "/interpolate"):
        ends = {"needs": ["from", "to"]}
        found["path"], found["via"] = ends, found["via"] | ends
    return found


def whole(least: int, most: int) -> Schema:
    """Return the range of a whole number."""
    return {"minimum": least, "maximum": most}


def _class_names(version: Version) -> list[str]:
    """Return the classes that the prior has a component of."""
    prior = open_prior(version)
    if not isinstance(prior, GaussianMixture):
        return []
    drawable = set(prior.component_class.tolist())
    return [name for number, name in enumerate(version.manifest.prior.classes) if number in drawable]


def _places(version: Version, names: list[str]) -> dict[str, Any]:
    """Return the kinds of places that a point may name without an upload, each with its range."""
    manifest = version.manifest
    places: dict[str, Any] = {
        "centre": {},
        "seed": whole(0, latent.MAX_SEED),
        "z": {"count": manifest.latent_dim, "minimum": -MAX_CODE, "maximum": MAX_CODE},
    }
    if names:
        places["label"] = {"enum": names}
    if manifest.examples:
        places["example"] = whole(0, len(manifest.examples) - 1)
    return places


def limits_of_uploads(settings: Settings) -> dict[str, int]:
    """Return what the body of a POST may hold."""
    return {name: value for name, value in settings.limits().items() if name.startswith("max_upload_")}
