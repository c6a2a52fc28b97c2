"""What query strings mean: words, points, formats, and what rules what out."""

import io
import unicodedata
import urllib.parse

import numpy as np
import pytest
from PIL import Image

from app import latent
from app.explore.seeds import read_seed
from app.http import queries
from app.pictures.formats import FORMATS
from tests.app.http.test_pictures import assert_problem, assert_still_answers
from tests.fakes import pixels_of, png_bytes


def asked_raw(client, query, path="/samples", method="GET"):
    """Status, headers and body of a request whose query string holds just these bytes."""
    messages = []

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        messages.append(message)

    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": []}
    client._runner.run(client.app({**scope, "query_string": query, "http_version": "1.1"}, receive, send))
    return messages[0]["status"], dict(messages[0]["headers"]), messages[1]["body"]


WORDS = [
    "tulip",
    "red tulip",
    "\u00e9t\u00e9",
    "\U0001f337",
    "\u6f22\u5b57",
    "a&b=c",
    "50 % off",
    "a;b~c",
    "caf\u00e9/3",
]


@pytest.mark.parametrize("word", WORDS, ids=ascii)
@pytest.mark.parametrize("path", ["/samples", "/interpolate"])
def test_a_word_is_a_seed_and_the_answer_names_its_number(client, path, word):
    answer = client.get(path, params={"seed": word})
    seed = int(answer.headers["x-seed"])
    assert seed == read_seed(word) < 2**53
    number = client.get(f"{path}?seed={seed}")
    assert answer.content == number.content
    for name in ("content-location", "etag", "x-seed", "cache-control"):
        assert answer.headers[name] == number.headers[name]


def test_two_words_are_two_pictures(client):
    pictures = {client.get("/samples", params={"seed": word}).content for word in WORDS}
    assert len(pictures) == len(WORDS)


@pytest.mark.parametrize(
    "word", ["\u00c5ngstr\u00f6m", "cr\u00e8me  br\u00fbl\u00e9e", "\ud55c\uad6d"], ids=ascii
)
def test_a_word_is_the_same_in_either_normal_form(client, word):
    forms = [unicodedata.normalize(form, word) for form in ("NFC", "NFD")]
    assert forms[0] != forms[1]
    answers = [client.get("/samples", params={"seed": form}) for form in forms]
    assert answers[0].content == answers[1].content
    assert answers[0].headers["etag"] == answers[1].headers["etag"]


@pytest.mark.parametrize("number", ["0", "7", "007", str(2**53), str(2**63 - 1)])
def test_a_number_stays_the_number_that_it_is(client, number):
    answer = client.get(f"/samples?n=1&seed={number}")
    assert answer.headers["x-seed"] == str(int(number))
    assert answer.headers["content-location"].endswith(f"&seed={int(number)}")


@pytest.mark.parametrize("digits", ["9" * 20, "-" + "9" * 20, "1" + "0" * 100, "9" * 9000], ids=len)
@pytest.mark.parametrize(
    ("address", "name", "expected"),
    [
        ("/samples", "seed", "0..2^63-1"),
        ("/interpolate", "seed", "0..2^63-1"),
        ("/score", "seed", "0..2^63-1"),
        ("/samples", "n", "1..400 (the limit is VITRINE_MAX_IMAGES)"),
        ("/samples", "offset", "0..1099511627776"),
        ("/samples", "columns", "1 or more, in at most 19 digits"),
        ("/decode?points=centre", "columns", "1 or more, in at most 19 digits"),
        ("/samples", "zoom", "1..16 (the limit is VITRINE_MAX_ZOOM)"),
        ("/interpolate", "axis", "axes 0..1"),
        ("/interpolate.gif", "fps", "1..50"),
        ("/manifold", "rows", "1..64 (the limit is VITRINE_MAX_STEPS)"),
        ("/complete", "k", "1..4096 (the limit is VITRINE_MAX_DRAWS: 8192 for all 2 images)"),
    ],
)
def test_a_whole_number_of_many_digits_is_refused_with_its_range(client, address, name, expected, digits):
    sign = "&" if "?" in address else "?"
    problem = assert_problem(client.get(f"{address}{sign}{name}={digits}"), 422, name)
    (fault,) = problem["errors"]
    assert (fault["code"], fault["received"][:20]) == ("out_of_range", digits[:20])
    assert fault["expected"] == expected


