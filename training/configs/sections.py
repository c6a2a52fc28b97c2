"""The sections of an experiment's TOML file.

What belongs to one kind of network, likelihood or objective alone is a field of that kind alone. What another
kind does not have is a constant of it, so that readers need not ask for the kind.
"""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, create_model

from training.models.likelihoods.registry import REGISTRY

Natural = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(gt=0)]
Counts = Annotated[tuple[Count, ...], Field(strict=False)]  # TOML and JSON have lists, not tuples
Widths = Annotated[Counts, Field(min_length=1)]
Draws = Annotated[int, Field(ge=2)]
Weight = Annotated[float, Field(ge=0)]
Latent = Annotated[float, Field(ge=-8, le=8)]  # what the service lets a request ask for


class Section(BaseModel):
    """A part of an experiment. A whole number may stand for a fraction; nothing else is converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class FashionMnist(Section):
    """Fashion-MNIST, as it is published."""

    name: Literal["fashion-mnist"]
    size: ClassVar[None] = None
    channels: ClassVar[None] = None


class Emoji(Section):
    """The emoji of a font; see ``training.data.emoji``."""

    name: Literal["emoji"]
    size: ClassVar[None] = None
    channels: ClassVar[None] = None


class Images(Section):
    """Whatever images ``--data`` names."""

    name: Literal["images"]
    # Height and width that images are fitted to; not given, training.data.shapes chooses.
    size: Annotated[Counts, Field(min_length=2, max_length=2)] | None = None
    channels: int | None = None  # 1 for grey, 3 for colour; not given, grey if every image is


class DenseLayers(Section):
    """The layers of every kind of network."""

    kind: str
    latent_dim: Count  # number of latent axes, D
    # Bias of z_log_var before training. Below zero, codes begin with little noise, so that the decoder learns
    # from them sooner.
    start_log_var: Annotated[float, Field(ge=-10, le=0)] = 0.0
    encoder_units: Counts  # widths of the encoder's dense hidden layers, from the image inwards
    decoder_units: Counts  # widths of the decoder's dense hidden layers, from z outwards


class Dense(DenseLayers):
    """Dense layers alone."""

    kind: Literal["dense"]
    channels: ClassVar[tuple[int, ...]] = ()
    residual_blocks: ClassVar[int] = 0
    spatial_channels: ClassVar[int] = 0


class Conv(DenseLayers):
    """Convolutions before the dense layers; each halves the image."""

    kind: Literal["conv"]
    channels: Widths  # widths of the convolutions, from the image inwards
    residual_blocks: ClassVar[int] = 0
    spatial_channels: ClassVar[int] = 0


class Residual(DenseLayers):
    """Residual convolutions: fewer weights for the same work."""

    kind: Literal["residual"]
    channels: Widths
    residual_blocks: Count  # at the smallest size
    spatial_channels: ClassVar[int] = 0


class Separable(DenseLayers):
    """As residual, with a decoder of separable convolutions: fewer multiplications for the same quality."""

    kind: Literal["separable"]
    channels: Widths  # widths of the encoder's convolutions, from the image inwards
    decoder_channels: Widths  # as many, of the decoder at the same sizes
    residual_blocks: Count  # at the encoder's smallest size
    spatial_channels: ClassVar[int] = 0


class Spatial(DenseLayers):
    """Residual convolutions with a second level of latent axes, a map."""

    kind: Literal["spatial"]
    channels: Widths
    residual_blocks: Count
    spatial_channels: Count  # channels of the map, whose axes are part of latent_dim


class Palette(DenseLayers):
    """As residual, with a decoder that mixes a few colours of the image's own in every pixel."""

    kind: Literal["palette"]
    channels: Widths
    residual_blocks: Count
    colours: Annotated[int, Field(ge=2)]  # that an image is mixed of
    spatial_channels: ClassVar[int] = 0


class LikelihoodSection(Section):
    """The observation model p(x given z) that the exported decoder declares, with parameters of its own."""

    name: str

    @property
    def parameters(self) -> dict[str, Any]:
        """All but the name, as ``likelihoods.registry.build`` takes them."""
        return self.model_dump(exclude={"name"})


