"""The sections of an experiment's TOML file.

What belongs to one kind of network, likelihood or objective alone is a field of that kind alone. What another
kind does not have is a constant of it, so that readers need not ask for the kind.
"""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Union

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from training.models.likelihoods.registry import REGISTRY


def _grey_or_colour(channels: int) -> int:
    if channels not in (1, 3):
        raise ValueError("1 or 3")
    return channels


Count = Annotated[int, Field(gt=0)]
Counts = Annotated[tuple[Count, ...], Field(strict=False)]  # TOML and JSON have lists, not tuples


class Section(BaseModel):
    """A part of an experiment. A whole number may stand for a fraction; nothing else is converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class FashionMnist(Section):
    """Fashion-MNIST, as it is published."""

    name: Literal["fashion-mnist"]

    size: ClassVar[None] = None
    channels: ClassVar[None] = None


class Images(Section):
    """Whatever images ``--data`` names.

    Args:
        name: ``images``.
        size: height and width that images are fitted to; not given, ``training.data.shapes`` chooses.
        channels: 1 for grey, 3 for colour; not given, grey if every image is.
    """

    name: Literal["images"]
    size: Annotated[Counts, Field(min_length=2, max_length=2)] | None = None
    channels: Annotated[int, AfterValidator(_grey_or_colour)] | None = None


class Network(Section):
    """The layers of every kind of network.

    Args:
        kind: what lies between the image and the dense layers.
        latent_dim: number of latent axes, D.
        encoder_units: widths of the encoder's dense hidden layers, from the image inwards.
        decoder_units: widths of the decoder's dense hidden layers, from z outwards.
    """

    kind: str
    latent_dim: Count
    encoder_units: Counts
    decoder_units: Counts


class Dense(Network):
    """Dense layers alone."""

    kind: Literal["dense"]

    channels: ClassVar[tuple[int, ...]] = ()
    residual_blocks: ClassVar[int] = 0
    spatial_channels: ClassVar[int] = 0


class Conv(Network):
    """Convolutions before the dense layers; each halves the image.

    Args:
        channels: widths of the convolutions, from the image inwards.
    """

    kind: Literal["conv"]
    channels: Annotated[Counts, Field(min_length=1)]

    residual_blocks: ClassVar[int] = 0
    spatial_channels: ClassVar[int] = 0


class Residual(Network):
    """Residual convolutions: fewer weights for the same work.

    Args:
        channels: as of ``Conv``.
        residual_blocks: blocks at the smallest size.
    """

    kind: Literal["residual"]
    channels: Annotated[Counts, Field(min_length=1)]
    residual_blocks: Count

    spatial_channels: ClassVar[int] = 0


class Spatial(Network):
    """Residual convolutions with a second level of latent axes, a map.

    Args:
        channels: as of ``Conv``.
        residual_blocks: as of ``Residual``.
        spatial_channels: channels of the map, whose axes are part of ``latent_dim``.
    """

    kind: Literal["spatial"]
    channels: Annotated[Counts, Field(min_length=1)]
    residual_blocks: Count
    spatial_channels: Count


class LikelihoodSection(Section):
    """The observation model p(x given z) that the exported decoder declares, with parameters of its own."""

    name: str

    @property
    def parameters(self) -> dict[str, Any]:
        """All but the name, as ``likelihoods.registry.build`` takes them."""
        return self.model_dump(exclude={"name"})


if TYPE_CHECKING:
    Likelihood = LikelihoodSection
else:
    Likelihood = Union[  # noqa: UP007  of a number of types that only the registry knows
        tuple(
            create_model(name, __base__=LikelihoodSection, name=(Literal[name], ...), **entry.parameters)
            for name, entry in REGISTRY.items()
        )
    ]


class FinalPhase(Section):
    """The objective of the last epochs, which takes over from the ELBO.

    Args:
        name: ``iwae`` or ``dreg``, as of ``ImportanceWeighted``.
        k: draws of q(z given x) for each image.
        epochs: how many of the optimizer's epochs it has.
    """

    name: Literal["iwae", "dreg"]
    k: Annotated[int, Field(ge=2)]
    epochs: Count


class _Unrelaxed(Section):
    """An objective other than the ELBO: KL has its whole weight from the first step, and nothing is added."""

    beta: ClassVar[float] = 1.0
    kl_warmup_epochs: ClassVar[int] = 0
    free_bits: ClassVar[float] = 0.0
    mean_weight: ClassVar[float] = 0.0
    final_phase: ClassVar[None] = None


class Textbook(_Unrelaxed):
    """The squared error averaged over pixels plus KL over pixels: of a Gaussian of variance 1/2 alone."""

    name: Literal["textbook"]

    k: ClassVar[int] = 1


class Elbo(Section):
    """The negative ELBO in nats per image.

    Args:
        name: ``elbo``.
        beta: weight of KL in training. Validation and evaluation always use 1.
        kl_warmup_epochs: epochs over which that weight rises from 0 to beta, in equal steps a batch.
        free_bits: nats that each axis may carry before it costs anything.
        mean_weight: weight of the mean image's squared error in training, nats for each squared unit: for a
            likelihood that could do with a poor mean image. Validation does not know it.
        final_phase: another objective for the last epochs.
    """

    name: Literal["elbo"]
    beta: Annotated[float, Field(ge=0)] = 1.0
    kl_warmup_epochs: Annotated[int, Field(ge=0)] = 0
    free_bits: Annotated[float, Field(ge=0)] = 0.0
    mean_weight: Annotated[float, Field(ge=0)] = 0.0
    final_phase: FinalPhase | None = None

    k: ClassVar[int] = 1


class ImportanceWeighted(_Unrelaxed):
    """The negative importance-weighted bound, -L_k, in nats per image.

    Args:
        name: ``iwae``, or ``dreg`` with the doubly reparameterised gradient.
        k: draws of q(z given x) for each image.
    """

    name: Literal["iwae", "dreg"]
    k: Annotated[int, Field(ge=2)]


class Prior(Section):
    """The prior p(z).

    Args:
        vamp_components: posteriors of learned pseudo-images whose mixture is the prior while the model trains
            (a VampPrior); 0: it is N(0, I).
        components: numbers of Gaussians to try as a prior fitted after training; the best on validation
            images is kept. Empty: the prior is the one that the model was trained with.
    """

    vamp_components: Annotated[int, Field(ge=0)] = 0
    components: Counts = ()


class Optimizer(Section):
    """How the objective is minimised.

    Args:
        name: ``adam`` or ``nadam``.
        learning_rate: step size, the highest one where it changes.
        schedule: ``constant``, or ``cosine``: a rise over the first 5 % of the steps, then a fall to nearly
            nothing along a cosine.
        ema_momentum: momentum of the average of the weights, which then stands for them in validation and in
            the result; 0: no average.
        epochs: passes over the training split.
        batch_size: images in one step.
        keep: the weights that are the result: those of the ``last`` epoch, or of the ``best`` one, by the
            bound on validation after KL warm-up.
    """

    name: Literal["adam", "nadam"]
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["constant", "cosine"] = "constant"
    ema_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    epochs: Count
    batch_size: Count
    keep: Literal["last", "best"] = "last"


class Traversal(Section):
    """The latent axes as they are published, and the walk along one unless another is asked for.

    Args:
        axis_order: ``canonical``: axes are published by falling KL, each in a stated direction
            (``latent_axes``); ``as-trained``: as they are.
        axis: axis that an interpolation walks along.
        low: where the walk begins; not given, the axis' own 2.5 % quantile.
        high: where the walk ends; not given, the axis' own 97.5 % quantile.
        steps: images in the walk.
    """

    axis_order: Literal["canonical", "as-trained"] = "canonical"
    axis: Annotated[int, Field(ge=0)] = 0
    low: Annotated[float, Field(ge=-8, le=8)] | None = None  # what the service lets a request ask for
    high: Annotated[float, Field(ge=-8, le=8)] | None = None
    steps: Annotated[int, Field(ge=2, le=64)] = 7