def test_zeros_before_a_whole_number_do_not_count(client):
    answer = client.get(f"/samples?n={'0' * 5000}2&seed={'0' * 200}7")
    assert answer.content == client.get("/samples?n=2&seed=7").content
    assert answer.headers["x-seed"] == "7"


@pytest.mark.parametrize(
    "escaped",
    [
        "1.5",
        "0x15",
        "nan",
        "",
        "%20",
        "a%00b",
        "tulip%0A",
        "%7F",
        "x" * 65,
        "%ff",
        "%C3",
        "a%80b",
        "%EF%BF%BD",
        "1e3",
        "%2B5",
        "1,5",
        "inf",
        "1_0",
        "%E2%80%8B",
        "%EE%80%80",
        "%ED%B2%80",
    ],
)
def test_what_is_no_word_is_refused_by_name(client, escaped):
    assert_problem(client.get(f"/samples?seed={escaped}"), 422, "seed", "not_a_seed")
    assert_problem(client.get(f"/interpolate?seed={escaped}"), 422, "seed", "not_a_seed")
    if escaped:
        assert_problem(client.get(f"/interpolate?at=seed:{escaped}"), 422, "at", "not_a_point")
    assert_still_answers(client)


@pytest.mark.parametrize("word", ["\u00e9t\u00e9", "\U0001f337", "\u6f22 \u5b57 & b"], ids=ascii)
@pytest.mark.parametrize("name", ["seed", "at"])
def test_bytes_that_were_not_escaped_mean_the_same_as_those_that_were(client, word, name):
    path = "/interpolate"
    value = word if name == "seed" else f"seed:{word}/2"
    escaped = client.get(path, params={name: value})
    assert escaped.status_code == 200
    raw = value.replace("&", "%26").replace(" ", "+").encode()
    status, headers, body = asked_raw(client, name.encode() + b"=" + raw, path)
    assert (status, body) == (200, escaped.content)
    for each in ("etag", "content-location"):
        assert headers[each.encode()].decode() == escaped.headers[each]


@pytest.mark.parametrize("raw", [b"seed=\xff", b"seed=caf\xe9", b"seed=\xc3", b"seed=\xed\xb2\x80"])
def test_raw_bytes_that_are_no_utf_8_are_refused(client, raw):
    status, _, body = asked_raw(client, raw)
    assert status == 422
    assert b'"parameter":"seed"' in body


@pytest.mark.parametrize("raw", [b"\xc3\xa9t\xc3\xa9=1", b"\xff=1", b"n=1&n\xcc\x81=1"])
def test_raw_bytes_in_a_name_are_an_unknown_parameter(client, raw):
    status, headers, body = asked_raw(client, raw)
    assert status == 422
    assert b"Unknown parameter" in body
    assert all(value.isascii() for value in headers.values())


def test_a_class_is_found_by_bytes_that_were_not_escaped(client_of_classes):
    status, _, body = asked_raw(client_of_classes, b"n=2&seed=1&label=\xef\xbb\xbfhigh")  # a byte order mark
    assert status == 200
    assert body == client_of_classes.get("/samples?n=2&seed=1&label=High").content


@pytest.mark.parametrize(
    "accept",
    [
        "image/webp",
        "text/html",
        "application/json",
        "image/png;q=0, */*",
        "image/avif,image/webp,*/*;q=0.8",
        "",
        "x",
    ],
)
@pytest.mark.parametrize(
    "address", ["/samples?seed=1&n=2", "/samples.webp?seed=1&n=2", "/interpolate?format=json"]
)
def test_what_a_client_accepts_never_changes_what_an_address_gives(client, address, accept):
    usual, answer = client.get(address), client.get(address, headers={"Accept": accept})
    assert (answer.status_code, answer.content) == (200, usual.content)
    for name in ("content-type", "etag", "content-location", "cache-control"):
        assert answer.headers[name] == usual.headers[name]
    assert "vary" not in answer.headers


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("address", ["/samples?n=3&seed=1", "/interpolate?seed=2", "/reconstruct?zoom=2"])
def test_every_picture_is_given_in_every_format_by_path_or_by_query(client, address, name):
    path, _, query = address.partition("?")
    by_path, by_query = client.get(f"{path}.{name}?{query}"), client.get(f"{address}&format={name}")
    both = client.get(f"{path}.{name}?{query}&format={name}")
    assert by_path.headers["content-type"] == FORMATS[name].media_type
    assert by_path.content == by_query.content == both.content
    assert by_path.headers["etag"] == by_query.headers["etag"]
    assert client.get(by_path.headers["content-location"]).content == by_path.content


