"""Classes by their names, as people type them, or by their numbers."""

import functools
import re
import unicodedata
from collections import Counter

from app.errors import InvalidParameter
from app.models import Model

MAX_LABEL_CHARACTERS = 100
LISTED_CLASSES = 20  # of a thousand, in a refusal
_NUMBER = re.compile(r"[0-9]{1,100}")  # as everywhere else: no digits of other scripts
JOINERS = "\u200c\u200d"  # unseen, but parts of words in some scripts, and of emoji


def find_label(model: Model, label: str, parameter: str = "label") -> int:
    """Return the number of a class of the model's prior, or refuse one that it does not have.

    A `label` is a class' name, as it is written or in another case that no other class has, or its number.
    Refusals call it `parameter`.
    """
    names = model.manifest.prior.classes
    numbers = _numbers_of(names)
    number = next(
        (numbers[typed] for typed in (label, spelled(label), folded(label)) if typed in numbers), None
    )
    if number is None and _NUMBER.fullmatch(label) and int(label) < len(names):
        number = int(label)
    if number in model.drawable:
        return number
    if not names:
        remedy = "Leave label out, or name another model."
        reference = model.version.reference
        raise InvalidParameter.of(parameter, "a model with classes", reference, remedy, "no_classes")
    drawable = [name for number, name in enumerate(names) if number in model.drawable]
    more = ", ..." if len(drawable) > LISTED_CLASSES else ""
    expected = f"one of {', '.join(drawable[:LISTED_CLASSES])}{more}, or 0..{len(names) - 1}"
    remedy = "Name one class." if number is None else "Name another class: this one was never trained on."
    raise InvalidParameter.of(parameter, expected, label, remedy, "unknown_class")


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


def label_of(model: Model, label: str, without: str = "") -> str:
    """Return the one label that permanent addresses have for a class: its name as the manifest writes it.

    A name means the same in every version that has it. A class whose name is no label, or has a character of
    `without`, has its number, behind as many zeros as tell it from a class that is called so.
    """
    number, names = find_label(model, label), model.manifest.prior.classes
    name = names[number]
    if 0 < len(name) <= MAX_LABEL_CHARACTERS and not {*without} & {*name}:
        return name
    text, numbers = str(number), _numbers_of(names)
    while numbers.get(text, number) != number:
        text = f"0{text}"
    return text
