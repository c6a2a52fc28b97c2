"""Which image is for training, which for validation, which for the test.

Splits that the source names are kept. What it does not name is taken from the rest by the SHA-256 of the
pixels: one image in ten for validation, one in ten for the test. So the split depends on the pictures alone,
not on their names or their order, and equal pictures always land together. An image that the source has in
two splits stays in the last of train, validation, test, and leaves the others.
"""

import dataclasses
import hashlib
import re
from collections.abc import Sequence

from training.errors import DataError
from training.types import Pixels

SPLITS = ("train", "validation", "test")
UNSPLIT = ""
# What people call them, as a whole word: `latest` is no test. MNIST's test images are its t10k.
_NAMES = {"train": "train training", "validation": "validation valid val", "test": "test testing t10k"}
SPLIT_WORDS = {name: split for split, names in _NAMES.items() for name in names.split()}
MIN_IMAGES = 20  # different ones; with fewer, neither validation nor test would say anything
MIN_SPLIT = {"train": (10, "train"), "validation": (2, "validate"), "test": (2, "test")}  # and their verbs


@dataclasses.dataclass(frozen=True)
class Gathered:
    """Images of one shape as a source has them, before they are split."""

    pixels: Pixels  # (N, H, W) or (N, H, W, 3)
    splits: tuple[str, ...]  # of each image, as the source says: one of SPLITS, or "" if it says nothing
    classes: tuple[str, ...] | None  # name of each image's class
    num_files: int
    notes: tuple[str, ...]  # what was found and chosen
    left_out: dict[str, str] = dataclasses.field(default_factory=dict)  # what is not used -> why
    files: tuple[str, ...] = ()  # of each image, for people; of arrays none

    def by_digest(self) -> "Gathered":
        """Return the same images by the SHA-256 of their levels: so the first ones are as good as any."""
        digests = digests_of(self.pixels)
        order = sorted(range(len(digests)), key=digests.__getitem__)

        def moved(each: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(each[number] for number in order)

        return dataclasses.replace(
            self,
            pixels=self.pixels[order],
            splits=moved(self.splits),
            classes=None if self.classes is None else moved(self.classes),
            files=moved(self.files) if self.files else (),
        )


def words(name: str) -> list[str]:
    """Return the words of a name in lower case: `latest-train_x` has three."""
    return re.findall(r"[a-z0-9]+", name.lower())


def split_of(name: str) -> str:
    """Return the split that a word of a name says, "" if none does or two contradict each other."""
    said = {SPLIT_WORDS[word] for word in words(name) if word in SPLIT_WORDS}
    return said.pop() if len(said) == 1 else UNSPLIT


def assign(digests: Sequence[bytes], given: Sequence[str]) -> tuple[str, ...]:
    """Return the split of each image, "" for one that is left out because a later split has it.

    Args:
        digests: what ``digests_of`` says of each.
        given: the split of each by its source, "" if that names none.

    Raises:
        DataError: too few different images, in all or in a split.
    """
    rank = {split: number for number, split in enumerate((UNSPLIT, *SPLITS))}
    last: dict[bytes, str] = {}
    for digest, split in zip(digests, given, strict=True):
        last[digest] = max(last.get(digest, UNSPLIT), split, key=rank.__getitem__)
    if len(last) < MIN_IMAGES:
        raise DataError(f"{len(last)} different images are too few; bring {MIN_IMAGES} or more")
    pool = sorted(digest for digest, split in last.items() if split in (UNSPLIT, "train"))
    share = max(round(0.1 * len(pool)), min(5, len(pool) // 5))
    final = dict.fromkeys(pool, "train")
    for split in ("test", "validation"):
        if split not in given:
            final |= dict.fromkeys(pool[:share], split)
            pool = pool[share:]
    for split, (fewest, verb) in MIN_SPLIT.items():
        found = sum(1 for digest in last if final.get(digest, last[digest]) == split)
        if found < fewest:
            raise DataError(f"{found} different images to {verb} with; bring {fewest} or more")
    return tuple(
        final.get(digest) or (split if split == last[digest] else UNSPLIT)
        for digest, split in zip(digests, given, strict=True)
    )


def digests_of(pixels: Pixels) -> list[bytes]:
    """Return the SHA-256 of every image's levels."""
    return [hashlib.sha256(image.tobytes()).digest() for image in pixels]
