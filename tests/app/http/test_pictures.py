"""The three pictures over HTTP, and every bad request that a person or a program would send."""

import base64
import contextlib
import io
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from app.main import create_app
from app.pictures.formats import FORMATS, Format
from app.settings import Settings
from tests.conftest import Client
from tests.fakes import MIXTURE, digest_of, open_fake, pixels_of, png_bytes, record, write_version
from tests.picture_files import encoded

SQUARE = png_bytes(np.full((8, 8), 204, np.uint8))


def assert_problem(response, status, parameter=None, *words):
    """One shape for every error: RFC 9457, no cache, and for a parameter what was expected and the remedy."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert set(body) == {"type", "title", "status", "detail", "instance", "request_id", "errors"}
    assert body["status"] == status
    assert body["request_id"] == response.headers["x-request-id"]
    assert "Traceback" not in response.text
    if parameter is not None:
        fault = body["errors"][0]
        assert fault["parameter"] == parameter
        assert fault["expected"]
        assert fault["remedy"]
        assert len(fault["received"]) <= 80
    for word in words:
        assert word in response.text
    return body


def assert_still_answers(client):
    assert client.get("/samples?n=1&seed=1").status_code == 200


def test_samples_are_a_png_grid_of_seven_columns(client):
    response = client.get("/samples?n=21")
    assert response.headers["content-type"] == "image/png"
    assert pixels_of(response.content).shape == (3 * 8, 7 * 8)
    assert response.headers["x-grid"] == "7x3"


def test_samples_without_parameters_are_21(client):
    assert pixels_of(client.get("/samples").content).shape == (24, 56)


def test_a_seeded_address_gives_the_same_bytes_every_time(client):
    pictures = set()
    for number in range(20):  # each time among others, and computed anew
        others = [f"/samples?n={1 + (number + k) % 30}&seed={k}" for k in range(number % 5)]
        pictures.add(client.gather([*others, "/samples?n=21&seed=42"])[-1].content)
    assert len(pictures) == 1


def test_a_class_is_drawn_by_its_name_which_its_permanent_address_keeps(client_of_classes):
    response = client_of_classes.get("/samples?n=5&seed=1&label=high&ink=light")
    assert (pixels_of(response.content) > 150).all()
    assert "label=High" in response.headers["content-location"]
    again = client_of_classes.get(response.headers["content-location"])
    assert again.content == response.content


@pytest.mark.parametrize("label", ["High", "hIGH", "1", "01"])
def test_a_picture_of_a_class_has_one_permanent_address_however_it_was_asked_for(client_of_classes, label):
    response = client_of_classes.get(f"/samples?model=fake@1&n=5&seed=1&label={label}")
    pinned = client_of_classes.app.service.models.store.find("fake").pinned
    values = "columns=7&ink=dark&label=High&n=5&render=mean&temperature=1.0&zoom=1&seed=1"
    assert response.headers["content-location"] == f"/samples?model={pinned}&{values}"


def client_of(store, names, component_class):
    mixture = MIXTURE | {"component_class": np.array(component_class)}
    prior = {"name": "gaussian_mixture", "path": "prior.npz", "classes": names}
    write_version(store, mixture=mixture, prior=prior)
    return Client(create_app(Settings(model_store=store, default_model="fake", worker_threads=2), open_fake))


@pytest.mark.parametrize(
    "name",
    ["\u00c9t\u00e9 & co", "E\u0301te\u0301", "3", "a,b+c%d", "\u0634\u062a\u0627", "caf\udce9"],
    ids=ascii,
)
def test_whatever_a_class_is_called_its_permanent_address_leads_back_to_it(tmp_path, name):
    with contextlib.closing(client_of(tmp_path, ("0", name), (0, 1))) as client:
        response = client.get("/samples?n=5&seed=1&label=1&ink=light")
        assert (pixels_of(response.content) > 150).all()
        again = client.get(response.headers["content-location"])
        assert again.content == response.content
        assert again.headers["content-location"] == response.headers["content-location"]
        listed = client.get("/version").json()["models"][0]["prior"]["classes"]
        assert listed == ["0", name.encode("utf-8", "backslashreplace").decode()]


def test_a_class_whose_name_is_too_long_for_a_label_is_asked_for_by_its_number(tmp_path):
    with contextlib.closing(client_of(tmp_path, ("a", "b" * 101), (0, 1))) as client:
        response = client.get("/samples?n=5&seed=1&label=1")
        assert "label=1&" in response.headers["content-location"]
        assert client.get(response.headers["content-location"]).content == response.content


@pytest.mark.parametrize("label", ["rare", "1"])
def test_a_class_of_which_nothing_can_be_drawn_is_refused(tmp_path, label):
    with contextlib.closing(client_of(tmp_path, ("common", "rare"), (0, 0))) as client:
        assert_problem(client.get(f"/samples?label={label}"), 422, "label", "unknown_class", "one of common")
        assert client.get("/samples?label=common&seed=1&n=1").status_code == 200


def test_an_unknown_class_is_refused_with_those_there_are(client_of_classes):
    response = client_of_classes.get("/samples?label=Ankle%20boot%2Fleft")
    assert_problem(response, 422, "label", "unknown_class", "Low, High")


@pytest.mark.parametrize("label", ["", "x" * 101])
def test_a_label_of_no_sensible_length_is_refused(client, label):
    assert_problem(client.get(f"/samples?label={label}"), 422, "label", "malformed_label")


def test_a_class_of_a_model_that_knows_none_is_refused(client):
    assert_problem(client.get("/samples?label=Bag"), 422, "label", "no_classes")
    assert_still_answers(client)


def test_without_a_seed_the_server_draws_one_and_names_the_permanent_address(client):
    first, second = client.get("/samples?n=3"), client.get("/samples?n=3")
    assert first.headers["x-seed"] != second.headers["x-seed"]
    assert first.headers["cache-control"] == "no-store"
    location = first.headers["content-location"]
    assert "model=fake@1" in location
    assert f"seed={first.headers['x-seed']}" in location
    again = client.get(location)
    assert again.content == first.content
    assert again.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert again.headers["content-location"] == location


def test_a_seed_without_a_version_may_be_kept_but_must_be_asked_about(client):
    assert client.get("/samples?seed=1").headers["cache-control"] == "no-cache"
    assert client.get("/samples?seed=1&model=fake").headers["cache-control"] == "no-cache"


def test_five_images_are_the_first_five_of_twenty_one(client):
    few = pixels_of(client.get("/samples?n=5&seed=9").content)
    many = pixels_of(client.get("/samples?n=21&seed=9").content)
    assert np.array_equal(few, many[:8, : 5 * 8])


def test_columns_zoom_and_ink_draw_the_same_images_in_another_way(client):
    plain = pixels_of(client.get("/samples?n=4&seed=9").content)
    changed = pixels_of(client.get("/samples?n=4&seed=9&columns=2&zoom=3&ink=light").content)
    assert changed.shape == (2 * 8 * 3, 2 * 8 * 3)
    assert np.array_equal(changed[:24:3, :24:3], 255 - plain[:, :8])
    assert np.array_equal(changed[24::3, :24:3], 255 - plain[:, 16:24])


@pytest.mark.bad_input(22)
def test_more_columns_than_images_give_a_row_of_images(client):
    assert pixels_of(client.get("/samples?n=3&columns=9").content).shape == (8, 24)


def test_an_interpolation_walks_the_axis(client):
    response = client.get("/interpolate?axis=0&low=-2&high=2&steps=5&ink=light")
    assert pixels_of(response.content)[0, ::8].tolist() == [76, 102, 128, 153, 179]
    again = client.get(response.headers["content-location"])
    assert again.content == response.content
    assert "immutable" in again.headers["cache-control"]


def test_an_interpolation_without_parameters_takes_the_models_own(client):
    response = client.get("/interpolate")
    assert pixels_of(response.content).shape == (8, 3 * 8)
    assert "axis=1&high=2.5&ink=dark&low=-1.5&steps=3" in response.headers["content-location"]


def test_an_interpolation_passes_by_the_first_sample_of_its_seed(client):
    sample = pixels_of(client.get("/samples?n=1&seed=5").content)
    location = client.get("/interpolate?axis=0&seed=5").headers["content-location"]
    strip = pixels_of(client.get(location).content)
    assert np.array_equal(strip[4:, :8], sample[4:])


@pytest.mark.parametrize("z", ["0,-3", "%2B1,0", "1e%2B0,-0.0", ".5,2.", "1e-7,8"])
def test_an_interpolation_from_a_code_has_a_permanent_address(client, z):
    response = client.get(f"/interpolate?axis=0&z={z}")
    again = client.get(response.headers["content-location"])
    assert again.content == response.content
    assert again.headers["content-location"] == response.headers["content-location"]


def test_drawn_seeds_are_whole_in_programs_whose_numbers_are_doubles(client):
    drawn = [int(client.get("/samples?n=1").headers["x-seed"]) for _ in range(60)]
    assert all(seed == int(float(seed)) for seed in drawn)
    # 53 bits: all of 60 draws below 2^52, or all below 2^53 by luck, would come once in 2^60.
    assert 2**52 <= max(drawn) < 2**53
    assert client.get(f"/samples?n=1&seed={2**63 - 1}").headers["x-seed"] == str(2**63 - 1)


@pytest.mark.parametrize("kind", ["form", "raw"])
def test_a_reconstruction_shows_what_the_encoder_saw_above_what_it_decodes_to(client, kind):
    body = (
        {"files": {"file": ("shirt.png", SQUARE)}}
        if kind == "form"
        else {"content": SQUARE, "headers": {"Content-Type": "image/png"}}
    )
    response = client.post("/reconstruct?ink=light&invert=no", **body)
    pixels = pixels_of(response.content)
    assert pixels.shape == (16, 8)
    assert (pixels == 204).all()
    assert response.headers["x-model"] == "fake@1"
    assert response.headers["cache-control"] == "no-store"


def test_several_images_are_reconstructed_at_once_in_their_order(client):
    files = [
        ("file", (f"{level}.png", png_bytes(np.full((8, 8), level, np.uint8)))) for level in (51, 102, 0)
    ]
    pixels = pixels_of(client.post("/reconstruct?ink=light", files=files).content)
    assert pixels[::8, ::8].tolist() == [[51, 102, 0], [51, 102, 0]]


def test_without_an_upload_the_models_own_examples_are_reconstructed(client):
    pixels = pixels_of(client.get("/reconstruct?ink=light").content)
    assert pixels[::8, ::8].tolist() == [[51, 204], [51, 204]]


def test_what_was_done_to_an_upload_is_told_in_a_header(client):
    response = client.post("/reconstruct?invert=auto", files={"file": ("a.png", SQUARE)})
    assert response.headers["x-notes"] == "file: inverted"
    hint = client.post("/reconstruct", files={"file": ("a.png", SQUARE)}).headers["x-notes"]
    assert "invert=auto" in hint


@pytest.mark.bad_input(24)
def test_the_address_may_end_in_png_and_the_end_wins_over_the_accept_header(client):
    for address in ("/samples?seed=1", "/interpolate", "/reconstruct"):
        path, _, query = address.partition("?")
        found = client.get(f"{path}.png?{query}", headers={"Accept": "text/html"})
        assert found.headers["content-type"] == "image/png"
        assert found.content == client.get(address).content


# Numbers follow the project's list of bad inputs.
@pytest.mark.bad_input(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 21, 22, 25, 27)
@pytest.mark.parametrize(
    ("query", "parameter", "word"),
    [
        ("n=0", "n", "1..400"),  # 1
        ("n=-1", "n", "1..400"),
        ("n=401", "n", "VITRINE_MAX_IMAGES"),  # 2
        ("n=21.5", "n", "whole number"),  # 3
        ("n=1e2", "n", "whole number"),
        ("n=0x15", "n", "whole number"),
        ("n=true", "n", "whole number"),
        ("n=null", "n", "whole number"),
        ("n=21.0", "n", "whole number"),  # 4
        ("n=%2B21", "n", "whole number"),
        ("n=+21", "n", "whole number"),
        ("n=%2021%20", "n", "whole number"),
        ("n=1_00", "n", "whole number"),
        ("n=", "n", "(empty)"),  # 5
        ("n", "n", "(empty)"),
        ("n=%00", "n", r"\\x00"),
        ("n=%ff", "n", r"\\ufffd"),
        ("n=%EF%BC%92%EF%BC%91", "n", r"\\uff12"),
        ("n=%D9%A2%D9%A1", "n", r"\\u0662"),
        ("n=" + "9" * 5000, "n", "999..."),  # 6
        ("n=1&n=2", "n", "given twice"),  # 7
        ("n=1&n=1", "n", "given twice"),
        ("nn=3", "nn", "did you mean n?"),  # 8
        ("N=3", "N", "did you mean n?"),
        ("seed=-1", "seed", "2^63"),  # 9
        ("seed=18446744073709551616", "seed", "2^63"),
        ("seed=9223372036854775808", "seed", "2^63"),
        ("seed=1.5", "seed", "whole number"),
        ("temperature=nan", "temperature", "finite_number"),  # 10
        ("temperature=inf", "temperature", "finite_number"),
        ("temperature=1e400", "temperature", "finite_number"),
        ("temperature=1e30", "temperature", "0..4"),  # 12
        ("temperature=1,5", "temperature", "Use a point"),  # 13
        ("width=0", "width", "Unknown parameter"),  # 21
        ("zoom=0", "zoom", "1..16"),
        ("zoom=4097", "zoom", "VITRINE_MAX_ZOOM"),
        ("columns=0", "columns", "1 or more"),  # 22
        ("columns=-7", "columns", "1 or more"),
        ("cols=3", "cols", "did you mean columns?"),
        ("pad=-1", "pad", "Unknown parameter"),
        ("ink=javascript:alert(1)", "ink", "'dark' or 'light'"),  # 25
        ("ink=%2312345", "ink", "'dark' or 'light'"),
        ("background=%2312345", "background", "Unknown parameter"),
        ("render=sharp", "render", "'mean' or 'draw'"),
        ("model=../x", "model", "NAME@VERSION"),  # 27
        ("model=%2e%2e%2f", "model", "NAME@VERSION"),
        ("model=a%00b", "model", "NAME@VERSION"),
        ("model=CON", "model", "NAME@VERSION"),
        ("model=" + "a" * 300, "model", "NAME@VERSION"),
        ("model=/etc/passwd", "model", "NAME@VERSION"),
        ("model=fake@0", "model", "NAME@VERSION"),
        ("model=fake@1-", "model", "NAME@VERSION-DIGEST"),
        ("model=fake@1-0123456789a", "model", "first 12 hexadecimal digits"),
        ("model=fake@1-0123456789abc", "model", "first 12 hexadecimal digits"),
        ("model=fake@1-0123456789AB", "model", "lower case"),
        ("model=fake@1-0123456789ag", "model", "hexadecimal"),
        ("model=fake-0123456789ab@", "model", "NAME@VERSION"),
    ],
)
def test_a_bad_parameter_of_samples_is_refused_by_name(client, query, parameter, word):
    assert_problem(client.get(f"/samples?{query}"), 422, parameter, word)
    assert_still_answers(client)


@pytest.mark.bad_input(14, 15, 16, 17, 18, 19, 20)
@pytest.mark.parametrize(
    ("query", "parameter", "word"),
    [
        ("axis=-1", "axis", "axes 0..1"),  # 14
        ("axis=2", "axis", "axes 0..1"),
        ("axis=3.5", "axis", "whole number"),  # 15
        ("axis=all", "axis", "whole number"),
        ("steps=1", "steps", "2..64"),  # 16
        ("steps=0", "steps", "2..64"),
        ("steps=65", "steps", "VITRINE_MAX_STEPS"),
        ("low=1&high=0.5", "low", "high"),  # 17
        ("low=1e308", "low", "-8..8"),  # 18
        ("high=8.01", "high", "-8..8"),
        ("range=1e308", "range", "Unknown parameter"),
        ("z=1", "z", "2 numbers"),  # 19
        ("z=1,2,3", "z", "2 numbers"),
        ("z=1,", "z", "z[1]"),
        ("z=", "z", "z[0]"),
        ("z=" + "0," * 4999 + "0", "z", "8192 characters"),
        ("z=0,nan", "z", "z[1]"),  # 20
        ("z=inf,0", "z", "z[0]"),
        ("z=0,9", "z[1]", "-8..8"),
        ("z=0,0&seed=1", "z", "not both"),
    ],
)
def test_a_bad_parameter_of_interpolate_is_refused_by_name(client, query, parameter, word):
    assert_problem(client.get(f"/interpolate?{query}"), 422, parameter, word)
    assert client.get("/interpolate").status_code == 200


@pytest.mark.bad_input(11)
@pytest.mark.parametrize("value", ["-0.0", "1e-400", "0"])  # 11
def test_a_temperature_of_nothing_gives_the_centre_of_the_prior(client, value):
    pixels = pixels_of(client.get(f"/samples?n=4&ink=light&temperature={value}").content)
    assert set(pixels.ravel().tolist()) == {128}


@pytest.mark.bad_input(17)
def test_a_walk_between_equal_ends_is_a_constant_strip(client):  # 17
    pixels = pixels_of(client.get("/interpolate?axis=1&low=1&high=1&steps=5&ink=light").content)
    assert pixels.shape == (8, 5 * 8)
    assert (pixels[:4] == 128).all()  # the upper half, axis 0, is held at zero
    assert (pixels[4:] == 153).all()  # a tenth above the middle


def test_a_thousand_unknown_parameters_are_answered_briefly(client):
    response = client.get("/samples?" + "&".join(f"p{number}=1" for number in range(1000)))
    assert_problem(response, 422, "p0")
    assert len(response.content) < 5_000


def test_a_bad_number_is_refused_at_once_even_when_every_worker_is_busy(client, monkeypatch):
    monkeypatch.setattr(client.app.service.engine._admission, "images", 10**6)
    for url in ("/samples?n=401", "/samples?seed=-1", "/samples?columns=0", "/interpolate?axis=99"):
        assert_problem(client.get(url), 422)


@pytest.mark.bad_input(21)
def test_an_answer_of_too_many_pixels_is_refused(client):  # 21
    service = client.app.service
    service.settings = service.settings.model_copy(update={"max_pixels": 64 * 8})
    assert client.get("/samples?n=8&columns=4").status_code == 200
    assert_problem(client.get("/samples?n=9&columns=3"), 422, "n", "VITRINE_MAX_PIXELS")


@pytest.mark.bad_input(23)
@pytest.mark.parametrize(
    "url",
    [
        "/samples?format=bmp",
        "/samples.png?format=bmp",
        "/samples.tiff",
        "/interpolate.bmp",
        "/reconstruct.jpg",
    ],
)
def test_another_format_is_refused_with_those_offered(client, url):  # 23
    assert_problem(client.get(url), 406, "format", "png")


@pytest.mark.bad_input(26)
def test_an_unknown_model_or_version_is_not_found_and_the_known_ones_are_named(client):  # 26
    for reference in ("other", "fake@2", "con"):
        assert_problem(client.get(f"/samples?model={reference}"), 404, "model", "fake@1")


def test_a_pinned_model_gives_the_picture_of_its_version_and_a_wrong_digest_gives_none(client, fake_store):
    digest = digest_of(fake_store / "fake" / "1")
    for query in ("samples?n=3&seed=7", "interpolate?axis=1", "reconstruct?zoom=2"):
        expected, pinned = (
            client.get(f"/{query}&model={reference}") for reference in ("fake@1", f"fake@1-{digest[:12]}")
        )
        assert pinned.content == expected.content
        assert pinned.headers["cache-control"] == expected.headers["cache-control"]
        assert "immutable" in pinned.headers["cache-control"]
        wrong = client.get(f"/{query}&model=fake@1-000000000000")
        problem = assert_problem(wrong, 404, "model", f"ask for fake@1-{digest[:12]}")
        assert problem["type"] == "/problems/model-not-found"
    uploaded = client.post(
        f"/reconstruct?model=fake@1-{digest[:12]}", content=SQUARE, headers={"content-type": "image/png"}
    )
    assert uploaded.headers["x-model"] == "fake@1"


def test_a_deleted_version_is_gone_with_its_digest_and_its_successor_has_another_number(tmp_path):
    first = record(write_version(tmp_path, number=1, note="first"))
    second = record(write_version(tmp_path, number=2, note="second"))
    lost = record(write_version(tmp_path, "lost"))
    shutil.rmtree(tmp_path / "fake" / "2")
    shutil.rmtree(tmp_path / "lost")
    with contextlib.closing(
        Client(create_app(Settings(model_store=tmp_path, default_model="fake"), open_fake))
    ) as client:
        for reference, digest in (
            ("fake@2", second),
            (f"fake@2-{second[:12]}", second),
            ("lost@1", lost),
            (f"lost@1-{lost[:12]}", lost),
            ("lost", lost),
        ):
            for path in ("samples", "interpolate", "reconstruct"):
                answer = client.get(f"/{path}?model={reference}")
                problem = assert_problem(answer, 410, "model", digest, "fake@1")
                assert problem["type"] == "/problems/model-gone"
                assert problem["errors"][0]["code"] == "model_gone"
                assert client.request("HEAD", f"/{path}?model={reference}").status_code == 410
        assert_problem(client.get(f"/samples?model=fake@2-{first[:12]}"), 404, "model", "fake@1")
        assert 'vitrine_problems_total{kind="model-gone"} 30.0' in client.get("/metrics").text
        assert client.get("/samples?n=1").headers["x-model"] == "fake@1"


@pytest.mark.bad_input(29)
@pytest.mark.parametrize(
    "url", ["/samples?seed=1", "/interpolate", "/reconstruct", "/livez", "/readyz", "/", "/docs"]
)
def test_head_has_the_headers_of_get_and_no_body(client, url):  # 29
    head, get = client.request("HEAD", url), client.get(url)
    assert head.status_code == 200
    assert head.content == b""
    changing = {"x-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in changing} == {
        k: v for k, v in get.headers.items() if k not in changing
    }


@pytest.mark.bad_input(30, 31)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused_with_those_allowed(client, method):  # 30, 31
    response = client.request(method, "/samples")
    assert_problem(response, 405)
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"
    if method != "POST":
        assert client.request(method, "/reconstruct").headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert client.request(method, "/static/style.css").headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.bad_input(31)
@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/", "GET, HEAD, OPTIONS"),
        ("/reconstructions", "GET, HEAD, OPTIONS, POST"),
        ("/samples", "GET, HEAD, OPTIONS"),
        ("/samples.png", "GET, HEAD, OPTIONS"),
        ("/reconstruct", "GET, HEAD, OPTIONS, POST"),
        ("/livez", "GET, HEAD, OPTIONS"),
        ("/docs", "GET, HEAD, OPTIONS"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
        ("/static/style.css", "GET, HEAD, OPTIONS"),
    ],
)
def test_options_is_answered_by_what_an_address_takes(client, path, methods):  # a load balancer's usual check
    response = client.request("OPTIONS", path)
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["allow"] == methods
    assert "content-length" not in response.headers
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_options_of_an_address_that_is_not_there_is_not_found(client):
    assert_problem(client.request("OPTIONS", "/sample"), 404)


def test_an_upload_to_an_address_of_another_format_is_refused_like_a_download(client):
    assert_problem(client.post("/reconstruct.jpg", files={"file": SQUARE}), 406, "format", "png")


@pytest.mark.bad_input(32)
@pytest.mark.parametrize(
    "path", ["//samples", "/samples/", "/SAMPLES", "/samples;x", "/sample", "/static/../app"]
)
def test_an_address_next_to_a_real_one_is_not_found(client, path):  # 32
    assert_problem(client.get(f"http://vitrine{path}"), 404)


def test_a_second_request_to_a_broken_address_is_as_good_as_the_first(client):
    first = client.get("/samples?n=0").json()
    second = client.get("/samples?n=0").json()
    assert first | {"request_id": ""} == second | {"request_id": ""}


def form(*parts, boundary="b", end=True):
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {name}\r\n\r\n".encode() + content + b"\r\n"
        for name, content in parts
    )
    return {
        "content": body + (f"--{boundary}--\r\n".encode() if end else b""),
        "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    }


@pytest.mark.bad_input(45)
@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"Content-Type": "application/octet-stream"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {},
    ],
)
def test_a_body_of_another_kind_is_refused_with_the_way_to_send_it(client, headers):  # 45
    response = client.post("/reconstruct", content=SQUARE, headers=headers)
    assert_problem(response, 415, "Content-Type", "curl -F file=@")
    assert_still_answers(client)


@pytest.mark.bad_input(42)
@pytest.mark.parametrize("encodings", [["gzip"], ["identity", "gzip"], ["identity, br"], ["", "gzip"]])
def test_a_compressed_body_is_refused_however_its_headers_say_it(client, encodings):  # 42
    headers = [("Content-Type", "image/png"), *(("Content-Encoding", each) for each in encodings)]
    assert_problem(client.post("/reconstruct", content=SQUARE, headers=headers), 415, "Content-Encoding")


def test_a_body_that_is_said_to_be_as_it_is_is_read(client):
    headers = [("Content-Type", "image/png"), *[("Content-Encoding", "Identity")] * 2]
    assert client.post("/reconstruct", content=SQUARE, headers=headers).status_code == 200


def test_a_body_of_two_types_is_refused(client):
    headers = [("Content-Type", "image/png"), ("Content-Type", "multipart/form-data; boundary=x")]
    assert_problem(client.post("/reconstruct", content=SQUARE, headers=headers), 415, "Content-Type")


@pytest.mark.bad_input(46, 48, 49)
@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, id="no boundary"),
        pytest.param(form(('name="file"; filename="a"', SQUARE), boundary="b" * 300), id="long boundary"),
        pytest.param(form(('name="file"; filename="a"', SQUARE), end=False), id="no closing boundary"),
        pytest.param(form(*[('name="x"', b"1")] * 1001), id="1001 fields"),
        pytest.param(form(('name="x"', b"y" * 2048)), id="long text field"),
        pytest.param(
            {
                "content": b"--b\r\n" + b"X-H: 1\r\n" * 100 + b"\r\nx\r\n--b--\r\n",
                "headers": {"Content-Type": "multipart/form-data; boundary=b"},
            },
            id="100 part headers",
        ),
        pytest.param(
            {
                "content": b"x" * 1_000_000 + form(('name="file"; filename="a"', SQUARE))["content"],
                "headers": {"Content-Type": "multipart/form-data; boundary=b"},
            },
            id="a megabyte before the first part",
        ),
        pytest.param(
            {
                "content": form(('name="file"; filename="a"', SQUARE))["content"] + b"x" * 1_000_000,
                "headers": {"Content-Type": "multipart/form-data; boundary=b"},
            },
            id="a megabyte after the last part",
        ),
    ],
)
def test_a_malformed_form_is_refused_quickly(client, request_):  # 46, 48, 49
    started = time.perf_counter()
    assert_problem(client.post("/reconstruct", **request_), 400, "body")
    assert time.perf_counter() - started < 5  # a guard against quadratic parsing, not a measurement
    assert_still_answers(client)


@pytest.mark.bad_input(47)
def test_a_form_without_the_field_names_the_fields_it_has(client):  # 47
    response = client.post("/reconstruct", files={"image": ("a.png", SQUARE)})
    assert_problem(response, 422, "file", "image")
    assert_problem(client.post("/reconstruct", **form()), 422, "file", "no fields")


EMPTY = ('name="file"; filename=""', b"")


@pytest.mark.parametrize("parts", [(EMPTY, "good"), ("good", EMPTY), (EMPTY, "good", EMPTY)])
def test_an_input_that_was_left_empty_is_passed_over(client, parts):
    good = ('name="file"; filename="a.png"', SQUARE)
    sent = form(*[good if part == "good" else part for part in parts])
    pixels = pixels_of(client.post("/reconstruct?ink=light&invert=no", **sent).content)
    assert np.array_equal(pixels, np.full((16, 8), 204))


def test_a_form_without_a_chosen_file_says_to_choose_one(client):
    assert_problem(client.post("/reconstruct", **form(EMPTY)), 422, "file", "no_file", "Choose a file")


def test_a_file_without_content_is_not_an_input_that_was_left_empty(client):
    sent = form(('name="file"; filename="a.png"', b""), ('name="file"; filename="b.png"', SQUARE))
    assert_problem(client.post("/reconstruct", **sent), 422, "file[0]", "empty_file")


def test_a_form_with_a_preamble_and_an_extended_name_is_read(client):
    sent = form(("name=\"file\"; filename*=UTF-8''shirt.png", SQUARE))
    sent["content"] = b"This is a multi-part message in MIME format.\r\n" + sent["content"]
    pixels = pixels_of(client.post("/reconstruct?ink=light&invert=no", **sent).content)
    assert np.array_equal(pixels, np.full((16, 8), 204))


def test_a_picture_in_base64_is_to_be_decoded_first(client):
    text = base64.b64encode(SQUARE)
    url = b"data:image/png;base64," + text
    raw = {"headers": {"Content-Type": "image/png"}}
    for sent, parameter in (
        (form(('name="file"; filename="a.png"', text)), "file"),
        (form(('name="file"; filename="a.png"', url)), "file"),
        (form(('name="file"', url)), "file"),
        (form(('name="file"; filename="a"\r\nContent-Transfer-Encoding: base64', text)), "file"),
        ({"content": text} | raw, "body"),
        ({"content": url} | raw, "body"),
    ):
        response = client.post("/reconstruct", **sent)
        assert_problem(response, 415, parameter, "encoded_image", "Decode it first")


def test_a_variety_of_a_format_that_is_not_decoded_is_named_and_explained(client):
    bmp = bytearray(encoded(Image.new("RGB", (8, 8)), "BMP"))
    bmp[30] = 5  # a PNG inside
    response = client.post("/reconstruct", files={"file": ("a.bmp", bytes(bmp))})
    problem = assert_problem(response, 415, "file", "unsupported_picture", "BMP compression (5)")
    assert problem["type"] == "/problems/unsupported-picture"
    assert "unsupported-picture" in client.get(problem["type"]).text


def test_more_files_than_allowed_are_refused_with_the_limit(client):
    files = [("file", (f"{number}.png", SQUARE)) for number in range(33)]
    assert_problem(client.post("/reconstruct", files=files), 422, "file", "VITRINE_MAX_UPLOAD_IMAGES")


@pytest.mark.bad_input(47)
def test_text_in_the_field_is_refused(client):  # 47
    assert_problem(
        client.post("/reconstruct", **form(('name="file"', b"hello"))), 422, "file", "Attach a file"
    )


@pytest.mark.bad_input(50, 53)
@pytest.mark.parametrize(
    "filename", ["../../etc/passwd", "a%00b", "\u202egnp.exe", "x" * 10_000, "shirt.jpg", "a\tb"]
)
def test_a_files_name_does_not_matter(client, filename):  # 50, 53
    response = client.post(
        "/reconstruct?ink=light&invert=no", files={"file": (filename, SQUARE, "text/plain")}
    )
    assert np.array_equal(pixels_of(response.content), np.full((16, 8), 204))
    assert filename not in str(response.headers)


@pytest.mark.bad_input(51, 55)
@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "empty_file"),  # 51
        (b"x", 415, "not_an_image"),
        (b"<svg/>", 415, "not_an_image"),
        (SQUARE[:40], 422, "image_truncated"),  # 55
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_its_place(client, data, status, code):
    files = [("file", ("good.png", SQUARE)), ("file", ("bad.png", data))]
    assert_problem(client.post("/reconstruct", files=files), status, "file[1]", code)
    assert_problem(
        client.post("/reconstruct", content=data, headers={"Content-Type": "image/png"}), status, "body", code
    )
    assert_still_answers(client)


@pytest.mark.bad_input(54)
def test_a_picture_with_a_program_behind_it_comes_back_as_our_own_picture(client):  # 54
    files = {"file": ("a.gif", SQUARE + b"PK\x03\x04<script>")}
    response = client.post("/reconstruct?ink=light&invert=no", files=files)
    assert np.array_equal(pixels_of(response.content), np.full((16, 8), 204))
    assert b"<script" not in response.content
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.bad_input(57)
def test_a_large_bomb_is_refused_by_its_header_and_costs_nothing(client):  # 57
    buffer = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(buffer, "PNG")
    started = time.perf_counter()
    response = client.post("/reconstruct", files={"file": ("a.png", buffer.getvalue())})
    assert_problem(response, 422, "file", "too_many_pixels")
    assert time.perf_counter() - started < 2  # decoding it would take longer


@pytest.mark.bad_input(40, 41)
@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_the_limit_is_refused_whether_announced_or_not(client, announced):  # 40, 41
    limit = client.app.service.settings.max_upload_bytes

    async def stream():
        for _ in range(limit // 65_536 + 1):
            yield b"x" * 65_536

    content = b"x" * (limit + 1) if announced else stream()
    response = client.post("/reconstruct", content=content, headers={"Content-Type": "image/png"})
    assert_problem(response, 413, "body", "VITRINE_MAX_UPLOAD_BYTES")
    assert response.headers["connection"] == "close"
    assert_still_answers(client)


def test_unknown_parameters_are_refused_beside_an_upload_too(client):
    response = client.post("/reconstruct?n=3", files={"file": ("a.png", SQUARE)})
    assert_problem(
        response, 422, "n", "known: model, zoom, ink, format, fps, loop, columns, show, elbo, invert"
    )


def test_colour_models_are_served_in_colour(tmp_path):
    from app.main import create_app
    from app.settings import Settings
    from tests.conftest import Client
    from tests.fakes import open_fake, write_version

    write_version(tmp_path, shape=(8, 8, 3))
    client = Client(create_app(Settings(model_store=tmp_path, default_model="fake"), open_fake))
    orange = np.full((8, 8, 3), (255, 128, 0), np.uint8)
    upper = pixels_of(client.post("/reconstruct?ink=light", files={"file": png_bytes(orange)}).content)[:8]
    assert np.array_equal(upper, orange)
    assert pixels_of(client.get("/samples?n=2").content).shape == (8, 16, 3)
    client.close()


def asked_of(store, ground, shape=(8, 8)):
    """A service of a fake model whose manifest says this ground; None: it says none."""
    from app.main import create_app
    from app.settings import Settings
    from tests.conftest import Client
    from tests.fakes import open_fake, write_version

    image = {"shape": list(shape), "value_range": [0, 1]} | ({"ground": ground} if ground else {})
    write_version(store, shape=shape, image=image)
    return Client(create_app(Settings(model_store=store, default_model="fake"), open_fake))


@pytest.mark.parametrize(
    ("ground", "shape", "ink"),
    [
        (None, (8, 8), "dark"),
        ("dark", (8, 8), "dark"),
        ("light", (8, 8), "light"),
        ("mixed", (8, 8), "light"),
        ("dark", (8, 8, 3), "light"),
        (None, (8, 8, 3), "light"),
    ],
)
def test_the_ink_that_is_not_asked_for_is_the_models_own_and_stands_in_the_address(
    tmp_path, ground, shape, ink
):
    client = asked_of(tmp_path, ground, shape)
    for path in ("/samples?n=3&seed=5", "/interpolate?axis=0", "/reconstruct?columns=2"):
        found = client.get(path)
        assert f"&ink={ink}" in found.headers["content-location"]
        assert client.get(found.headers["content-location"]).content == found.content
        assert client.get(f"{path}&ink={ink}").content == found.content
        other = client.get(f"{path}&ink={'dark' if ink == 'light' else 'light'}")
        assert np.array_equal(pixels_of(other.content), 255 - pixels_of(found.content))
    client.close()


@pytest.mark.parametrize(("ground", "blank"), [(None, 255), ("dark", 255), ("light", 255), ("mixed", 255)])
def test_cells_without_an_image_are_white_whatever_the_ground_is(tmp_path, ground, blank):
    client = asked_of(tmp_path, ground)
    samples = pixels_of(client.get("/samples?n=3&columns=2&seed=5").content)
    assert (samples[8:, 8:] == blank).all()
    files = [("file", ("a.png", png_bytes(np.full((8, 8), 100, np.uint8))))] * 3
    assert (pixels_of(client.post("/reconstruct?columns=2", files=files).content)[16:, 8:] == blank).all()
    client.close()


def test_an_upload_on_the_ground_of_the_model_is_neither_inverted_nor_noted(tmp_path):
    client = asked_of(tmp_path, "light")
    page = np.full((8, 8), 250, np.uint8)
    page[2:6, 2:6] = 30
    for query in ("", "?invert=auto", "?invert=no"):
        found = client.post(f"/reconstruct{query}", files={"file": png_bytes(page)})
        assert np.array_equal(pixels_of(found.content)[:8], page)
        assert "x-notes" not in found.headers
    hint = client.post("/reconstruct", files={"file": png_bytes(255 - page)})
    assert np.array_equal(pixels_of(hint.content)[:8], 255 - page)
    assert hint.headers["x-notes"].startswith("file: the border is dark, the model expects light")
    turned = client.post("/reconstruct?invert=auto", files={"file": png_bytes(255 - page)})
    assert np.array_equal(pixels_of(turned.content)[:8], page)
    assert turned.headers["x-notes"] == "file: inverted"
    client.close()


@pytest.mark.parametrize(
    ("ground", "shape"), [("light", (8, 8, 3)), ("dark", (8, 8, 3)), (None, (8, 8, 3)), ("mixed", (8, 8))]
)
def test_colour_and_mixed_grounds_are_inverted_only_when_that_is_asked_for(tmp_path, ground, shape):
    client = asked_of(tmp_path, ground, shape)
    page = np.full(shape, 250, np.uint8)
    page[2:6, 2:6] = 30
    for picture in (page, 255 - page, page if len(shape) == 2 else page[..., 0]):  # the last one is grey
        expected = picture if picture.ndim == len(shape) else np.stack([picture] * 3, axis=-1)
        for invert in ("no", "auto"):
            found = client.post(f"/reconstruct?invert={invert}", files={"file": png_bytes(picture)})
            assert np.array_equal(pixels_of(found.content)[:8], expected)
            assert "x-notes" not in found.headers
        asked = client.post("/reconstruct?invert=yes", files={"file": png_bytes(picture)})
        assert np.array_equal(pixels_of(asked.content)[:8], 255 - expected)
        assert asked.headers["x-notes"] == "file: inverted"
    client.close()


@pytest.mark.bad_input(70)
def test_a_saturated_service_answers_503_with_a_time(client, monkeypatch):
    engine = client.app.service.engine
    monkeypatch.setattr(engine._admission, "images", 10**6)
    response = client.get("/samples")
    assert_problem(response, 503)
    assert int(response.headers["retry-after"]) >= 1
    monkeypatch.undo()
    assert_still_answers(client)


def test_a_client_that_leaves_gives_its_place_back_and_its_images_are_never_computed(client, monkeypatch):
    model = client.app.service.models.get(client.app.service.models.store.find("fake"))
    engine = client.app.service.engine
    monkeypatch.setattr(engine, "_dispatch_soon", lambda: None)  # everything waits
    computed = model._runtime.rows_seen.copy()
    statuses = []

    async def leave():
        messages = [{"type": "http.request", "body": b""}, {"type": "http.disconnect"}]

        async def receive():
            return messages.pop(0)

        async def send(message):
            statuses.append(message.get("status"))

        scope = {"type": "http", "method": "GET", "path": "/samples", "raw_path": b"/samples", "headers": []}
        await client.app({**scope, "query_string": b"n=400", "http_version": "1.1"}, receive, send)

    client._runner.run(leave())
    assert statuses[0] == 499
    assert engine.waiting == 0
    monkeypatch.undo()
    assert_still_answers(client)
    assert model._runtime.rows_seen == [*computed, 32]


def test_a_model_that_gives_what_is_not_a_number_is_an_error_without_its_insides(client, monkeypatch):
    model = client.app.service.models.get(client.app.service.models.store.find("fake"))
    monkeypatch.setattr(model._runtime, "decode", lambda z: np.full((len(z), 8, 8), np.nan, np.float32))
    body = assert_problem(client.get("/samples"), 500)
    assert body["type"] == "/problems/model-error"


@pytest.mark.fault(20)
@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")], ids=repr)
def test_what_the_system_has_no_memory_for_is_answered_503_and_the_next_picture_200(
    client, monkeypatch, error
):
    def fail(*arguments):
        raise error

    monkeypatch.setattr("app.explore.grids.Context.draw", fail)
    response = client.get("/samples")
    assert assert_problem(response, 503)["type"] == "/problems/out-of-resources"
    assert response.headers["retry-after"] == "2"
    monkeypatch.undo()
    assert_still_answers(client)


def test_shipped_images_are_reconstructed_though_the_store_was_taken_away(client):
    before = client.get("/reconstruct").content
    shutil.rmtree(client.app.service.settings.model_store)
    assert client.get("/reconstruct").content == before


def test_an_unforeseen_error_is_answered_without_its_insides(client, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("secret path /root")

    monkeypatch.setitem(FORMATS, "png", Format("image/png", fail))
    response = client.get("/samples")
    body = assert_problem(response, 500)
    assert "secret" not in response.text
    assert body["request_id"] in body["detail"]


@pytest.mark.parametrize(
    "address", ["/samples?seed=1", "/samples?seed=1&model=fake@1&n=2", "/score?k=8&seed=3"]
)
def test_a_client_that_has_any_picture_of_an_address_gets_none_again(client, address):
    picture = client.get(address)
    for known in ("*", " * ", picture.headers["etag"], f'"x", {picture.headers["etag"]}'):
        answer = client.get(address, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == picture.headers["etag"]
    assert client.get(address, headers={"If-None-Match": '"*"'}).content == picture.content


def test_where_there_is_no_picture_the_refusal_is_the_answer_whatever_the_client_has(client):
    assert client.get("/samples?n=0", headers={"If-None-Match": "*"}).status_code == 422
    assert client.get("/samples?model=none", headers={"If-None-Match": "*"}).status_code == 404
    assert (
        client.get("/samples?n=1", headers={"If-None-Match": "*"}).status_code == 200
    )  # a new one each time
    sent = [("file", ("a.png", SQUARE))]
    assert client.post("/score?k=8", files=sent, headers={"If-None-Match": "*"}).status_code == 200
