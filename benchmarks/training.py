"""Training's speed: an epoch beside Keras' own ``fit``, and a step beside the network's products alone.

    python benchmarks/training.py                    about six minutes on two quiet cores
    python benchmarks/training.py --epochs 2 --rounds 2

Two tables. The first trains ``fashion-dense`` twice, by the textbook's code on Keras' ``fit`` and by
``training.fitting.loop``: the same network, loss, optimizer, batches of 128, and validation after every
epoch. Each has a process of its own, with the settings that its user would have, and epochs take turns, so
that a noisy moment of the machine meets both. The epoch that compiles is trained and not counted.

The second takes the whole step of ``fashion`` (likelihood, gradients, optimizer, averages) beside the forward
and backward pass of the same encoder and decoder whose loss is the sum of their outputs: what is left of the
step if everything but the network were free. Both take turns in one process.
"""

import argparse
import dataclasses
import multiprocessing
import os
import statistics
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

CONFIGS = PROJECT / "training" / "configs"
STEPS_A_ROUND = 10


def main() -> None:
    """Measure, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=25, help="of fashion-dense; the first is not timed")
    parser.add_argument("--rounds", type=int, default=15, help=f"of {STEPS_A_ROUND} steps of fashion")
    arguments = parser.parse_args()
    if arguments.epochs < 2:
        parser.error("--epochs: expected 2 or more, as the first is not timed")

    epochs = run_epochs(arguments.epochs)
    plain = statistics.median(seconds for seconds, _, _ in epochs["Keras fit"][1:])
    print(f"fashion-dense, {arguments.epochs} epochs\n")
    print("| training | s an epoch | ratio | loss | val_loss |\n|---|---|---|---|---|")
    for name, found in epochs.items():
        seconds = statistics.median(each for each, _, _ in found[1:])
        _, loss, val_loss = found[-1]
        print(f"| {name} | {seconds:.2f} | {plain / seconds:.2f} | {loss:.4f} | {val_loss:.4f} |")

    rates = run_steps(arguments.rounds)
    network = statistics.median(rates["network alone"])
    print("\nfashion\n\n| step | images/s | of the network's |\n|---|---|---|")
    for name, found in rates.items():
        rate = statistics.median(found)
        print(f"| {name} | {rate:.0f} | {rate / network:.2f} |")


def run_epochs(epochs: int) -> dict[str, list[tuple[float, float, float]]]:
    """Return seconds, loss and validation loss of every epoch, of Keras' ``fit`` and of ours."""
    context = multiprocessing.get_context("spawn")
    found: dict[str, list[tuple[float, float, float]]] = {}
    running: dict[str, tuple[Any, Connection]] = {}
    for name, work in (("Keras fit", keras_epochs), ("training.fitting.loop", our_epochs)):
        here, there = context.Pipe()
        process = context.Process(target=work, args=(there,), daemon=True)
        process.start()
        there.close()  # so that a worker that dies ends recv below
        here.recv()  # its data are loaded
        running[name] = process, here
    for epoch in range(epochs):
        for name, (_, connection) in running.items():
            connection.send(epoch)
            found.setdefault(name, []).append(connection.recv())
        print(f"epoch {epoch + 1} of {epochs}", file=sys.stderr)
    for process, connection in running.values():
        connection.close()
        process.join()
    return found