@pytest.mark.parametrize("name", FORMATS)
def test_an_upload_is_reconstructed_in_every_format(client, name):
    files = {"file": ("a.png", png_bytes(np.full((8, 8), 51, np.uint8)))}
    answer = client.post(f"/reconstruct.{name}?ink=light", files=files)
    assert (answer.status_code, answer.headers["content-type"]) == (200, FORMATS[name].media_type)
    if name == "npy":
        assert (np.load(io.BytesIO(answer.content), allow_pickle=False) == 51).all()


@pytest.mark.parametrize(
    ("path", "query"), [("/samples.png", "webp"), ("/samples.gif", "apng"), ("/reconstruct.json", "png")]
)
def test_a_path_and_a_query_that_contradict_each_other_are_refused(client, path, query):
    response = client.get(f"{path}?format={query}")
    assert_problem(response, 422, "format", "contradictory", f"{path.rpartition('.')[2]}, as the path says")


@pytest.mark.parametrize("name", ["bmp", "PNG", "png%20", "jpeg", "tar.gz", "%00", "html"])
def test_a_format_that_is_not_offered_is_406_with_those_that_are(client, name):
    for address in (f"/samples.{name}?seed=1", f"/samples?seed=1&format={name}"):
        problem = assert_problem(client.get(address), 406, "format", "unsupported_format")
        assert problem["errors"][0]["expected"] == ", ".join(FORMATS)


@pytest.mark.parametrize("parameter", ["fps=12", "loop=once", "loop=forever", "fps=10"])
def test_what_only_animations_have_is_refused_of_still_pictures(client, parameter):
    name = parameter.partition("=")[0]
    for still in (each for each, offered in FORMATS.items() if not offered.animated):
        response = client.get(f"/interpolate.{still}?{parameter}")
        assert_problem(response, 422, name, "not_animated", "gif or apng")
    for moving in ("gif", "apng"):
        assert client.get(f"/interpolate.{moving}?{parameter}").status_code == 200


@pytest.mark.parametrize("parameter", ["fps=12", "loop=once"])
@pytest.mark.parametrize("address", ["/score", "/map", "/score.png"])
def test_what_is_never_an_animation_does_not_know_of_them(client, address, parameter):
    response = client.get(f"{address}?{parameter}")
    problem = assert_problem(response, 422, parameter.partition("=")[0], "unknown_parameter")
    assert "fps" not in problem["errors"][0]["remedy"]


@pytest.mark.parametrize(
    ("query", "parameter", "word"),
    [
        ("fps=0", "fps", "1..50"),
        ("fps=51", "fps", "1..50"),
        ("fps=2.5", "fps", "whole number"),
        ("loop=twice", "loop", "'bounce'"),
        ("loop=", "loop", "(empty)"),
    ],
)
def test_an_animation_that_no_player_knows_is_refused(client, query, parameter, word):
    assert_problem(client.get(f"/interpolate.gif?{query}"), 422, parameter, word)


def test_an_animation_plays_the_walk_as_it_is_asked_to(client):
    strip = pixels_of(client.get("/interpolate?axis=0&steps=5").content)
    answer = client.get("/interpolate.apng?axis=0&steps=5&loop=bounce&fps=20")
    with Image.open(io.BytesIO(answer.content)) as image:
        frames = []
        for number in range(image.n_frames):
            image.seek(number)
            assert image.info["duration"] == 50
            frames.append(np.asarray(image.convert("L")))
    for frame, k in zip(frames, (0, 1, 2, 3, 4, 3, 2, 1), strict=True):
        assert np.array_equal(frame, strip[:, 8 * k : 8 * k + 8])


def cells(answer, count):
    """The images of a grid of one row."""
    assert answer.status_code == 200, answer.text
    pixels = pixels_of(answer.content)
    return [pixels[:, 8 * k : 8 * k + 8] for k in range(count)]


