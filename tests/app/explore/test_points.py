import re
import time
import urllib.parse
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app import latent
from app.explore.points import (
    LIGHT_TERMS,
    MAX_ALL_TERMS,
    MAX_CHARACTERS,
    MAX_POINTS,
    MAX_TERMS,
    Place,
    are_slow,
    check_code,
    operations_of,
    parse,
    parse_all,
    pattern,
    point_in,
    points_in,
)
from app.explore.seeds import read_seed
from app.pictures.formats import point_of
from tests.app.explore.asking import codes_at, faults
from tests.app.explore.test_labels import of_names
from tests.fakes import MAP

LEVELS = (51, 204)  # of the fake's two examples; it encodes them to -3 and 3 on both axes


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("centre", Place("centre")),
        ("label:Bag", Place("label", name="Bag")),
        ("label:a, b/c:d*e", Place("label", name="a, b/c:d*e")),
        ("label:3", Place("label", name="3")),
        ("seed:42", Place("seed", seed=42)),
        ("seed:42/3", Place("seed", seed=42, number=3)),
        ("seed:0042/003", Place("seed", seed=42, number=3)),
        ("seed:tulip/3", Place("seed", seed=read_seed("tulip"), number=3)),
        ("seed:a/b/3", Place("seed", seed=read_seed("a/b"), number=3)),
        ("seed:9223372036854775807/999999999", Place("seed", seed=2**63 - 1, number=999_999_999)),
        ("example:2", Place("example", number=2)),
        ("image:0", Place("image")),
        ("map:17", Place("map", number=17)),
        ("z:0", Place("z", code=(0.0,))),
        ("z:0.1,-0.3,+2,.5,1.,1e-3", Place("z", code=(0.1, -0.3, 2.0, 0.5, 1.0, 0.001))),
    ],
)
def test_every_kind_of_place_is_read(text, place):
    assert parse(text, "of").terms == ((1.0, place),)


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("centre~centre", (1, 1)),
        ("0.5*seed:1~0.5*seed:2/3", (0.5, 0.5)),
        ("-1*centre~+2.5*label:Bag~.5*z:1,2~1e-1*example:0", (-1, 2.5, 0.5, 0.1)),
        ("0*centre", (0,)),
        ("~".join(["centre"] * MAX_TERMS), (1,) * MAX_TERMS),
    ],
)
def test_a_sum_has_its_places_and_their_weights_in_their_order(text, weights):
    assert tuple(term.weight for term in parse(text, "of").terms) == weights


@pytest.mark.parametrize(
    ("text", "position", "word"),
    [
        ("", 0, "a place"),
        ("center", 0, "a place"),
        ("Centre", 0, "a place"),
        (" centre", 0, "a place"),
        ("centre~", 7, "a place"),
        ("~centre", 0, "a place"),
        ("centre~~centre", 7, "a place"),
        ("centre;centre", 0, "a place"),
        ("2*3*centre", 0, "a place"),
        ("*centre", 0, "a place"),
        ("x*centre", 0, "a place"),
        ("centre~nan*centre", 7, "a place"),
        ("centre~1e999*centre", 7, "finite weight"),
        ("-1e999*centre", 0, "finite weight"),
        ("0.5centre", 0, "a place"),
        ("centre:0", 6, "nothing behind it"),
        ("label", 5, "label: and a class"),
        ("label:", 5, "label: and a class"),
        ("seed", 4, "seed: and a seed"),
        ("seed:", 4, "seed: and a seed"),
        ("seed:/3", 4, "seed: and a seed"),
        ("seed:1/", 4, "seed: and a seed"),
        ("seed:1/x", 4, "seed: and a seed"),
        ("seed:1/-1", 4, "seed: and a seed"),
        ("seed:1/10000000000000", 4, "seed: and a seed"),
        ("seed:-1", 4, "seed: and a seed"),
        ("seed:9223372036854775808", 4, "seed: and a seed"),
        ("seed:1.5/0", 4, "seed: and a seed"),
        ("seed:1~0.5*seed:x/y", 15, "seed: and a seed"),
        ("example:", 7, "example: and a number"),
        ("example:-1", 7, "example: and a number"),
        ("example:1.0", 7, "example: and a number"),
        ("example:\uff11", 7, "example: and a number"),
        ("image:x", 5, "image: and a number"),
        ("map:", 3, "map: and a number"),
        ("z", 1, "finite numbers"),
        ("z:", 1, "finite numbers"),
        ("z:1,", 1, "finite numbers"),
        ("z:1,nan", 1, "finite numbers"),
        ("z:inf", 1, "finite numbers"),
        ("z:1e999", 1, "finite numbers"),
        ("z:1 ,2", 1, "finite numbers"),
        ("z:1_0", 1, "finite numbers"),
        ("centre~z:0,0x1", 8, "finite numbers"),
    ],
)
def test_what_is_no_point_is_refused_with_what_was_expected_and_where(text, position, word):
    fault = faults(parse, text, "of")
    assert (fault.parameter, fault.code) == ("of", "not_a_point")
    assert word in fault.expected
    assert fault.received.endswith(f" at character {position}")
    assert fault.remedy


