"""What the tighter bounds are worth: the ELBO, IWAE and DReG at equal training time.

    python benchmarks/objectives.py                  four minutes of training each, and as long to measure
    python benchmarks/objectives.py --network dense  that of fashion-dense, which two minutes exhaust
    python benchmarks/objectives.py --minutes 0.2 --images 100

The model is that of ``fashion-conv``, or the network of ``fashion-dense`` with a Gaussian whose variance all
pixels share, at a constant rate, as a time that is given has no last step for a cosine to end at. The three
begin with the same weights and take turns of some steps, each turn to whoever has trained the least so far: a
noisy moment of the machine meets all of them. Compiling is not counted. The ELBO has its KL warm-up; averaged
weights are measured, with the prior N(0, I), on the first validation images.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import tensorflow as tf

from training import data, determinism
from training.configs.load import load
from training.configs.schema import Config
from training.fitting import fit, loop
from training.metrics import bounds
from training.models.vae import VariationalAutoencoder
from training.priors import StandardNormal
from training.trained import TrainedModel

PROJECT = Path(__file__).resolve().parent.parent
DRAWS = 5  # k of iwae and dreg
MEASURED = (1, DRAWS, 10, 64)  # k of the bounds
LEARNING_RATE = 0.001
STEPS_A_TURN = 10


def main() -> None:
    """Train, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=4.0, help="of training for each objective")
    parser.add_argument("--images", type=int, default=1_000, help="validation images to measure with")
    parser.add_argument("--network", choices=("conv", "dense"), default="conv")
    arguments = parser.parse_args()

    config = load(PROJECT / "training" / "configs" / f"fashion-{arguments.network}.toml")
    config = config.replaced({"optimizer.learning_rate": LEARNING_RATE, "optimizer.schedule": "constant"})
    if arguments.network == "dense":
        config = config.replaced(
            {
                "objective": {"name": "elbo", "kl_warmup_epochs": 1},
                "likelihood": {"name": "gaussian-shared"},
                "optimizer.name": "adam",
                "optimizer.ema_momentum": 0.999,
            }
        )
    configs = {"elbo": config} | {
        name: config.replaced({"objective": {"name": name, "k": DRAWS}}) for name in ("iwae", "dreg")
    }
    dataset = data.load(config.data.name)
    models = {name: model(each, dataset) for name, each in configs.items()}
    train(models, config, dataset, 60 * arguments.minutes)

    heads = [f"L_{k}" for k in MEASURED]
    print(f"| objective | steps | own bound | {' | '.join(heads)} |\n|{'---|' * (3 + len(heads))}")
    images = dataset.validation[: arguments.images]
    for name, vae in models.items():
        vae.optimizer.finalize_variable_values(vae.trainable_variables)
        tf.random.set_seed(config.seed)
        latent_dim = config.network.latent_dim
        trained = TrainedModel(
            name, dataset.image_shape, latent_dim, vae.encoder, vae.decoder, vae.likelihood, environment={},
            prior=StandardNormal(latent_dim),
        )  # fmt: skip
        rows = bounds.bounds(trained, images, ((len(images), MEASURED),)).log_p_x
        nats = {row.k: row.nats for row in rows}
        own = nats[configs[name].objective.k]
        figures = " | ".join(f"{value:.1f}" for value in (own, *nats.values()))
        print(f"| {name} | {int(vae.optimizer.iterations.numpy())} | {figures} |")
    print(f"\nnats an image, {len(images)} validation images; standard error {rows[0].standard_error:.1f}")


def model(config: Config, dataset: data.Dataset) -> VariationalAutoencoder:
    """Return a model that has not been trained; its first weights depend on the seed alone."""
    determinism.make_deterministic(config.seed)
    vae = fit.compiled(config, dataset)
    vae.optimizer.build(vae.trainable_variables)
    return vae


def train(
    models: dict[str, VariationalAutoencoder], config: Config, dataset: data.Dataset, seconds: float
) -> None:
    """Train every model for so many seconds, in turns; each sees the same batches in the same order."""
    images = tf.constant(dataset.train)
    batches = {name: turns(config, len(dataset.train)) for name in models}
    spent = {}
    for name, vae in models.items():
        vae.train_steps(images, next(batches[name]))  # compiles
        spent[name] = 0.0
    told = 0.0
    while min(spent.values()) < seconds:
        name = min(spent, key=lambda each: spent[each])
        began = time.monotonic()
        models[name].train_steps(images, next(batches[name]))
        models[name].optimizer.iterations.numpy()  # waits for the last step
        spent[name] += time.monotonic() - began
        if min(spent.values()) - told > 30:
            told = min(spent.values())
            print(f"{told:.0f} of {seconds:.0f} seconds each", file=sys.stderr)


def turns(config: Config, num_images: int) -> Iterator[Any]:
    """Yield the images of one turn after the other, (STEPS_A_TURN, B), epoch after epoch."""
    for epoch in range(2**31):
        order = loop.order_of(config.seed, epoch, num_images, config.optimizer.batch_size)
        for first in range(0, len(order) - STEPS_A_TURN + 1, STEPS_A_TURN):
            yield order[first : first + STEPS_A_TURN]


if __name__ == "__main__":
    main()
