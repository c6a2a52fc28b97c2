"""Pages of other origins: those that are named read answers, and others nothing."""

import numpy as np
import pytest

from app.http.cors import exposed
from app.http.pictures import PICTURES
from app.settings import Settings, SettingsError, load_settings
from tests.fakes import png_bytes

PAGE, OTHER = "https://pages.example", "https://evil.example"
PREFLIGHT = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}


@pytest.fixture
def shared(guarded):
    return guarded(cors_origins=f"https://a.example:8443, {PAGE}")


def of_cors(answer):
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


@pytest.mark.bad_input(73)
@pytest.mark.parametrize("url", ["/samples?n=1", "/samples?n=0", "/nowhere", "/", "/livez"])
def test_by_default_no_origin_is_invited_and_nothing_varies_by_it(client, url):
    answer = client.get(url, headers={"Origin": OTHER})
    assert of_cors(answer) == {}
    assert "origin" not in answer.headers.get("vary", "")
    assert of_cors(client.request("OPTIONS", url, headers={"Origin": OTHER} | PREFLIGHT)) == {}


@pytest.mark.bad_input(73)
@pytest.mark.parametrize(
    "origin",
    [
        OTHER,
        "null",
        "*",
        f"{PAGE}.evil.example",
        "https://pages.exampl",
        "http://pages.example",
        f"{PAGE}:443",
        f"{PAGE}/",
        PAGE.upper(),
        f"{PAGE},{OTHER}",
    ],
)
def test_an_origin_that_is_not_named_exactly_gets_no_header_and_the_answer_says_that_it_varies(
    shared, origin
):
    answer = shared.get("/samples?n=1", headers={"Origin": origin})
    assert of_cors(answer) == {}
    assert answer.headers["vary"] == "origin"
    assert of_cors(shared.request("OPTIONS", "/samples", headers={"Origin": origin} | PREFLIGHT)) == {}


@pytest.mark.parametrize("url", ["/samples?n=1", "/samples?n=0", "/nowhere", "/"])
def test_a_named_origin_may_read_answers_and_refusals_without_credentials(shared, url):
    answer = shared.get(url, headers={"Origin": PAGE})
    assert set(of_cors(answer)) == {"access-control-allow-origin", "access-control-expose-headers"}
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "origin" in answer.headers["vary"]


def test_a_request_without_an_origin_says_that_answers_vary(shared):
    answer = shared.get("/samples?n=1")
    assert of_cors(answer) == {}
    assert answer.headers["vary"] == "origin"


def test_a_preflight_is_told_methods_headers_and_how_long_that_holds(shared):
    answer = shared.request("OPTIONS", "/reconstruct", headers={"Origin": PAGE} | PREFLIGHT)
    assert answer.status_code == 204
    assert of_cors(answer) == {
        "access-control-allow-origin": PAGE,
        "access-control-allow-methods": "GET, HEAD, POST, OPTIONS",
        "access-control-allow-headers": (
            "authorization, content-type, if-none-match, inference-header-content-length, x-api-key, x-request-id"
        ),
        "access-control-max-age": "600",
    }
    assert answer.headers["vary"] == "origin"


def test_a_preflight_needs_no_key_and_its_request_does(make_key, guarded):
    key = make_key()
    client = guarded(cors_origins=PAGE)
    asked = client.request("OPTIONS", "/samples", headers={"Origin": PAGE} | PREFLIGHT)
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, PAGE)
    refused = client.get("/samples?n=1", headers={"Origin": PAGE})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, PAGE)
    headers = {"Origin": PAGE, "Authorization": f"Bearer {key}"}
    assert client.get("/samples?n=1", headers=headers).status_code == 200


def test_every_header_that_says_something_of_a_picture_is_exposed(shared):
    named = set(exposed().decode().split(", "))
    for endpoint in PICTURES:
        assert {f"x-{name}" for name in endpoint.facts} <= named
    answer = shared.get("/samples?n=2&seed=1", headers={"Origin": PAGE})
    assert {name for name in answer.headers if name.startswith("x-")} - {"x-content-type-options"} <= named
    assert {"content-location", "etag", "retry-after", "ratelimit-remaining"} <= named
    files = {"file": ("x.png", png_bytes(np.zeros((8, 8), np.uint8)))}
    score = shared.post("/score?k=2", files=files, headers={"Origin": PAGE})
    assert {name for name in score.headers if name.startswith("x-")} - {"x-content-type-options"} <= named


def test_planes_are_for_every_page_and_a_named_origin_is_told_so_once(shared):
    url = "/manifold/fake@1;x=0;y=1/full/max/0/default.png"
    assert shared.get(url, headers={"Origin": OTHER}).headers["access-control-allow-origin"] == "*"
    answer = shared.get(url, headers={"Origin": PAGE})
    assert answer.headers.get_list("access-control-allow-origin") == [PAGE]
    assert shared.request("OPTIONS", url, headers={"Origin": PAGE} | PREFLIGHT).headers.get_list(
        "access-control-allow-origin"
    ) == [PAGE]


@pytest.mark.parametrize(
    "value", ["*", "null", "pages.example", "https://", f"{PAGE}/", f"{PAGE} {OTHER}x/y", "HTTPS://A"]
)
def test_what_is_no_exact_origin_is_refused_when_the_service_starts(monkeypatch, value):
    monkeypatch.setenv("VITRINE_CORS_ORIGINS", value)
    with pytest.raises(SettingsError, match=r"VITRINE_CORS_ORIGINS=.*: expected origins with commas between"):
        load_settings()


def test_origins_are_separated_by_commas():
    assert Settings(cors_origins="https://a.example , http://[::1]:8000").origins == (
        "https://a.example",
        "http://[::1]:8000",
    )
    assert Settings().origins == ()