def test_a_refusal_echoes_no_more_than_a_line_of_printable_ascii():
    fault = faults(parse, "label:\u202e~" + "\x00" * 4000, "of")
    assert len(fault.received) <= 120
    assert fault.received.isascii()
    assert fault.received.isprintable()


def test_a_text_of_more_characters_than_any_point_has_is_refused():
    most = "z:" + "0," * (MAX_CHARACTERS // 2 - 2) + "0"
    assert len(most) == MAX_CHARACTERS - 1
    assert len(parse(most, "of").terms[0].place.code) == MAX_CHARACTERS // 2 - 1
    assert faults(parse, most + "00", "of").code == "too_long"


def test_a_sum_of_too_many_places_is_refused():
    fault = faults(parse, "~".join(["centre"] * (MAX_TERMS + 1)), "of")
    assert fault.code == "too_many"
    assert "at most 16 places" in fault.expected


def test_several_points_have_semicolons_between_them_and_each_its_place_in_refusals():
    points = parse_all("centre;seed:1/2~centre;z:0,1", "via")
    assert [point.parameter for point in points] == ["via[0]", "via[1]", "via[2]"]
    assert [len(point.terms) for point in points] == [1, 2, 1]
    assert [point.parameter for point in parse_all("centre", "via")] == ["via"]
    fault = faults(parse_all, "centre;seed:1~bogus;centre", "via")
    assert (fault.parameter, fault.received) == ("via[1]", "bogus at character 14")


def test_more_places_than_anybody_adds_up_are_refused_whatever_the_points():
    sums = ";".join(["~".join(["centre"] * MAX_TERMS)] * (MAX_ALL_TERMS // MAX_TERMS))
    assert len(parse_all(sums, "via")) == MAX_ALL_TERMS // MAX_TERMS
    fault = faults(parse_all, f"{sums};centre", "via")
    assert (fault.parameter, fault.code, fault.received) == ("via", "too_many", f"{MAX_ALL_TERMS + 1} places")


@pytest.mark.parametrize(
    "attack", ["~" * 65_000, ";" * 65_000, "(" * 65_000, "1*" * 32_000, "seed:" * 13_000]
)
def test_nonsense_as_long_as_an_address_is_refused_at_once(attack):
    started = time.perf_counter()
    faults(parse_all, attack, "points")
    assert time.perf_counter() - started < 0.05  # a millisecond on an idle machine


@pytest.mark.parametrize(
    "text",
    [
        "centre",
        "label:High",
        "seed:42/3",
        "seed:tulip",
        "-.5e-3*example:0~2*image:1",
        "z:0,+1.,-.5E2",
        "1*centre",
    ],
)
def test_what_is_a_point_fits_the_documented_pattern(text):
    parse(text, "of")
    for apart in ("~", "~;"):
        assert re.fullmatch(pattern(apart), text)
    assert re.fullmatch(pattern(), "~".join([text] * 2))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "~",
        "centre:",
        "centre~",
        "label:",
        "seed:",
        "z:",
        "z:1,",
        "image:-1",
        "0.5*",
        "x*centre",
        "Centre",
    ],
)
def test_what_does_not_fit_the_documented_pattern_is_no_point(text):
    assert not re.fullmatch(pattern(), text)
    faults(parse, text, "of")


def test_no_more_than_few_places_are_drawn_on_the_event_loop():
    few = parse_all(";".join(["centre~centre"] * (LIGHT_TERMS // 2)), "points")
    assert not are_slow(few)
    assert are_slow((*few, parse("centre", "points")))


def test_more_points_than_anybody_draws_are_refused():
    assert len(parse_all(";".join(["centre"] * MAX_POINTS), "via")) == MAX_POINTS
    fault = faults(parse_all, ";".join(["centre"] * (MAX_POINTS + 1)), "via")
    assert (fault.parameter, fault.code, fault.received) == ("via", "too_many", f"{MAX_POINTS + 1} points")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("centre", "centre"),
        ("1*centre", "centre"),
        ("1.0*centre~1e0*centre", "centre~centre"),
        (".5*seed:7", "0.5*seed:7/0"),
        ("-1*seed:007/03", "-1.0*seed:7/3"),
        ("1e16*z:0,0", "1e16*z:0.0,0.0"),
        ("z:+.1,-0", "z:0.1,0.0"),
        ("z:0.1000000014901161,1e-9", "z:0.1,1e-09"),
        ("example:01", "example:1"),
        ("image:00", "image:0"),
        ("map:007", "map:7"),
        ("label:high", "label:High"),
        ("label:1", "label:High"),
    ],
)
def test_a_permanent_address_has_one_way_to_write_a_point(of_classes, text, written):
    assert parse(text, "of").text(of_classes) == written
    assert parse(written, "of").text(of_classes) == written


def test_the_text_of_a_seeds_word_is_its_number(model):
    assert parse("seed:tulip/2", "of").text(model) == f"seed:{read_seed('tulip')}/2"


NAMES = st.sampled_from(["Low", "High", "low", "HIGH", "0", "1"])
WEIGHTS = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.floats(-8, 8)
PLACES = st.one_of(
    st.just("centre"),
    st.builds("label:{}".format, NAMES),
    st.builds("seed:{}/{}".format, st.integers(0, 2**63 - 1), st.integers(0, 10**9 - 1)),
    st.builds("seed:{}".format, st.sampled_from(["tulip", "a/b", "\u00e9"]).map(lambda word: f"{word}/4")),
    st.builds("example:{}".format, st.integers(0, 1)),
    st.builds("z:{!r},{!r}".format, NUMBERS, NUMBERS),
)
TERMS = st.one_of(PLACES, st.builds("{!r}*{}".format, WEIGHTS, PLACES))
POINTS = st.lists(TERMS, min_size=1, max_size=MAX_TERMS).map("~".join)


@given(POINTS)
def test_what_an_address_writes_is_the_same_point_and_written_the_same_again(of_classes, text):
    point = parse(text, "of")
    written = point.text(of_classes)
    again = parse(written, "of")
    assert again.text(of_classes) == written
    for (weight, place), (other_weight, other) in zip(point.terms, again.terms, strict=True):
        assert weight == other_weight
        if place.kind == "label":
            assert {place.name.lower(), other.name} in (
                {"low", "Low"},
                {"high", "High"},
                {"0", "Low"},
                {"1", "High"},
            )
        elif place.kind == "z":  # the same code, as float32
            assert np.array_equal(np.float32(place.code), np.float32(other.code))
        else:
            assert place == other


@given(POINTS)
def test_a_point_is_written_with_no_character_that_a_query_must_escape(of_classes, text):
    written = parse(text, "of").text(of_classes)
    assert urllib.parse.quote(written, safe="!$'()*,/:;@~") == written


@given(arrays.arrays(np.float32, 2, elements=st.floats(-8, 8, width=32)))
def test_a_code_that_an_answer_names_is_drawn_again_to_the_bit(model, code):
    (found,) = codes_at(model, point_of(code))
    assert found.dtype == np.float32
    assert (found + np.float32(0)).tobytes() == (code + np.float32(0)).tobytes()  # -0 is 0
    assert parse(point_of(found), "at").text(model) == point_of(found)


@given(st.integers(0, 2**63 - 1), st.integers(0, 10**9 - 1))
def test_a_seeds_place_is_the_code_that_samples_draws_as_that_image(seed, number):
    from app.priors import StandardNormal

    expected = latent.standard_normal(seed, number, 1, 2)
    assert np.array_equal(StandardNormal(2).draw(seed, number, 1), expected)


def test_the_codes_of_seeds_are_those_of_the_models_own_prior(of_classes):
    found = codes_at(of_classes, ";".join(f"seed:42/{k}" for k in range(30)))
    assert np.array_equal(found, of_classes.prior.draw(42, 0, 30))
    assert np.array_equal(
        codes_at(of_classes, "seed:tulip/2")[0], of_classes.prior.draw(read_seed("tulip"), 2, 1)[0]
    )


def test_the_centre_is_the_priors_and_a_labels_that_of_its_class(model, of_classes):
    assert codes_at(model, "centre").tolist() == [[0, 0]]
    assert codes_at(of_classes, "centre;label:low;label:High").tolist() == [[2, 2], [-2, -2], [2, 2]]


def test_examples_and_uploads_are_where_the_encoder_sees_them(model):
    uploads = np.stack([np.full((8, 8), level, np.uint8) for level in (0, 255)])
    found = codes_at(model, "example:1;image:1;example:0;image:0;example:1", uploads)
    # The fake encodes the mean of a half as ten times its distance from 0.5.
    expected = [10 * (level / 255 - 0.5) for level in (204, 255, 51, 0, 204)]
    np.testing.assert_allclose(found, np.stack([expected] * 2, axis=1), atol=1e-5)


def test_an_image_is_encoded_once_however_often_it_is_named(model):
    before = len(model._runtime.rows_seen)
    codes_at(model, "example:0~0.5*example:1;example:1;example:0~centre")
    assert len(model._runtime.rows_seen) == before + 1


def test_a_sum_adds_its_weighted_places(of_classes):
    text = "0.5*z:1,-3~-0.25*label:low~1.25*seed:9/1~-1.5*centre"
    (found,) = codes_at(of_classes, text)
    exact = (
        0.5 * np.array([1.0, -3.0])
        - 0.25 * np.array([-2.0, -2.0])
        + 1.25 * of_classes.prior.draw(9, 1, 1)[0].astype(np.float64)
        - 1.5 * np.array([2.0, 2.0])
    )
    assert np.array_equal(found, exact.astype(np.float32))


@pytest.mark.parametrize(
    ("text", "axis", "received"),
    [
        ("4*z:2,2.01", 1, "8.04 on axis 1"),
        ("-1*z:8,0~-1*z:0.001,0", 0, "-8.001 on axis 0"),
        ("1e300*z:8,0", 0, "inf on axis 0"),
        ("1e300*z:8,0~-1e300*z:8,0~1e300*z:0,8", 1, "inf on axis 1"),
    ],
)
def test_a_sum_beyond_8_on_an_axis_is_refused(model, text, axis, received):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fault = faults(codes_at, model, text)
    assert (fault.parameter, fault.code, fault.received) == ("at", "out_of_range", received)
    assert "within +-8" in fault.expected


def test_a_sum_that_is_no_number_is_refused(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert faults(codes_at, model, "1e308*z:8,0~-1e308*z:8,0").code == "out_of_range"


def test_a_sum_just_at_8_is_drawn(model):
    assert codes_at(model, "2*z:4,-4").tolist() == [[8, -8]]


def test_of_several_points_a_refusal_names_the_one(model):
    assert faults(codes_at, model, "centre;9*z:1,1").parameter == "at[1]"


@pytest.mark.parametrize(
    ("text", "parameter", "code", "expected"),
    [
        ("z:0", "at", "wrong_length", "2 numbers"),
        ("z:0,0,0", "at", "wrong_length", "2 numbers"),
        ("centre~0.1*z:0", "at", "wrong_length", "2 numbers"),
        ("z:0,8.001", "at[1]", "out_of_range", "-8..8"),
        ("0.1*z:-9,0", "at[0]", "out_of_range", "-8..8"),
        ("label:Bag", "at", "no_classes", "a model with classes"),
        ("example:2", "at", "out_of_range", "example:0 to example:1"),
        ("image:0", "at", "out_of_range", "no image: there are none"),
        ("map:0", "at", "out_of_range", "no map: there are none"),
    ],
)
def test_a_place_that_the_model_does_not_have_is_refused_before_any_work(
    model, text, parameter, code, expected
):
    fault = faults(point_in, text, "at", model)
    assert (fault.parameter, fault.code) == (parameter, code)
    assert expected in fault.expected


def test_an_image_of_the_map_is_at_its_code_which_needs_no_encoder(of_a_map):
    assert codes_at(of_a_map, "map:4;2*map:0~map:5").tolist() == [MAP["z_mean"][4].tolist(), [-4, -2]]
    assert operations_of(points_in("map:4", "at", of_a_map), of_a_map) == ()
    fault = faults(point_in, "map:6", "at", of_a_map)
    assert (fault.expected, fault.received) == ("map:0 to map:5", "map:6")


def test_an_upload_is_named_as_far_as_there_are_uploads(model):
    assert point_in("image:2", "at", model, uploads=3).of_kind("image") == {2}
    fault = faults(point_in, "image:3", "at", model, 3)
    assert (fault.expected, fault.received) == ("image:0 to image:2", "image:3")
    assert "POST" in faults(point_in, "image:0", "at", model).remedy


def test_a_class_that_a_point_names_is_refused_with_those_there_are(of_classes):
    fault = faults(points_in, "centre;label:Bag", "via", of_classes)
    assert (fault.parameter, fault.code) == ("via[1]", "unknown_class")
    assert "Low, High" in fault.expected


@pytest.mark.parametrize(
    "name", ["a~b", "a;b", "a~b;c", "a/b, c*d: e", "\u00c9t\u00e9", "3*x", "label:y", "a b"], ids=ascii
)
def test_a_class_of_whatever_name_has_a_text_that_leads_back_to_it(tmp_path, name):
    model = of_names(tmp_path, ("0", name), component_class=(0, 1))
    assert codes_at(model, "label:1").tolist() == [[2, 2]]
    written = parse("label:1", "of").text(model)
    assert not {"~", ";"} & {*written}
    assert codes_at(model, f"{written};label:0~{written}").tolist() == [[2, 2], [0, 0]]


def test_a_class_that_is_called_like_the_number_of_another_is_not_taken_for_it(tmp_path):
    model = of_names(tmp_path, ("1", "a~b"), component_class=(0, 1))
    assert parse("label:01", "of").text(model) == "label:01"
    assert codes_at(model, "label:01;label:1").tolist() == [[2, 2], [-2, -2]]


@pytest.mark.parametrize(
    ("text", "encodes"),
    [("centre", False), ("seed:1~z:0,0", False), ("example:0", True), ("centre~image:0", True)],
)
def test_points_need_the_encoder_where_they_name_an_image(model, text, encodes):
    points = points_in(text, "at", model, uploads=1)
    assert operations_of(points, model) == ((model.encoding,) if encodes else ())


def test_a_code_is_checked_to_an_array():
    found = check_code((0.1, -8.0), 2)
    assert found.dtype == np.float32
    assert np.array_equal(found, np.float32([0.1, -8]))
    assert faults(check_code, (0.0, float("nan")), 2, "code").parameter == "code[1]"