class FinalPhase(Section):
    """The objective of the last epochs, which takes over from the ELBO; as ``ImportanceWeighted``."""

    name: Literal["iwae", "dreg"]
    k: Draws
    epochs: Count  # of the optimizer's


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
    """The negative ELBO in nats per image."""

    name: Literal["elbo"]
    beta: Weight = 1.0  # of KL in training; validation and evaluation always use 1
    kl_warmup_epochs: Natural = 0  # over which that weight rises from 0 to beta, in equal steps a batch
    free_bits: Weight = 0.0  # nats that each axis may carry before it costs anything
    # Weight of the mean image's squared error in training alone, nats for each squared unit: for a likelihood
    # that could do with a poor mean image.
    mean_weight: Weight = 0.0
    final_phase: FinalPhase | None = None
    k: ClassVar[int] = 1


class ImportanceWeighted(_Unrelaxed):
    """The negative importance-weighted bound, -L_k, in nats per image."""

    name: Literal["iwae", "dreg"]  # dreg: with the doubly reparameterised gradient
    k: Draws  # of q(z given x) for each image


class Augmentation(Section):
    """Changes by chance of every training image in every step; see ``models.augmentation``."""

    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.0  # of a side, at most, in either direction
    zoom: Annotated[float, Field(ge=0, le=0.7)] = 0.0  # log of the factor by which it is scaled, at most
    mirror: bool = False  # left and right, one image in two
    # Each colour's contrast changes by at most this share, and its level by half of it.
    tint: Annotated[float, Field(ge=0, le=0.7)] = 0.0

    @property
    def changes(self) -> bool:
        """Whether anything is changed."""
        return bool(self.shift or self.zoom or self.mirror or self.tint)


class Prior(Section):
    """The prior p(z)."""

    # Posteriors of learned pseudo-images whose mixture is the prior while the model trains (a VampPrior);
    # 0: it is N(0, I).
    vamp_components: Natural = 0
    # Numbers of Gaussians to try as a prior fitted after training; the best on validation images is kept.
    # Empty: the prior is the one that the model was trained with.
    components: Counts = ()


class Optimizer(Section):
    """How the objective is minimised."""

    name: Literal["adam", "nadam"]
    learning_rate: Annotated[float, Field(gt=0)]  # step size, the highest one where it changes
    # cosine: a rise over the first 5 % of the steps, then a fall to nearly nothing along a cosine.
    schedule: Literal["constant", "cosine"] = "constant"
    # Of the average of the weights, which stands for them in validation and in the result; 0: no average.
    ema_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    # Length that the gradient of all weights together is shortened to, if it is longer; 0: never.
    # Early in training a few that are far longer can ruin a network.
    clip_norm: Weight = 0.0
    epochs: Count  # each of so many `passes` over the training split
    # So many minutes' worth of these epochs at most, by the measured time of a step; the run's own
    # configuration then says how many epochs that came to. Not given: all of them.
    minutes: Annotated[float, Field(gt=0)] | None = None
    batch_size: Count  # images in one step
    # Passes over the training split in one epoch: of a few hundred images, ten and more, as what is measured
    # and written after an epoch takes its time.
    passes: Count = 1
    # The epoch whose weights are the result, after KL warm-up; best: by the bound on validation; pictures: by
    # the squared error of its reconstructions.
    keep: Literal["last", "best", "pictures"] = "last"
    # Training ends once so many epochs have improved neither that bound nor that error; 0: never early.
    patience: Natural = 0

    @property
    def watches_pictures(self) -> bool:
        """Whether the error of reconstructions decides what is kept, or when training ends."""
        return self.keep == "pictures" or self.patience > 0


class Traversal(Section):
    """The latent axes as they are published, and the walk along one unless another is asked for."""

    # canonical: by falling KL, each in a stated direction (models.latent_axes); as-trained: as they are.
    axis_order: Literal["canonical", "as-trained"] = "canonical"
    axis: Natural = 0  # that an interpolation walks along
    low: Latent | None = None  # where the walk begins; not given, the axis' own 2.5 % quantile
    high: Latent | None = None  # where the walk ends; not given, the axis' own 97.5 % quantile
    steps: Annotated[int, Field(ge=2, le=64)] = 7  # images in the walk


Data = Annotated[FashionMnist | Emoji | Images, Field(discriminator="name")]
Network = Annotated[Dense | Conv | Residual | Separable | Spatial | Palette, Field(discriminator="kind")]
Objective = Annotated[Textbook | Elbo | ImportanceWeighted, Field(discriminator="name")]
if TYPE_CHECKING:
    Likelihood = LikelihoodSection
else:
    kinds = [
        create_model(name, __base__=LikelihoodSection, name=(Literal[name], ...), **entry.parameters)
        for name, entry in REGISTRY.items()
    ]
    Likelihood = Annotated[Union[tuple(kinds)], Field(discriminator="name")]  # noqa: UP007
