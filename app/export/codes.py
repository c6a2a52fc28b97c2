"""What a page knows of its model's codes: the prior, named places, and images that it comes with."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from app.models import Model
from app.priors import GaussianMixture

MIXTURE = "model/prior.bin"
CODES = "model/codes.json"
READY_SEED, READY_IMAGES = 42, 21  # the seed that the gallery begins with, and its first page


def ready_codes(model: Model) -> npt.NDArray[np.float32]:
    """Return the codes of the images that come with the page, (READY_IMAGES, D)."""
    return model.prior.draw(READY_SEED, 0, READY_IMAGES)


def name_of(k: int) -> str:
    """Return the file of the picture of ready image k."""
    return f"pictures/{READY_SEED}-{k}.png"


def files(model: Model) -> dict[str, bytes]:
    """Return the files by their paths in the folder; a number is read from them as it is here."""
    prior = model.prior
    classes = model.manifest.prior.classes
    images = model.examples.astype(np.float32) / np.float32(255)
    examples = model.encode(images) if len(images) else ()
    known: dict[str, Any] = {
        "places": {
            "centre": _listed(prior.centre),
            "label": [
                _listed(prior.centre_of(label)) if label in model.drawable else None
                for label in range(len(classes))
            ],
            "example": [_listed(code) for code in examples],
        },
        "ready": {
            "codes": {f"{READY_SEED}/{k}": _listed(code) for k, code in enumerate(ready_codes(model))},
            "pictures": {f"{READY_SEED}/{k}": name_of(k) for k in range(READY_IMAGES)},
        },
        "mixture": None,
    }
    found = {}
    if isinstance(prior, GaussianMixture):
        numbers = _numbers(prior)
        known["mixture"] = {
            "weights": prior.weights.tolist(),
            "component_class": prior.component_class.tolist(),
            "file": MIXTURE,
            "type": numbers.dtype.name,
        }
        found[MIXTURE] = numbers.astype(numbers.dtype.newbyteorder("<")).tobytes()
    return found | {CODES: json.dumps(known, separators=(",", ":")).encode()}


def _listed(code: npt.NDArray[np.float32]) -> list[float]:
    """Return a code as the shortest decimal numbers that are read as the same float32."""
    return [float(str(value)) for value in code]


def _numbers(prior: GaussianMixture) -> npt.NDArray[Any]:
    """Return the means, then the lower triangles by rows, as float32 if that loses nothing."""
    lower = np.tril_indices(prior.means.shape[1])
    numbers = np.concatenate([prior.means.ravel(), prior.cholesky[:, *lower].ravel()])
    narrow = numbers.astype(np.float32)
    return narrow if (narrow == numbers).all() else numbers
