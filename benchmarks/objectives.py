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
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from training import data
from training.configs.load import load
from training.configs.schema import Config

if TYPE_CHECKING:
    from training.evaluation.final_phases import Contender
    from training.models.vae import VariationalAutoencoder

PROJECT = Path(__file__).resolve().parent.parent
DRAWS = 5  # k of iwae and dreg
MEASURED = (1, DRAWS, 10, 64)  # k of the bounds
LEARNING_RATE = 0.001


def main() -> None:
    """Train, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=4.0, help="of training for each objective")
    parser.add_argument("--images", type=int, default=1_000, help="validation images to measure with")
    parser.add_argument("--network", choices=("conv", "dense"), default="conv")
    arguments = parser.parse_args()

    from training.evaluation.final_phases import Contender  # imports TensorFlow, of which --help has no need

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
    contenders = {
        name: Contender(model(each, dataset), each, len(dataset.train)) for name, each in configs.items()
    }
    train(contenders, dataset, 60 * arguments.minutes)

    print_bounds(contenders, dataset.validation[: arguments.images])


def print_bounds(contenders: "dict[str, Contender]", images: data.Images) -> None:
    """Print the bounds of what each has become, with k from 1 on."""
    import tensorflow as tf

    from training.metrics import bounds
    from training.priors import StandardNormal
    from training.trained import TrainedModel

    heads = [f"L_{k}" for k in MEASURED]
    print(f"| objective | steps | own bound | {' | '.join(heads)} |\n|{'---|' * (3 + len(heads))}")
    for name, contender in contenders.items():
        vae = contender.vae
        vae.optimizer.finalize_variable_values(vae.trainable_variables)
        config = contender.config
        tf.random.set_seed(config.seed)
        latent_dim = config.network.latent_dim
        trained = TrainedModel(
            name, images.shape[1:], latent_dim, vae.encoder, vae.decoder, vae.likelihood, environment={},
            prior=StandardNormal(latent_dim),
        )  # fmt: skip
        rows = bounds.bounds(trained, images, ((len(images), MEASURED),)).log_p_x
        nats = {row.k: row.nats for row in rows}
        own = nats[config.objective.k]
        figures = " | ".join(f"{value:.1f}" for value in (own, *nats.values()))
        print(f"| {name} | {contender.steps} | {figures} |")
    print(f"\nnats an image, {len(images)} validation images; standard error {rows[0].standard_error:.1f}")


def model(config: Config, dataset: data.Dataset) -> "VariationalAutoencoder":
    """Return a model that has not been trained; its first weights depend on the seed alone."""
    from training import determinism
    from training.fitting import fit

    determinism.make_deterministic(config.seed)
    vae = fit.compiled(config, dataset)
    vae.optimizer.build(vae.trainable_variables)
    return vae


def train(contenders: "dict[str, Contender]", dataset: data.Dataset, seconds: float) -> None:
    """Train every model for so many seconds, in turns; each sees the same batches in the same order."""
    import tensorflow as tf

    from training.evaluation.final_phases import in_turns

    images = tf.constant(dataset.train)
    for told in np.arange(30, seconds, 30):
        in_turns(list(contenders.values()), images, float(told))
        print(f"{told:.0f} of {seconds:.0f} seconds each", file=sys.stderr)
    in_turns(list(contenders.values()), images, seconds)


if __name__ == "__main__":
    main()
