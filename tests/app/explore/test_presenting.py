import io
import json

import numpy as np
import pytest

from app.explore.completion import Incomplete, Wanted, complete
from app.explore.presenting import HIDDEN, present_completions, present_scores, presented
from app.explore.scores import Draws, score_examples
from app.pictures.grids import GridStyle
from tests.app.explore.asking import LIMITS, ROW, context_of
from tests.fakes import pixels_of

LEVELS = np.full((2, 8, 8), 128, np.uint8)
SEEN = np.ones((2, 8, 8), bool)
SEEN[:, 4:] = False


def scored(model, style):
    work = score_examples(model, LIMITS, Draws(8, 1))
    context = context_of(model, style, path="/score")
    return presented(work, lambda found: present_scores(context, found))()


def completed(model, style, n=2):
    work = complete(model, LIMITS, Wanted(n, Draws(16, 1)), lambda: Incomplete(LEVELS, SEEN), 2)
    context = context_of(model, style, path="/complete")
    return presented(work, lambda found: present_completions(context, found))()


def test_scores_are_a_table_with_a_warning_and_the_corrected_score_first(model):
    content = json.loads(scored(model, GridStyle(format="json")).content)
    assert "does not detect" in content["warning"]
    assert len(content["images"]) == 2
    assert next(iter(content["images"][0])) == "corrected"
    assert content["images"][0]["surprise"]["picture"].startswith("data:image/png;base64,")


def test_as_a_picture_the_surprise_stands_below_the_image_on_one_scale(model):
    answer = scored(model, ROW)
    pixels = pixels_of(answer.content)
    assert pixels.shape == (16, 16)
    assert pixels[0, ::8].tolist() == [51, 204]
    low, high = map(float, dict(answer.facts)["surprise"].split(".."))
    maps = np.load(io.BytesIO(scored(model, GridStyle(format="npy")).content))
    assert (maps.min(), maps.max()) == pytest.approx((low, high), rel=1e-4)
    expected = np.floor(256 * (maps - maps.min()) / max(maps.max() - maps.min(), 1e-9)).clip(0, 255)
    shown = np.stack([pixels[8:, :8], pixels[8:, 8:]])
    assert np.abs(shown - expected).max() <= 1  # rounding of the scale


@pytest.mark.parametrize("ink", ["dark", "light"])
def test_the_most_surprise_is_white_whatever_the_ink(model, ink):
    pixels = pixels_of(scored(model, GridStyle(ink=ink)).content)
    light = pixels_of(scored(model, GridStyle(ink="light")).content)
    assert np.array_equal(pixels[8:], light[8:])


def test_a_row_shows_what_was_seen_then_the_mean_then_the_completions(model):
    pixels = pixels_of(completed(model, GridStyle(columns=4, ink="light")).content)
    assert pixels.shape == (16, 32)
    for top in (0, 8):
        assert set(pixels[top : top + 4, :8].ravel().tolist()) == {128}
        assert set(pixels[top + 4 : top + 8, :8].ravel().tolist()) == {HIDDEN}
        assert (pixels[top : top + 4] == 128).all()  # seen pixels are as they were in every column


def test_as_json_each_completion_says_how_sure_it_is(model):
    answer = completed(model, GridStyle(format="json"))
    content = json.loads(answer.content)
    assert len(content["completions"]) == 2
    for each in content["completions"]:
        assert 1 <= each["effective_sample_size"] <= 16 + 1e-9
        assert np.isfinite(each["log_p_seen"])
    assert len(dict(answer.facts)["effective-sample-size"].split(", ")) == 2