def keras_epochs(connection: Connection) -> None:
    """Train the textbook's model by Keras' ``fit``, an epoch for each number received."""
    import keras

    ops = keras.ops
    config, dataset = experiment("fashion-dense")
    keras.utils.set_random_seed(config.seed)

    class Sampling(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.seed_generator = keras.random.SeedGenerator()

        def call(self, inputs: Any) -> Any:
            mean, log_var = inputs
            return mean + ops.exp(log_var / 2) * keras.random.normal(
                ops.shape(mean), seed=self.seed_generator
            )

    class TextbookVae(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            dense = keras.layers.Dense
            images = keras.Input((28, 28))
            hidden = keras.layers.Flatten()(images)
            for width in config.network.encoder_units:
                hidden = dense(width, activation="relu")(hidden)
            outputs = [dense(config.network.latent_dim)(hidden), dense(config.network.latent_dim)(hidden)]
            self.encoder = keras.Model(images, outputs)
            self.sampling = Sampling()
            layers = [dense(width, activation="relu") for width in config.network.decoder_units]
            self.decoder = keras.Sequential([*layers, dense(28 * 28), keras.layers.Reshape((28, 28))])

        def call(self, images: Any) -> Any:
            mean, log_var = self.encoder(images)
            return self.decoder(self.sampling([mean, log_var])), mean, log_var

        def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):  # type: ignore  # noqa: ARG002
            reconstruction, mean, log_var = y_pred
            kl = -0.5 * ops.sum(1 + log_var - ops.exp(log_var) - ops.square(mean), axis=-1)
            return ops.mean(ops.square(y - reconstruction)) + ops.mean(kl) / 784.0

    model = TextbookVae()
    model.compile(optimizer="nadam")
    clock = clock_of_epochs()

    def train(epoch: int) -> tuple[float, float]:
        history = model.fit(
            dataset.train,
            dataset.train,
            epochs=epoch + 1,
            initial_epoch=epoch,
            batch_size=config.optimizer.batch_size,
            validation_data=(dataset.validation, dataset.validation),
            verbose=0,
            callbacks=[clock],
        ).history
        return history["loss"][0], history["val_loss"][0]

    answer(connection, train, clock)


def our_epochs(connection: Connection) -> None:
    """Train ``fashion-dense`` by ``training.fitting.loop``, an epoch for each number received."""
    import tensorflow as tf

    from training import determinism
    from training.fitting import fit, loop

    config, dataset = experiment("fashion-dense")
    determinism.make_deterministic(config.seed)
    vae = fit.compiled(config, dataset)
    on_device = tf.constant(dataset.train)  # once, as in a run of many epochs
    dataset = dataclasses.replace(dataset, train=on_device)
    clock = clock_of_epochs()

    def train(epoch: int) -> tuple[float, float]:
        until = config.replaced({"optimizer.epochs": epoch + 1})
        loop.train(vae, dataset, until, first_epoch=epoch, callbacks=[clock])
        return clock.logs["loss"], clock.logs["val_loss"]

    answer(connection, train, clock)


def answer(connection: Connection, train: Any, clock: Any) -> None:
    """Train epochs as they are asked for, until the other side closes."""
    connection.send("ready")
    while True:
        try:
            epoch = connection.recv()
        except EOFError:
            return
        loss, val_loss = train(epoch)
        connection.send((clock.seconds, loss, val_loss))


def clock_of_epochs() -> Any:
    """Return a callback that times an epoch with its validation, and nothing of what ``fit`` does before."""
    import keras

    class Clock(keras.callbacks.Callback):
        seconds = 0.0

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            self.seconds, self.logs = time.perf_counter() - self.began, logs

    return Clock()


def run_steps(rounds: int) -> dict[str, list[float]]:
    """Return images a second of ``fashion``'s whole step and of its network alone, one number a round."""
    import tensorflow as tf

    from training import determinism
    from training.fitting import fit, loop

    config, dataset = experiment("fashion")
    determinism.make_deterministic(config.seed)
    vae = fit.compiled(config, dataset)
    vae.optimizer.build(vae.trainable_variables)
    images = tf.constant(dataset.train)
    order = loop.order_of(config.seed, 0, len(dataset.train), config.optimizer.batch_size)[:STEPS_A_ROUND]

    @tf.function
    def network(batch: Any) -> Any:
        with tf.GradientTape() as tape:
            z_mean, z_log_var = vae.encoder(batch, training=True)
            outputs = vae.decoder(z_mean, training=True)
            loss = tf.reduce_sum(outputs) + tf.reduce_sum(z_log_var)
        return tape.gradient(loss, [*vae.encoder.trainable_variables, *vae.decoder.trainable_variables])

    def network_steps() -> None:
        for rows in order:
            gradients = network(tf.gather(images, rows))
        gradients[0].numpy()

    def whole_steps() -> None:
        vae.train_steps(images, order)
        vae.optimizer.iterations.numpy()

    found: dict[str, list[float]] = {}
    for number in range(rounds + 1):  # the first compiles
        for name, steps in (("network alone", network_steps), ("whole", whole_steps)):
            began = time.perf_counter()
            steps()
            rate = STEPS_A_ROUND * config.optimizer.batch_size / (time.perf_counter() - began)
            if number:
                found.setdefault(name, []).append(rate)
    return found


def experiment(name: str) -> tuple[Any, Any]:
    """Return a shipped configuration and its data."""
    from training import data
    from training.configs.load import load

    config = load(CONFIGS / f"{name}.toml")
    return config, data.load(config.data.name)


if __name__ == "__main__":
    main()
