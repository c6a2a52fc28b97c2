"""The pictures: one row of ``PICTURES`` each, with what it takes and what prepares its work."""

from starlette.routing import Route

from app.errors import ScoringUnavailable
from app.http.bodies import POINTS
from app.http.endpoint import PictureApp, PictureEndpoint
from app.http.maps import REFUSALS, MapQuery, prepare_map
from app.http.overviews import AxesQuery, ManifoldQuery, prepare_axes, prepare_manifold
from app.http.points import (
    CompareQuery,
    DecodeQuery,
    DirectionQuery,
    SentDecodeQuery,
    SentDirectionQuery,
    prepare_comparison,
    prepare_decode,
    prepare_direction,
    prepare_sent_decode,
    prepare_sent_direction,
)
from app.http.reconstructions import ReconstructQuery, UploadQuery, prepare_examples, prepare_uploads
from app.http.samples import SamplesQuery, prepare_samples
from app.http.scores import (
    CompleteQuery,
    EncodeQuery,
    ScoreQuery,
    SentCompleteQuery,
    SentScoreQuery,
    prepare_completion,
    prepare_encode,
    prepare_score,
    prepare_sent_completion,
    prepare_sent_score,
)
from app.http.uploads import FILES, MASKED
from app.http.walks import InterpolateQuery, UploadedWalkQuery, prepare_uploaded_walk, prepare_walk
from app.service import Service

CLOSENESS = {
    "mse": "Mean squared error of values in [0, 1], the mean over all images.",
    "psnr": "Peak signal-to-noise ratio in decibels, the mean over all images.",
    "ssim": "Structural similarity, the mean over all images.",
    "elbo": "With `elbo`: the evidence lower bound in nats, the mean over all images.",
    "reconstruction": "With `elbo`: its first term, E_q[log p(x given z)].",
    "kl": "With `elbo`: its second term, KL(q(z given x) || p(z)).",
}

SCORED = (
    "The importance-weighted bound L_k on log p(x) in nats and in bits a pixel, with its standard error, the "
    "ELBO and its terms, and what it says beside the held-out images; first the score that is corrected for "
    "the image's complexity. A likelihood alone does not detect unusual images. As a picture: the images, "
    "below each the surprise of its pixels."
)
SURPRISE = {"surprise": "The least and the most surprise of a pixel in nats, drawn black and white."}
COMPLETED = (
    "Draws from p(x missing given x seen). Under each of `k` codes the missing pixels are drawn given those "
    "seen. The weight of both is p(z) / q(z) times the product over the seen pixels of p(x_i given x_<i, z). "
    "That is importance sampling, exact in the limit of large `k`. Completions are chosen by weight among "
    "all: where few draws count, the same one is shown again. `render=mean` shows the mean of a chosen code. "
    "A row for each image: what was seen, the weighted mean, then `n` completions. JSON also has "
    "`log_p_seen`, the logarithm of the mean weight: on average it is below log p(x seen)."
)
SIZES = {
    "effective-sample-size": "Of each image's weighted draws; near 1, its completions are one and the same."
}