def test_an_endless_gallery_shows_image_k_as_image_k(client):
    whole = cells(client.get("/samples?seed=tulip&n=30&columns=30"), 30)
    for offset in (0, 1, 7, 29):
        (image,) = cells(client.get(f"/samples?seed=tulip&n=1&offset={offset}"), 1)
        assert np.array_equal(image, whole[offset])


@pytest.mark.parametrize("offset", ["-1", "1.5", str(2**40 + 1), "x"])
def test_an_offset_beyond_the_limit_is_refused(client, offset):
    assert_problem(client.get(f"/samples?seed=1&offset={offset}"), 422, "offset")


@pytest.mark.parametrize("temperature", ["0", "-0.0"])
def test_around_a_point_with_no_temperature_there_is_the_point_itself(client, temperature):
    third = cells(client.get("/samples?seed=5&n=4"), 4)[3]
    for image in cells(client.get(f"/samples?of=seed:5/3&temperature={temperature}&n=5&seed=9"), 5):
        assert np.array_equal(image, third)


def test_around_a_point_the_deviation_is_a_half_unless_it_is_said(client):
    usual, said = (client.get(f"/samples?of=z:1,-1&n=9&seed=2{more}") for more in ("", "&temperature=0.5"))
    assert usual.headers["etag"] == said.headers["etag"]
    with np.load(io.BytesIO(client.get("/samples.npz?of=z:1,-1&n=9&seed=2").content)) as found:
        expected = np.float32([1, -1]) + np.float32(0.5) * latent.standard_normal(2, 0, 9, 2)
        assert np.array_equal(found["codes"], expected)


def test_a_mixtures_model_draws_from_either_prior(client_of_classes):
    own, named, normal = (
        client_of_classes.get(f"/samples?n=5&seed=3{more}")
        for more in ("", "&prior=gaussian_mixture", "&prior=standard_normal")
    )
    assert own.headers["etag"] == named.headers["etag"] != normal.headers["etag"]
    assert "prior=standard_normal" in normal.headers["content-location"]
    with np.load(
        io.BytesIO(client_of_classes.get("/samples.npz?n=5&seed=3&prior=standard_normal").content)
    ) as found:
        assert np.array_equal(found["codes"], latent.standard_normal(3, 0, 5, 2))


@pytest.mark.parametrize(
    ("query", "parameter", "code"),
    [
        ("prior=vamp", "prior", "literal_error"),
        ("prior=gaussian_mixture", "prior", "no_such_prior"),
        ("of=nowhere", "of", "not_a_point"),
        ("of=z:1", "of", "wrong_length"),
        ("of=z:0,9", "of[1]", "out_of_range"),
        ("of=example:2", "of", "out_of_range"),
        ("of=image:0", "of", "out_of_range"),
        ("of=label:Bag", "of", "no_classes"),
        ("of=centre;centre", "of", "not_a_point"),
        ("of=9*z:1,1", "of", "out_of_range"),
        ("of=centre&prior=standard_normal", "prior", "contradictory"),
        ("of=", "of", "not_a_point"),
        ("of=" + "z:" + "0," * 4999, "of", "too_long"),
        ("of=centre&temperature=4.1", "temperature", "out_of_range"),
    ],
)
def test_samples_that_the_model_does_not_have_are_refused_by_name(client, query, parameter, code):
    assert_problem(client.get(f"/samples?seed=1&{query}"), 422, parameter, f'"code":"{code}"')
    assert_still_answers(client)


@pytest.mark.parametrize("other", ["of=centre", "prior=standard_normal"])
def test_a_class_beside_what_is_not_its_prior_is_refused(client_of_classes, other):
    response = client_of_classes.get(f"/samples?label=Low&{other}")
    assert_problem(response, 422, other.partition("=")[0], "contradictory", "not both")


def test_a_refused_point_says_where_in_the_text(client):
    problem = assert_problem(client.get("/samples?of=centre~0.5*sed:42"), 422, "of", "not_a_point")
    assert "at character 7" in problem["errors"][0]["expected"]
    problem = assert_problem(client.get("/interpolate?from=centre&to=centre&via=centre;z:0,x"), 422, "via")
    assert "at character 8" in problem["errors"][0]["expected"]


