"""The same points through two models, or two versions of one."""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

from app.engine.work import Rows, Steps, Work
from app.errors import InvalidParameter
from app.explore.grids import Answer, Context, check_count
from app.explore.points import Point, are_slow, codes_of, operations_of
from app.models import Model


def compare(
    context: Context, other: Model, points: tuple[Point, ...], points_of_other: tuple[Point, ...]
) -> Work[Answer]:
    """Return the work of decoding the same points by two models: the first above, the other below.

    Args:
        context: what it is drawn with, and the first model.
        other: the second model.
        points: of the first, checked; a point's name may stand for another code in each of the two.
        points_of_other: the same points of the second.

    Raises:
        InvalidParameter: their images differ in size, there are too many, or the answer would be too large.
    """
    model, count = context.model, len(points)
    check_count("points", count, 1, context.limits.max_images, "max_images")
    shapes = [each.manifest.image.shape for each in (model, other)]
    if shapes[0] != shapes[1]:
        expected = f"a model of images of {' x '.join(map(str, shapes[0]))}"
        received = f"{other.version.reference}, of {' x '.join(map(str, shapes[1]))}"
        raise InvalidParameter.of("with", expected, received, "Name another model.", "other_images")
    columns = context.check_grid(count, rows_each=2, by=["points"], other_columns=True)

    def steps() -> Steps[Answer]:
        images = []
        for each, named in ((model, points), (other, points_of_other)):
            codes = yield from codes_of(named, each)
            images.append((yield Rows.of(each.decoding, codes)))
        facts = (("models", f"{model.version.reference}, {other.version.reference}"),)
        return context.draw(context.interleaved(images, columns), columns, facts=facts)

    operations = (*operations_of(points, model), model.decoding)
    operations += (*operations_of(points_of_other, other), other.decoding)
    slow = are_slow(points)
    return Work(steps, count, operations, slow or context.is_heavy(2 * count), slow_start=slow)
