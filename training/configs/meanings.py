"""What an experiment comes to, in sentences: p(x given z), and what its loss means."""

from collections.abc import Iterator

from training.configs.schema import Config

MEANINGS = {  # of the loss, by objective
    "textbook": "The loss is (SSE + KL) / pixels: the negative ELBO, up to a constant, of variance 1/2.",
    "elbo": "The loss is the negative ELBO in nats per image, KL weighed by beta.",
    "iwae": "The loss is -L_k in nats per image, k = {k}.",
    "dreg": "The loss is -L_k in nats per image, k = {k}, by the doubly reparameterised gradient.",
}


def meanings_of(experiment: Config) -> Iterator[str]:
    """Yield what a configuration comes to, a sentence at a time."""
    yield f"p(x given z): {experiment.likelihood.name}"
    variance = experiment.likelihood.parameters.get("variance")
    if variance is not None:
        yield f"its standard deviation is {variance**0.5:.3f} per pixel."
    objective = experiment.objective
    warmup = objective.kl_warmup_epochs
    warmed = f", reached after {warmup} epoch{'s' * (warmup > 1)}" if warmup else ""
    yield f"beta, the weight of KL in training, is {objective.beta:g}{warmed}."
    yield MEANINGS[objective.name].format(k=objective.k)
    phase = objective.final_phase
    if phase is not None:
        meaning = MEANINGS[phase.name].format(k=phase.k)
        yield f"The last {phase.epochs} epochs minimise another: {meaning}"