PICTURES = (
    PictureEndpoint(
        "/samples",
        SamplesQuery,
        prepare_samples,
        "A grid of generated images",
        "Ancestral sampling: draw `n` codes z from the prior, then x from p(x given z) with `render=draw`, "
        "the default of models whose likelihood knows texture. `render=mean` shows the mean of p(x given z), "
        "of a causal likelihood its base m(z), near E[x given z].",
    ),
    PictureEndpoint(
        "/interpolate",
        InterpolateQuery,
        prepare_walk,
        "A walk along one latent axis, or between points",
        "Decode codes that differ in one axis only, which runs from `low` to `high` in equal steps; or codes "
        "on a way `from` a point `to` another.",
    ),
    PictureEndpoint(
        "/interpolate",
        UploadedWalkQuery,
        prepare_uploaded_walk,
        "A walk between your images",
        "Encode images and decode codes on the way from the first to the second, or between any points.",
        body=FILES,
    ),
    PictureEndpoint(
        "/decode",
        DecodeQuery,
        prepare_decode,
        "Pictures of given points",
        "Decode points of the latent space: the mean picture of each. That is the mean of p(x given z), or "
        "of a causal likelihood the base m(z) that deviations are counted from.",
    ),
    PictureEndpoint(
        "/decode",
        SentDecodeQuery,
        prepare_sent_decode,
        "Pictures of given points, codes or images",
        "Decode points or codes, sent as JSON, codes as `numpy.save` writes them, or what images encode to.",
        body=POINTS,
    ),
    PictureEndpoint(
        "/axes",
        AxesQuery,
        prepare_axes,
        "All latent axes, a strip each",
        "Walk every latent axis from its 2.5 to its 97.5 % quantile, the others held. "
        "As JSON with the KL, the range and the state of each axis.",
        facts={"dead-axes": "Number of axes that know next to nothing of an image."},
    ),
    PictureEndpoint(
        "/manifold",
        ManifoldQuery,
        prepare_manifold,
        "A plane of the latent space",
        "Decode a plane of two axes, equally spaced in quantiles of a Gaussian, or what three points span. "
        "Of a model of two axes with a map, `show=classes` colours each cell by the class of the nearest "
        "held-out image, `show=density` by how many lie there.",
        facts={
            "classes": "With `show=classes`: each class and its colour.",
            "density": "With `show=density`: the fewest and the most held-out images in a cell.",
        },
        refusals=REFUSALS,
    ),
    PictureEndpoint(
        "/map",
        MapQuery,
        prepare_map,
        "A map of the test set",
        "Held-out images at the places of their codes, in two dimensions: real images, none is generated. "
        "Of a model of two axes these are the codes; of more they are embedded by t-SNE. As JSON, CSV, "
        "arrays: each image's place, class, code and cell of the sprite sheet, that `show=sprites` gives.",
        facts={
            "shown": "How many of the images are shown: of those in one cell the one nearest to its middle.",
            "classes": "With `show=classes`: each class and its colour.",
        },
        refusals=REFUSALS,
    ),
    PictureEndpoint(
        "/directions",
        DirectionQuery,
        prepare_direction,
        "What some points have that others lack",
        "The mean of `plus` less the mean of `minus`, and a walk along it. As JSON with the direction as a "
        "point and its strength by axis.",
    ),
    PictureEndpoint(
        "/directions",
        SentDirectionQuery,
        prepare_sent_direction,
        "What some of your images have that others lack",
        "As by GET, of images: `plus=image:0;image:1&minus=image:2`.",
        body=FILES,
    ),
    PictureEndpoint(
        "/encode",
        EncodeQuery,
        prepare_encode,
        "The codes of your images",
        "q(z given x) of each image: z_mean, z_log_var, the KL by axis in nats, and the nearest examples, "
        "and images of the map, if there is one.",
        body=FILES,
        facts={"images": "Number of images."},
    ),
    PictureEndpoint(
        "/score",
        ScoreQuery,
        prepare_score,
        "How unusual the model's own examples are",
        SCORED,
        facts=SURPRISE,
        refusals=(ScoringUnavailable,),
    ),
    PictureEndpoint(
        "/score",
        SentScoreQuery,
        prepare_sent_score,
        "How unusual your images are",
        SCORED,
        body=FILES,
        facts=SURPRISE,
        refusals=(ScoringUnavailable,),
    ),
    PictureEndpoint(
        "/complete",
        CompleteQuery,
        prepare_completion,
        "The model's own examples, half hidden, completed",
        COMPLETED,
        facts=SIZES,
        refusals=(ScoringUnavailable,),
    ),
    PictureEndpoint(
        "/complete",
        SentCompleteQuery,
        prepare_sent_completion,
        "Your images completed where pixels are missing",
        COMPLETED
        + " Missing are transparent pixels, those that are white in a `mask` sent beside each `file`, "
        "and a half that `hide` names.",
        body=MASKED,
        facts=SIZES,
        refusals=(ScoringUnavailable,),
    ),
    PictureEndpoint(
        "/compare",
        CompareQuery,
        prepare_comparison,
        "The same points through two models",
        "Decode points by `model`, above, and by another model or version, below.",
        facts={"models": "Both models, the one above first."},
    ),
    PictureEndpoint(
        "/reconstruct",
        ReconstructQuery,
        prepare_examples,
        "The model's own examples and their reconstructions",
        "Encode and decode the held-out images that the model ships: originals above, reconstructions below.",
        facts=CLOSENESS,
        refusals=(ScoringUnavailable,),
    ),
    PictureEndpoint(
        "/reconstruct",
        UploadQuery,
        prepare_uploads,
        "Your images and their reconstructions",
        "Encode and decode images: above, what the encoder saw of each; below, its reconstruction.\n\n"
        "Send a form with one or more fields `file`, or one image as the raw body with its `image/*` type. "
        "A file of any size is scaled to fit and padded, never stretched.",
        body=FILES,
        facts=CLOSENESS,
        refusals=(ScoringUnavailable,),
    ),
)


def by_path(service: Service) -> dict[str, PictureApp]:
    """Return what answers at each path."""
    paths = dict.fromkeys(endpoint.path for endpoint in PICTURES)
    return {path: PictureApp([each for each in PICTURES if each.path == path], service) for path in paths}


def routes(service: Service) -> list[Route]:
    """Return the routes of all pictures: each path, and then each with a format behind it."""
    apps = by_path(service)
    return [Route(path + behind, apps[path]) for behind in ("", ".{format}") for path in apps]
