"""Ancestral sampling: z ~ p(z), then x ~ p(x given z).

As in every use case, a function of a model and plain values returns the work that remains. What a client may
choose is checked at once: a refusal costs nothing and waits for nobody. The work itself is a generator
(``app.engine.work``): what it yields is computed in batches.
"""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import dataclasses
import functools
import unicodedata
from collections import Counter
from collections.abc import Callable
from typing import Literal

from app import latent
from app.engine.work import Array, Rows, Steps, Work
from app.errors import InvalidParameter
from app.explore.grids import GridStyle, Picture, check_count, check_grid, check_range, draw_grid, is_heavy
from app.models import Model
from app.settings import Settings

Render = Literal["mean", "draw"]

MAX_TEMPERATURE = 4.0
LISTED_CLASSES = 20  # of a thousand, in a refusal
JOINERS = "\u200c\u200d"  # unseen, but parts of words in some scripts, and of emoji


@dataclasses.dataclass(frozen=True)
class Samples:
    """What is sampled; image k of a seed depends on (model version, seed, k) and nothing else.

    Args:
        n: number of images.
        temperature: 0 to 4, scale of the codes around the centre of the prior, or of each code's component;
            1 samples the prior.
        render: ``mean`` shows E[x given z], ``draw`` a draw from p(x given z).
        label: a class, by its name or number, whose part of the prior alone is drawn from; None: all of it.
    """

    n: int
    temperature: float = 1.0
    render: Render = "mean"
    label: str | None = None


def sampler(
    model: Model, limits: Settings, style: GridStyle, samples: Samples
) -> Callable[[int], Work[Picture]]:
    """Return a function of a seed, 0 to 2^63 - 1, that returns the work of its picture.

    What does not depend on the seed is checked here, once for many pictures.

    Raises:
        InvalidParameter: a value is out of range, or the model knows no such class.
    """
    n, temperature = samples.n, samples.temperature
    check_count("n", n, 1, limits.max_images, "max_images")
    check_range("temperature", temperature, 0.0, MAX_TEMPERATURE)
    number = None if samples.label is None else find_label(model, samples.label)
    columns = check_grid(style, n, model, limits)
    heavy = is_heavy(n, model, style)
    noise_shape = model.manifest.likelihood.noise_shape
    draw_codes = model.prior.draw

    def codes(seed: int, start: int, count: int) -> tuple[Array, ...]:
        return (draw_codes(seed, start, count, temperature, number),)

    def codes_and_noise(seed: int, start: int, count: int) -> tuple[Array, ...]:
        return *codes(seed, start, count), latent.uniform_noise(seed, start, count, noise_shape)

    drawn = samples.render == "draw"
    operation, make = (model.drawing, codes_and_noise) if drawn else (model.decoding, codes)
    operations = (operation,)

    def steps(seed: int) -> Steps[Picture]:
        images = yield Rows(operation, n, functools.partial(make, seed), cheap=not drawn)
        return draw_grid(images, columns, style)

    return lambda seed: Work(functools.partial(steps, seed), n, operations, heavy)


def find_label(model: Model, label: str) -> int:
    """Return the number of a class of the model's prior, or refuse one that it does not have.

    A `label` is a class' name, as it is written or in another case that no other class has, or its number.
    """
    names = model.manifest.prior.classes
    numbers = _numbers_of(names)
    number = next(
        (numbers[typed] for typed in (label, spelled(label), folded(label)) if typed in numbers), None
    )
    if number is None and label.isdecimal() and int(label) < len(names):
        number = int(label)
    if number in model.drawable:
        return number
    if not names:
        remedy = "Leave label out, or name another model."
        reference = model.version.reference
        raise InvalidParameter.of("label", "a model with classes", reference, remedy, "no_classes")
    drawable = [name for number, name in enumerate(names) if number in model.drawable]
    more = ", ..." if len(drawable) > LISTED_CLASSES else ""
    expected = f"one of {', '.join(drawable[:LISTED_CLASSES])}{more}, or 0..{len(names) - 1}"
    remedy = "Name one class." if number is None else "Name another class: this one was never trained on."
    raise InvalidParameter.of("label", expected, label, remedy, "unknown_class")


@functools.lru_cache(maxsize=64)
def _numbers_of(names: tuple[str, ...]) -> dict[str, int]:
    """Return the number of the class that each way to write it means, where that is one class."""
    numbered = list(enumerate(names))
    cases = Counter(map(folded, names))
    in_any_case = {folded(name): number for number, name in numbered if cases[folded(name)] == 1}
    as_read = {spelled(name): number for number, name in reversed(numbered)}
    return in_any_case | as_read | {name: number for number, name in numbered}  # to the letter comes first


def spelled(name: str) -> str:
    """Return a name as ``model_store/README.md`` writes it, from whatever keyboard: NFC, nothing unseen."""
    if name.isascii():
        return " ".join(name.split())
    seen = "".join(each for each in name if each in JOINERS or unicodedata.category(each) != "Cf")
    return " ".join(unicodedata.normalize("NFC", seen).split())


def folded(name: str) -> str:
    """Return what a name has in common with the same in another case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", spelled(name)).casefold())


def check_seed(seed: int) -> None:
    """Refuse a seed that does not fit in 63 bits."""
    if not 0 <= seed <= latent.MAX_SEED:
        raise InvalidParameter.of("seed", "0..2^63-1", seed, "Use a number in this range.", "out_of_range")
