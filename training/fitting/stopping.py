"""Which epoch's weights a run keeps, and when it ends: pure functions of its history.

Two measures on the validation split are looked at. The bound says how probable its images are; the squared
error of their reconstructions says what people see. Each may still improve while the other worsens.
"""

import numpy as np

from training.configs.schema import Config

History = dict[str, list[float]]

BOUND, PICTURES = "val_loss", "val_mse"  # names in a history, both better when lower


def best_epoch(config: Config, history: History) -> int | None:
    """Return the epoch, from 1, that was the best of those at the full weight of KL; None if there is none.

    By the error of the pictures, if ``optimizer.keep`` says so, else by the bound.
    """
    return _best(config, history, PICTURES if config.optimizer.keep == "pictures" else BOUND)


def has_ended(config: Config, history: History) -> bool:
    """Say whether a run's epochs are all done, or too many have improved neither measure."""
    done, patience = len(history.get(BOUND, ())), config.optimizer.patience
    if done >= config.optimizer.epochs:
        return True
    latest = [_best(config, history, measure) for measure in (BOUND, PICTURES) if measure in history]
    improved = [epoch for epoch in latest if epoch is not None]
    return bool(patience and improved and done - max(improved) >= patience)


def _best(config: Config, history: History, measure: str) -> int | None:
    warmup = config.objective.kl_warmup_epochs
    values = history[measure][warmup:]
    return int(np.argmin(values)) + warmup + 1 if values else None
