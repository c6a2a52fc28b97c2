"""Several processes that train one model: each takes a part of every batch, and all take the same steps.

Every worker holds all images and the whole model. In a step it computes the gradient of its part; the sum
over all workers moves the weights of each of them alike. What is drawn by chance is drawn for the whole
batch, of which a worker uses its part, so that many workers train what one does, up to rounding. The first
one alone reads and writes the run folder; every epoch begins from its state, to the bit.

They speak by the collective operations of ``tf.distribute``: a ring, whose order of summation is fixed, over
gRPC without encryption or passwords.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training import runs, sources
from training.configs.schema import Config
from training.data import Dataset
from training.errors import ConfigError, RunError, WorkerLost
from training.fitting.checkpoints import data_identity
from training.models.parts import Part
from training.types import Tensor

# What a collective operation fails with when another process is gone.
GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)


class Workers:
    """The workers of a run, as one of them sees it.

    To be made before TensorFlow computes anything.

    Args:
        addresses: ``host:port`` of each, the first worker's first.
        index: which of them this process is, from 0.

    Attributes:
        count: how many there are.
        leads: whether this is the first one.

    Raises:
        RunError: no server can listen at this worker's address.
    """

    def __init__(self, addresses: Sequence[str], index: int) -> None:
        self.count, self.index, self.leads = len(addresses), index, index == 0
        cluster = tf.train.ClusterSpec({"worker": list(addresses)})
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            cluster, task_type="worker", task_id=index
        )
        ring = tf.distribute.experimental.CommunicationImplementation.RING
        options = tf.distribute.experimental.CommunicationOptions(implementation=ring)
        try:
            self._strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver, options)
        except (tf.errors.OpError, RuntimeError) as error:
            why = str(error).splitlines()[0]
            raise RunError(f"worker {index}: cannot join at {addresses[index]} ({why})") from error
        self._sum_of_numbers = tf.function(self._sum, input_signature=[tf.TensorSpec([None], tf.int32)])

    def part(self, whole: int) -> Part:
        """Return this worker's part of a batch of so many images; parts differ by one image at most."""
        first, after = (whole * number // self.count for number in (self.index, self.index + 1))
        return Part(first, after - first, whole)

    def total(self, vector: Tensor) -> Tensor:
        """Return the sum of all workers' vectors, (N,) float32, the same to the bit for each of them."""
        return self._sum(vector)

    def _sum(self, vector: Tensor) -> Tensor:
        def summed(value: Tensor) -> Tensor:
            # The copy lies on a device of this process, by which the operation is placed.
            return tf.distribute.get_replica_context().all_reduce("sum", tf.identity(value))

        return self._strategy.run(summed, (vector,))

    def each(self, number: int) -> list[int]:
        """Return the number that every worker calls this with."""
        mine = np.zeros(self.count, np.int32)
        mine[self.index] = number
        return [int(value) for value in self._sum_of_numbers(mine)]

    def from_first(self, content: bytes) -> bytes:
        """Return what the first worker calls this with."""
        length = self.each(len(content))[0]
        mine = np.zeros(-(-length // 4), np.int32)
        if self.leads:
            mine.view(np.uint8)[:length] = np.frombuffer(content, np.uint8)
        return self._sum_of_numbers(mine).numpy().tobytes()[:length]  # type: ignore[no-any-return]

    def equalise(self, variables: Sequence[keras.Variable]) -> None:
        """Give the variables the values that the first worker's have, to the bit."""
        values = [np.asarray(keras.ops.convert_to_numpy(variable)) for variable in variables]
        content = self.from_first(b"".join(value.tobytes() for value in values))
        for variable, value in zip(variables, values, strict=True):
            part, content = content[: value.nbytes], content[value.nbytes :]
            variable.assign(np.frombuffer(part, value.dtype).reshape(value.shape))

    def meet(self, config: Config, dataset: Dataset, more: dict[str, Any]) -> dict[str, Any]:
        """Return what the first worker brings as `more`.

        Raises:
            RunError: this worker has another experiment, other images, sources or libraries.
        """
        mine = {
            "experiment": config.as_dict(),
            "images": data_identity(dataset),
            "sources": sources.state()["training_sha256"],
            "libraries": {name: runs.library_version(name) for name in runs.LIBRARIES},
        }
        told = json.loads(self.from_first(json.dumps([mine, more]).encode()))
        for name, value in json.loads(json.dumps(mine)).items():
            if value != told[0][name]:
                raise RunError(f"worker {self.index}: other {name} than worker 0; start all of them alike")
        return dict(told[1])

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Turn the failure of an exchange, while this lasts, into a WorkerLost."""
        try:
            yield
        except GONE as error:
            told = f"worker {self.index} of {self.count} lost another, which ended or cannot be reached"
            raise WorkerLost(f"{told}; training stopped") from error


def check(config: Config, dataset: Dataset, workers: Workers) -> None:
    """Refuse, by a ConfigError, what several workers cannot train as one would."""
    section = config.optimizer
    if section.minutes is not None:
        raise ConfigError(
            "optimizer.minutes: expected none with several workers, as each would time itself; "
            f"say epochs. Received: {section.minutes:g}"
        )
    if config.objective.free_bits:
        raise ConfigError(
            "objective.free_bits: expected 0 with several workers, as it holds for the mean of a whole "
            f"batch; train with one. Received: {config.objective.free_bits:g}"
        )
    if (size := min(section.batch_size, len(dataset.train))) < workers.count:
        raise ConfigError(
            f"optimizer.batch_size: expected at least an image for each of {workers.count} workers. "
            f"Received: {size}"
        )
