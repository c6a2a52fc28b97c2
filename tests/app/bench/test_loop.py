"""The picture that is drawn and the parts of its time; how fast a machine is, no test can say."""

import pytest

from app.bench import PARTS
from app.bench.loop import draw_picture, measure_loop, recipe_of
from app.explore.grids import Context
from app.explore.samples import Samples, sampler
from app.pictures.grids import GridStyle


@pytest.mark.parametrize("n", [1, 21, 33, 100])
@pytest.mark.parametrize("render", ["mean", "draw"])
def test_the_bare_loop_draws_the_picture_that_is_served(model, settings, n, render):
    context = Context(model, settings, GridStyle(columns=7), recipe_of(model.version, n, render))
    served = sampler(context, Samples(n, render=render))(42)
    png, spent = draw_picture(model, n, 42, render)
    assert png == served().content
    assert tuple(spent) == PARTS
    assert min(spent.values()) >= 0


def test_the_bare_loop_is_measured_at_least_once_and_its_shares_add_up(model):
    loop = measure_loop(model, 40, seconds=0)
    assert loop.images_per_second > 0
    assert sum(loop.shares.values()) == pytest.approx(1)  # rounding apart
