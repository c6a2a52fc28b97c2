"""What a last phase of training by a tighter bound is worth: ELBO, IWAE and DReG at equal time.

A trained model goes on for some minutes with its own objective, and as long with the importance-weighted
bound L_k (Burda, Grosse & Salakhutdinov 2016) and with its doubly reparameterised gradient (Tucker et al.
2019), for several seeds each. All begin with the same weights.
"""

import contextlib
import itertools
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training import data, priors
from training.configs.schema import Config
from training.determinism import make_deterministic
from training.evaluation.schema import FinalPhase, FinalPhases, Measured
from training.fitting import fit, loop, start
from training.metrics import bounds
from training.models.vae import VariationalAutoencoder
from training.trained import TrainedModel
from training.types import Array, Tensor

logger = logging.getLogger(__name__)

FIGURE = "final_phases.png"
STEPS_A_TURN = 10
RATE = 0.1  # of the learning rate that the model was trained with: its schedule had come to its end
IMAGES = 1_000  # validation images that are measured
POINTS = 4  # of time at which that happens, behind the beginning
MOST_DRAWS = 100  # k of the bound at the beginning and the end


class Contender:
    """A model that trains in turns with others, and the time that it has spent.

    Args:
        vae: compiled.
        config: says the seed of the order of the images and the size of a batch.
        num_images: in the training split.

    Attributes:
        seconds: of training, without what compiling took.
    """

    def __init__(self, vae: VariationalAutoencoder, config: Config, num_images: int) -> None:
        self.vae, self.config = vae, config
        self.seconds = 0.0
        self._compiled = False
        self._turns = turns(config, num_images)

    @property
    def steps(self) -> int:
        """Steps taken."""
        return int(self.vae.optimizer.iterations.numpy())

    def take_turn(self, images: Tensor) -> None:
        """Train for one turn; the first, in which the program is compiled, is not counted."""
        began = time.monotonic()
        self.vae.train_steps(images, next(self._turns))
        self.vae.optimizer.iterations.numpy()  # waits for the last step
        if self._compiled:
            self.seconds += time.monotonic() - began
        self._compiled = True


def in_turns(contenders: Sequence[Contender], images: Tensor, seconds: float) -> None:
    """Train each until it has spent so many seconds: whoever has spent the least takes the next turn.

    A noisy moment of the machine meets all of them.
    """
    while (next_one := min(contenders, key=lambda each: each.seconds)).seconds < seconds:
        next_one.take_turn(images)


def turns(config: Config, num_images: int) -> Iterator[npt.NDArray[np.int32]]:
    """Yield the numbers of the images of one turn after the other, (STEPS_A_TURN, B), epoch after epoch."""
    for epoch in itertools.count():
        order = loop.order_of(config.seed, epoch, num_images, config.optimizer.batch_size)
        for first in range(0, max(1, len(order) - STEPS_A_TURN + 1), STEPS_A_TURN):
            yield order[first : first + STEPS_A_TURN]


def compare(
    folder: Path, model: TrainedModel, dataset: data.Dataset, *, minutes: float, seeds: int, k: int
) -> FinalPhases:
    """Train the model of a run or version on, by each objective and seed, and measure as time passes.

    Args:
        folder: of the run or version, whose weights all begin with.
        model: the same, opened.
        dataset: training images are trained with, and the first validation images measured.
        minutes: of each objective and seed, without compiling and measuring.
        seeds: how many; 0, 1, ... are the seeds of noise and of the order of the images.
        k: draws of IWAE and DReG.

    A RunError if the folder holds no weights that can be read.
    """
    own = model.experiment
    config = own.replaced(
        {"optimizer.schedule": "constant", "optimizer.learning_rate": RATE * own.optimizer.learning_rate}
    )
    objectives: dict[str, dict[str, Any]] = {own.objective.name: {}} | {
        name: {"objective": {"name": name, "k": k}} for name in ("iwae", "dreg")
    }
    phases: list[FinalPhase] = []
    for seed in range(seeds):
        configs = {name: config.replaced({"seed": seed, **changes}) for name, changes in objectives.items()}
        phases += _of_one_seed(folder, configs, dataset, minutes, k)
    return FinalPhases(
        k=k,
        minutes=minutes,
        seeds=seeds,
        learning_rate=config.optimizer.learning_rate,
        num_images=min(IMAGES, len(dataset.validation)),
        protocol="the first validation images, averaged weights, the prior of training; all objectives take "
        "turns of ten steps; compiling and measuring are not counted",
        phases=tuple(phases),
    )


def _of_one_seed(
    folder: Path, configs: dict[str, Config], dataset: data.Dataset, minutes: float, k: int
) -> list[FinalPhase]:
    contenders = {
        name: Contender(_begun(folder, config, dataset), config, len(dataset.train))
        for name, config in configs.items()
    }
    images = tf.constant(dataset.train)
    first = next(iter(contenders.values()))
    at_start = _measured(first, dataset, 0.0, (1, k, MOST_DRAWS))  # the same for all
    found = {name: [at_start] for name in contenders}
    for point in range(1, POINTS + 1):
        in_turns(list(contenders.values()), images, 60 * minutes * point / POINTS)
        draws = (1, k, MOST_DRAWS) if point == POINTS else (1, k)
        for name, contender in contenders.items():
            found[name].append(_measured(contender, dataset, minutes * point / POINTS, draws))
            bound = found[name][-1].nats(k)
            logger.info("seed %d, %s: L_%d %.2f", contender.config.seed, name, k, bound)
    return [
        FinalPhase(objective=name, seed=contenders[name].config.seed, measured=tuple(measured))
        for name, measured in found.items()
    ]


def _begun(folder: Path, config: Config, dataset: data.Dataset) -> VariationalAutoencoder:
    make_deterministic(config.seed)
    vae = fit.compiled(config, dataset)
    vae.kl_warmup_steps = 0  # it was warmed up long ago
    start.begin(vae, config, folder)
    vae.optimizer.build(vae.trainable_variables)
    return vae


def _measured(
    contender: Contender, dataset: data.Dataset, minutes: float, draws: tuple[int, ...]
) -> Measured:
    vae, config = contender.vae, contender.config
    images: Array = dataset.validation[:IMAGES]
    with loop.averaged_weights(vae) if contender.steps else contextlib.nullcontext():
        model = TrainedModel(
            name=config.name,
            image_shape=dataset.image_shape,
            latent_dim=config.network.latent_dim,
            encoder=vae.encoder,
            decoder=vae.decoder,
            likelihood=vae.likelihood,
            environment={},
            prior=priors.learned(vae),
        )
        rows = bounds.bounds(model, images, ((len(images), draws),)).log_p_x
    return Measured(minutes=minutes, steps=contender.steps, log_p_x=rows)


def draw(found: FinalPhases | None, name: str, folder: Path) -> None:
    """Draw the bounds of all seeds against minutes, under the title `name`, into a folder: FIGURE.

    Nothing if there are none.
    """
    if found is None:
        return
    from training import figures  # matplotlib is needed here alone

    minutes = [measured.minutes for measured in found.phases[0].measured]
    nats = {
        k: {
            objective: np.array([[measured.nats(k) for measured in phase.measured] for phase in phases])
            for objective, phases in found.by_objective.items()
        }
        for k in (1, found.k)
    }
    figures.final_phases(minutes, nats, name, folder / FIGURE)
