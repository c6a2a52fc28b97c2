import base64

import numpy as np
import pytest

from tests.fakes import png_bytes
from vitrine_client import UnexpectedAnswer
from vitrine_client.results import encodings_of, scores_of

MAP = png_bytes(np.zeros((2, 2), np.uint8))
ENCODED = {
    "model": "fake@1-0123456789ab",
    "images": [
        {
            "point": "z:0.1,-2.0",
            "kl": 2.5,
            "kl_by_axis": [0.5, 2.0],
            "z_mean": [0.1, -2.0],
            "z_log_var": [0.0, -1],
            "nearest": [],
        }
    ],
}
SCORED = {
    "model": "fake@1-0123456789ab",
    "warning": "so",
    "images": [
        {
            "corrected": None,
            "corrected_percentile": None,
            "log_p_x": 66.5,
            "bits_per_dim": None,
            "k": 1,
            "standard_error": None,
            "effective_sample_size": 1.0,
            "percentile": 12.5,
            "elbo": 60.0,
            "reconstruction": 70.0,
            "kl": 10.0,
            "complexity": 126.5,
            "posterior_confined": False,
            "surprise": {
                "low": -1.5,
                "high": 2.0,
                "picture": f"data:image/png;base64,{base64.b64encode(MAP).decode()}",
            },
        }
    ],
}


def test_codes_are_read_with_the_digits_of_their_point():
    found = encodings_of(ENCODED, {"x-notes": "file: inverted"})
    (image,) = found.images
    assert str(0.5 * image.point) == "0.5*z:0.1,-2.0"
    assert (image.z_mean, image.z_log_var, image.nearest) == ((0.1, -2.0), (0.0, -1.0), ())
    assert (found.model, found.notes) == ("fake@1-0123456789ab", "file: inverted")


def test_what_is_not_known_of_a_score_is_none():
    found = scores_of(SCORED, {}, "http://x/score")
    (image,) = found.images
    assert (image.corrected, image.bits_per_dim, image.standard_error) == (None, None, None)
    assert (image.log_p_x, image.percentile, image.posterior_confined) == (66.5, 12.5, False)
    assert (image.surprise.low, image.surprise.picture.content) == (-1.5, MAP)
    assert (found.url, found.notes, found.warning) == ("http://x/score", "", "so")


def test_what_a_later_service_says_beside_is_left_out():
    (image,) = SCORED["images"]
    assert scores_of(SCORED | {"images": [image | {"later": 3}]}, {}, None) == scores_of(SCORED, {}, None)


@pytest.mark.parametrize("whole", [ENCODED, SCORED], ids=["encode", "score"])
def test_an_answer_in_which_something_is_missing_or_of_another_kind_is_unexpected(whole):
    def read(said):
        return encodings_of(said, {}) if whole is ENCODED else scores_of(said, {}, None)

    (image,) = whole["images"]
    wrong = [[], {}, None, "text", whole | {"images": None}, whole | {"images": [3]}]
    wrong += [whole | {"images": [{key: image[key] for key in image if key != name}]} for name in image]
    if whole is SCORED:
        wrong += [whole | {"images": [image | {"surprise": {"picture": "data:,%"}}]}]
    else:
        wrong += [whole | {"images": [image | {"z_mean": ["much"]}]}]
    for said in wrong:
        with pytest.raises(UnexpectedAnswer, match="no Vitrine"):
            read(said)
