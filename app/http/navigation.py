"""Which pages there are for people, in the order of the navigation."""

from typing import NamedTuple


class View(NamedTuple):
    """A page for people.

    Args:
        path: its address.
        name: of its template, its stylesheet and its module.
        title: what the navigation calls it.
        summary: what it is for, in one sentence.
        tells_axes: whether its module is told of every latent axis, which takes half of a page's bytes.
    """

    path: str
    name: str
    title: str
    summary: str
    tells_axes: bool = False


VIEWS = (
    View("/", "gallery", "Gallery", "Images that the model generates, without an end."),
    View("/explorer", "explorer", "Explorer", "A slider for each latent axis; the picture follows it.", True),
    View(
        "/reconstructions",
        "reconstructions",
        "Reconstruct and score",
        "Your images encoded and decoded again, and how unusual each of them is.",
    ),
    View("/completions", "completions", "Complete", "Part of an image taken away, and what may stand there."),
    View(
        "/test-set",
        "test-set",
        "Map",
        "The encoded test set: real images at the places of their codes.",
        True,
    ),
    View("/plane", "plane", "Plane", "A plane of the latent space, into which one can zoom.", True),
    View("/comparison", "comparison", "Compare", "The same points through two models."),
)
VIEWS_BY_NAME = {view.name: view for view in VIEWS}