def codes_in(client, address):
    path, _, query = address.partition("?")
    answer = client.get(f"{path}.npz?{query}")
    assert answer.status_code == 200, answer.text
    with np.load(io.BytesIO(answer.content), allow_pickle=False) as found:
        return found["codes"].astype(np.float64)


def test_a_straight_way_between_points_has_equal_steps(client):
    found = codes_in(client, "/interpolate?from=z:-2,1&to=z:2,-3&steps=5")
    start, end = np.array([-2, 1]), np.array([2, -3])
    assert np.array_equal(found, [start + (end - start) * k / 4 for k in range(5)])


def test_a_way_passes_through_its_points(client):
    found = codes_in(client, "/interpolate?from=z:-2,1&via=centre;z:4,4&to=z:2,-3&steps=7")
    assert found[::2].tolist() == [[-2, 1], [0, 0], [4, 4], [2, -3]]
    assert found[1::2].tolist() == [[-1, 0.5], [2, 2], [3, 0.5]]


def test_an_arc_between_points_turns_by_equal_angles(client):
    found = codes_in(client, "/interpolate?from=z:2,0&to=z:0,2&steps=4&path=slerp")
    angles = np.radians([0, 30, 60, 90])
    np.testing.assert_allclose(found, 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1), atol=1e-6)


def test_a_way_begins_and_ends_with_what_samples_draw(client):
    samples = cells(client.get("/samples?seed=7&n=3"), 3)
    for path in ("linear", "slerp"):
        strip = cells(client.get(f"/interpolate?from=seed:7/1&to=seed:7/2&steps=4&path={path}"), 4)
        for image, sample in ((strip[0], samples[1]), (strip[-1], samples[2])):
            # The arc's weights at its ends are 1 up to rounding, which may cross one level.
            assert np.abs(image.astype(int) - sample).max() <= (path == "slerp")


def test_the_points_of_an_answer_can_be_asked_for_again(client):
    answer = client.get(
        "/interpolate.json?from=seed:7/1&to=example:0&via=0.5*seed:1~0.5*seed:2&steps=5"
    ).json()
    strip = cells(client.get(answer["address"].replace("format=json&", "")), 5)
    for image, shown in zip(answer["images"], strip, strict=True):
        (again,) = cells(client.get(f"/samples?of={image['point']}&temperature=0&n=1&seed=1"), 1)
        assert np.array_equal(again, shown)


@pytest.mark.parametrize("name", ["at=seed:9", "seed=9", "at=seed:9/0", "at=1*seed:009"])
def test_a_seed_and_the_point_of_a_seed_hold_the_same_code(client, name):
    answer, same = client.get(f"/interpolate?axis=0&{name}"), client.get("/interpolate?axis=0&seed=9")
    assert answer.content == same.content
    assert answer.headers["etag"] == same.headers["etag"]


@pytest.mark.parametrize(
    ("query", "parameter", "code"),
    [
        ("from=centre", "to", "missing"),
        ("to=centre", "from", "missing"),
        ("via=centre", "from", "missing"),
        ("from=centre&via=centre", "to", "missing"),
        ("path=slerp", "path", "contradictory"),
        ("path=linear&axis=1", "path", "contradictory"),
        ("from=centre&to=centre&axis=0", "axis", "contradictory"),
        ("from=centre&to=centre&low=0", "low", "contradictory"),
        ("from=centre&to=centre&high=0", "high", "contradictory"),
        ("from=centre&to=centre&at=centre", "at", "contradictory"),
        ("from=centre&to=centre&seed=1", "seed", "contradictory"),
        ("from=centre&to=centre&z=0,0", "z", "contradictory"),
        ("from=centre&axis=0", "axis", "contradictory"),
        ("at=centre&seed=1", "seed", "contradictory"),
        ("at=centre&z=0,0", "z", "contradictory"),
        ("seed=1&z=0,0", "z", "contradictory"),
        ("at=centre&seed=1&z=0,0", "z", "contradictory"),
        ("from=centre&to=centre&path=arc", "path", "literal_error"),
        ("from=center&to=centre", "from", "not_a_point"),
        ("from=centre;centre&to=centre", "from", "not_a_point"),
        ("from=centre&to=z:1", "to", "wrong_length"),
        ("from=centre&to=centre&via=centre;z:0,9&steps=4", "via[1][1]", "out_of_range"),
        ("from=centre&to=centre&via=centre;", "via", "not_a_point"),
        ("from=centre&to=centre&via=centre;centre", "via", "too_many"),
        ("from=centre&to=image:0", "to", "out_of_range"),
        ("from=centre&to=4*z:3,0", "to", "out_of_range"),
        ("from=centre&to=centre&steps=1", "steps", "out_of_range"),
        ("from_=centre&to=centre", "from_", "unknown_parameter"),
        ("at=z:9,0", "at[0]", "out_of_range"),
    ],
)
def test_a_walk_that_contradicts_itself_is_refused_by_name(client, query, parameter, code):
    assert_problem(client.get(f"/interpolate?{query}"), 422, parameter, f'"code":"{code}"')
    assert client.get("/interpolate").status_code == 200


