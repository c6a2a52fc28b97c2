"""Which images of every batch a process takes, where several train one model together."""

from typing import NamedTuple, Protocol

from training.types import Tensor


class Part(NamedTuple):
    """A stretch of a batch."""

    first: int  # its first image, counted from 0
    size: int  # images in it
    whole: int  # images in the batch

    @property
    def images(self) -> slice:
        """Where the part lies in the batch."""
        return slice(self.first, self.first + self.size)


class Together(Protocol):
    """What a model asks of the workers that train it; ``fitting.workers`` has them."""

    def part(self, whole: int) -> Part:
        """Return this worker's part of a batch of so many images."""

    def total(self, vector: Tensor) -> Tensor:
        """Return the sum of all workers' vectors, (N,) float32, the same to the bit for each of them."""