@pytest.mark.parametrize("query", ["", "?from=centre", "?via=image:0&steps=4"])
def test_one_image_is_no_walk_unless_its_end_is_named(client, query):
    files = {"file": ("a.png", png_bytes(np.full((8, 8), 51, np.uint8)))}
    response = client.post(f"/interpolate{query}", files=files)
    problem = assert_problem(response, 422, "to", '"code":"missing"')
    assert problem["detail"] == (
        "to: expected two images, or a point named. Received: 1 image. "
        "Send a second image, or name to, like to=centre."
    )
    named = client.post(f"/interpolate{query + '&' if query else '?'}to=centre", files=files)
    assert named.status_code == 200


def test_an_unknown_parameter_is_told_the_name_that_a_request_writes(client):
    problem = assert_problem(client.get("/interpolate?From=centre"), 422, "From")
    assert "did you mean from?" in problem["errors"][0]["remedy"]
    assert "from_" not in client.get("/interpolate?x=1").text


@pytest.mark.parametrize("name", ["a~b", "a;b", "a/b, c", "\u00c9t\u00e9 & co", "50 % +", "1*x"], ids=ascii)
def test_whatever_a_class_is_called_the_address_of_its_point_leads_back_to_it(tmp_path, name):
    import contextlib

    from tests.app.http.test_pictures import client_of

    with contextlib.closing(client_of(tmp_path, ("0", name), (0, 1))) as client:
        answer = client.get("/samples?of=label:1&n=4&seed=1&temperature=0&ink=light")
        assert (pixels_of(answer.content) > 150).all()
        location = answer.headers["content-location"]
        again = client.get(location)
        assert again.content == answer.content
        assert again.headers["content-location"] == location
        if not {"~", ";"} & {*name}:
            written = urllib.parse.parse_qs(location.partition("?")[2])["of"]
            assert written == [f"label:{name}"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (
            "/compare",
            "with: expected the second model, drawn below the first. Received: (not given). Name one of "
            "those at /models.json.",
        ),
        (
            "/decode",
            "points: expected what is decoded, with ; between the points. Received: (not given). Name it, like "
            "points=seed:42/3;seed:7;0.5*seed:42/3~0.5*seed:7.",
        ),
        (
            "/directions?minus=seed:1",
            "plus: expected points that have it, with ; between them. Received: (not given). "
            "Name it, like plus=seed:42/0;seed:42/1.",
        ),
        (
            "/directions?plus=seed:1",
            "minus: expected points that lack it. Received: (not given). Name it, like minus=seed:42/2.",
        ),
    ],
)
def test_a_required_parameter_that_is_missing_is_named_with_what_it_is_and_an_example(
    client, asked, expected
):
    answer = client.get(asked)
    assert answer.status_code == 422
    assert answer.json()["detail"] == expected
    assert answer.json()["errors"][0]["code"] == "missing"


def test_every_required_parameter_of_a_query_has_words_and_an_example():
    def kinds(kind):
        return [kind, *(each for below in kind.__subclasses__() for each in kinds(below))]

    required = {
        field.alias or name: field
        for kind in kinds(queries.Plain)
        for name, field in kind.model_fields.items()
        if field.is_required()
    }
    assert {"with", "points", "plus", "minus"} <= set(required)
    for name, field in required.items():
        assert field.description
        assert name == "with" or field.examples  # which models there are is not known beforehand
