"""Who is let in, and what of it nobody gets to see."""

import logging

import httpx
import numpy as np
import pytest

from app.access import files
from app.http.guard import is_open
from app.main import create_app
from app.settings import Settings
from tests.access import requests_logged, signed
from tests.fakes import open_fake, pixels_of, png_bytes, write_version
from tests.serving import serving_in_a_thread

COMPUTING = [
    "/samples?n=1",
    "/interpolate",
    "/reconstruct",
    "/manifold/fake;x=0;y=1/info.json",
    "/",
    "/version",
]


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize("url", [*COMPUTING, "/metrics", "/nowhere"])
def test_without_a_key_the_answer_is_401_with_a_challenge_and_a_remedy(make_key, guarded, url):
    make_key()
    answer = guarded().get(url)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="Vitrine"')
    problem = answer.json()
    assert problem["type"] == "/problems/key-required"
    assert problem["errors"][0]["code"] == "key_missing"
    assert "Authorization: Bearer KEY" in problem["errors"][0]["remedy"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "send", [bearer, lambda key: {"X-API-Key": key}, lambda key: {"authorization": f"bEARER  {key} "}]
)
def test_a_key_is_taken_in_either_header(make_key, guarded, send):
    key, client = make_key(), None
    client = guarded()
    picture = client.get("/samples?n=3&seed=1", headers=send(key))
    assert picture.status_code == 200
    assert pixels_of(picture.content).shape == (8, 24)


@pytest.mark.parametrize(
    "headers",
    [
        bearer("vitrine_wrong"),
        bearer(""),
        {"X-API-Key": ""},
        {"X-API-Key": "x" * 10_000},
        {"Authorization": "Bearer vitrine_wrong, Bearer other"},
        {"X-API-Key": "\xff\xfe"},
    ],
)
def test_a_key_that_is_not_known_is_refused_and_not_repeated(make_key, guarded, headers):
    make_key()
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = guarded().get("/samples", headers=raw)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="Vitrine", error="invalid_token"'
    assert answer.json()["errors"][0]["code"] == "key_unknown"
    assert "wrong" not in answer.text


def test_another_scheme_of_authorization_is_no_key_and_does_not_hide_one(make_key, guarded):
    key = make_key()
    client, basic = guarded(), {"Authorization": "Basic dTpw"}
    assert client.get("/samples?n=1", headers=basic).json()["errors"][0]["code"] == "key_missing"
    assert client.get("/samples?n=1", headers=basic | {"X-API-Key": key}).status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        "/livez",
        "/readyz",
        "/v2/health/ready",
        "/robots.txt",
        "/problems/key-required",
        "/problems.json",
        "/manual",
        "/static/style.css",
        "/docs",
        "/openapi.json",
    ],
)
def test_health_and_explanations_need_no_key(make_key, guarded, url):
    make_key()
    assert guarded().get(url).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/livez/",
        "/manuals",
        "/staticfile",
        "/problemsx",
        "/problems.json/",
        "/Livez",
        "//livez",
        "/samples/../livez",
    ],
)
def test_what_only_looks_like_an_open_path_is_closed(path):
    assert not is_open(path)


def test_a_path_that_leads_out_of_an_open_folder_gives_no_picture(make_key, guarded):
    make_key()
    answer = guarded().get("/static/..%2fsamples")
    assert answer.status_code == 404


def test_a_preflight_needs_no_key_as_browsers_send_none(make_key, guarded):
    make_key()
    answer = guarded().request("OPTIONS", "/samples")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


def test_metrics_are_open_if_the_operator_says_so(make_key, guarded):
    make_key()
    assert guarded(open_metrics=True).get("/metrics").status_code == 200


def test_head_and_post_are_guarded_as_get_is(make_key, guarded):
    make_key()
    client = guarded()
    assert client.request("HEAD", "/samples").status_code == 401
    assert client.post("/reconstruct", content=b"x").status_code == 401


def test_the_inference_protocol_gets_the_refusal_in_its_own_form(make_key, guarded):
    make_key()
    answer = guarded().post("/v2/models/fake.decoder/infer", content=b"{}")
    assert (answer.status_code, list(answer.json())) == (401, ["error"])


def test_a_budget_is_counted_in_images_and_told_in_headers(make_key, guarded):
    key = make_key(images_per_minute=20)
    client = guarded(cache_bytes=0)
    first = client.get("/samples?n=12&seed=1", headers=bearer(key))
    assert first.status_code == 200
    assert first.headers["ratelimit-limit"] == "20"
    assert first.headers["ratelimit-remaining"] == "8"
    assert 30 <= int(first.headers["ratelimit-reset"]) <= 36
    second = client.get("/samples?n=12&seed=2", headers=bearer(key))
    assert second.status_code == 429
    assert 1 <= int(second.headers["retry-after"]) <= 12
    assert second.headers["ratelimit-remaining"] == "8"
    assert second.json()["type"] == "/problems/budget-spent"
    third = client.get("/samples?n=8&seed=3", headers=bearer(key))
    assert third.status_code == 200
    assert third.headers["ratelimit-remaining"] == "0"


def test_a_budget_that_no_minute_has_is_refused_by_what_is_computed_draws_included(make_key, guarded):
    key, picture = make_key(images_per_minute=20), png_bytes(np.full((8, 8), 102, np.uint8))
    answer = guarded().post("/score?k=64", files={"file": ("a.png", picture)}, headers=bearer(key))
    assert answer.status_code == 429
    assert "retry-after" not in answer.headers
    (fault,) = answer.json()["errors"]
    assert fault["parameter"] == "Authorization"
    assert fault["expected"] == "at most 20 images and draws computed"
    assert fault["received"] == "a request that computes 64"
    assert "fewer draws (k, elbo)" in fault["remedy"]


def test_what_is_kept_or_known_already_costs_no_budget(make_key, guarded):
    key = make_key(images_per_minute=5)
    client = guarded()
    first = client.get("/samples?n=5&seed=1", headers=bearer(key))
    again = client.get("/samples?n=5&seed=1", headers=bearer(key))
    assert again.content == first.content
    known = client.get("/samples?n=5&seed=1", headers=bearer(key) | {"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code, known.status_code) == (200, 200, 304)


def test_a_budget_is_the_keys_own(make_key, guarded):
    mine, yours = make_key("mine", 5), make_key("yours", 5)
    client = guarded()
    assert client.get("/samples?n=5", headers=bearer(mine)).status_code == 200
    assert client.get("/samples?n=1", headers=bearer(mine)).status_code == 429
    assert client.get("/samples?n=5", headers=bearer(yours)).status_code == 200


def test_tensors_and_uploads_take_from_the_budget_too(make_key, guarded):
    key = make_key(images_per_minute=2)
    client = guarded()
    body = {"inputs": [{"name": "z", "shape": [2, 2], "datatype": "FP32", "data": [0, 0, 0, 0]}]}
    first = client.post("/v2/models/fake.decoder/infer", json=body, headers=bearer(key))
    second = client.post("/v2/models/fake.decoder/infer", json=body, headers=bearer(key))
    assert (first.status_code, second.status_code) == (200, 429)
    assert list(second.json()) == ["error"]


def test_a_refused_computation_gives_its_images_back(make_key, guarded):
    key = make_key(images_per_minute=100)
    client = guarded(max_waiting_images=1)
    answers = [client.app.service.engine]
    answers[0].close()  # which refuses whatever is submitted
    assert client.get("/samples?n=50", headers=bearer(key)).status_code == 503
    caller = client.get("/version", headers=bearer(key))
    assert caller.headers["ratelimit-remaining"] == "100"


def test_a_key_of_some_models_gets_these_and_is_told_which(make_key, guarded, fake_store):
    write_version(fake_store, "other")
    key = make_key(models=["other"])
    client = guarded()
    assert client.get("/samples?model=other@1&n=1", headers=bearer(key)).status_code == 200
    for url in (
        "/samples?model=fake",
        "/samples",
        "/samples?model=nowhere",
        "/compare?model=other&with=fake",
        "/manifold/fake;x=0;y=1/info.json",
    ):
        answer = client.get(url, headers=bearer(key))
        assert answer.status_code == 403, url
        assert answer.json()["type"] == "/problems/model-not-allowed"
        assert "expected one of other." in answer.json()["detail"]


def test_an_answer_to_a_key_stays_out_of_caches_that_serve_others(make_key, guarded):
    key = make_key()
    client = guarded()
    pinned = client.get("/samples?n=1&seed=1&model=fake@1", headers=bearer(key))
    assert pinned.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert (
        client.get("/samples?n=1&seed=1", headers=bearer(key)).headers["cache-control"] == "private, no-cache"
    )
    assert "authorization, x-api-key" in pinned.headers["vary"]
    for url in ("/", "/version", "/models.json"):
        assert "private" in client.get(url, headers=bearer(key)).headers["cache-control"]


def test_the_file_of_keys_is_read_again_so_that_keys_come_and_go(make_key, guarded, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LOOK_SECONDS", 0.0)
    first = make_key("first")
    client = guarded()
    second = make_key("second")
    assert client.get("/samples?n=1", headers=bearer(second)).status_code == 200
    lines = (tmp_path / "keys").read_text().splitlines()
    (tmp_path / "keys").write_text(f"{lines[1]}\n")
    assert client.get("/samples?n=1", headers=bearer(first)).status_code == 401
    assert client.get("/samples?n=1", headers=bearer(second)).status_code == 200


def test_no_key_reaches_logs_problems_or_metrics(make_key, guarded, caplog):
    key = make_key(images_per_minute=1)
    client = guarded(open_metrics=True)
    seen = []
    with caplog.at_level(logging.DEBUG):
        for headers in (bearer(key), {"X-API-Key": key}, bearer(key + "x")):
            for url in ("/samples?n=1", "/samples?n=50", "/samples?n=0", "/nowhere", "/metrics", "/readyz"):
                answer = client.get(url, headers=headers)
                seen += [answer.text if b"PNG" not in answer.content else "", str(answer.headers)]
    seen += [record.getMessage() for record in caplog.records]
    assert any("budget-spent" in text for text in seen)
    secret = key.removeprefix("vitrine_")
    assert not [text for text in seen if secret in text]


def test_a_service_without_keys_has_no_guard(client):
    from app.http.guard import Guard

    layers, layer = [], client.app.middleware_stack
    while layer is not None:
        layers.append(layer)
        layer = getattr(layer, "_app", None)
    assert not [layer for layer in layers if isinstance(layer, Guard)]
    assert type(client.app.service).__name__ == "Service"


def test_a_signed_address_needs_no_key_and_shows_the_picture_that_a_key_shows(make_key, guarded, url_key):
    key = make_key()
    client = guarded(url_key=url_key)
    by_key = client.get("/samples?n=3&seed=1&model=fake@1", headers=bearer(key))
    by_address = client.get(signed("/samples?n=3&seed=1&model=fake@1"))
    assert by_address.status_code == 200
    assert by_address.content == by_key.content
    for header in ("etag", "content-location"):  # neither has the signature
        assert by_address.headers[header] == by_key.headers[header]
    assert "signature" not in by_address.headers["content-location"]
    assert client.get(by_address.headers["content-location"]).status_code == 401
    assert (
        'vitrine_cache_requests_total{result="hit"} 1.0' in client.get("/metrics", headers=bearer(key)).text
    )


@pytest.mark.parametrize("alter", ["n=30", "n=3&zoom=2", "n=3&seed=2"])
def test_another_address_with_the_same_signature_is_refused(guarded, url_key, alter):
    client = guarded(url_key=url_key)
    answer = client.get(signed("/samples?n=3").replace("n=3", alter))
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/signature-invalid")
    assert answer.headers["cache-control"] == "no-store"


def test_an_expired_address_is_refused_as_such(guarded, url_key):
    answer = guarded(url_key=url_key).get(signed("/samples?n=3", seconds=-1))
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/signature-expired")


def test_where_only_signed_addresses_are_answered_others_are_told_so(guarded, url_key):
    client = guarded(url_key=url_key)
    answer = client.get("/samples?n=3")
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/signature-required")
    assert client.get("/livez").status_code == 200


def test_a_wrong_signature_is_refused_even_beside_a_key(make_key, guarded, url_key):
    key = make_key()
    answer = guarded(url_key=url_key).get(signed("/samples?n=3") + "x", headers=bearer(key))
    assert answer.json()["type"] == "/problems/signature-invalid"


def test_a_signed_address_is_good_for_get_and_head_alone(make_key, guarded, url_key):
    make_key()
    client = guarded(url_key=url_key)
    assert client.request("HEAD", signed("/samples?n=3")).status_code == 200
    assert client.post(signed("/reconstruct"), content=b"x").status_code == 401


def test_nobody_may_keep_an_answer_for_longer_than_its_address_is_good(guarded, url_key):
    client = guarded(url_key=url_key)
    pinned = client.get(signed("/samples?n=3&seed=1&model=fake@1", seconds=600)).headers["cache-control"]
    kind, _, seconds = pinned.partition("=")
    assert kind == "public, max-age"
    assert 540 < int(seconds) <= 600
    assert client.get(signed("/samples?n=3&seed=1")).headers["cache-control"] == "no-cache"


def test_planes_and_pages_can_be_signed_too(guarded, url_key):
    client = guarded(url_key=url_key)
    for url in ("/manifold/fake@1;x=0;y=1/full/max/0/default.png", "/models/fake"):
        assert client.get(signed(url)).status_code == 200, url


def test_behind_a_proxy_the_signature_is_that_of_the_path_within(guarded, url_key):
    client = guarded(url_key=url_key, root_path="/vitrine")
    address = signed("/samples?n=3")
    assert client.get(address).status_code == 200  # the proxy strips the prefix
    assert client.get(f"/vitrine{address}").status_code == 200  # or keeps it


def test_without_the_setting_a_signature_is_an_unknown_parameter(client):
    answer = client.get(signed("/samples?n=3"))
    assert answer.status_code == 422
    assert {fault["parameter"] for fault in answer.json()["errors"]} == {"expires", "signature"}


def test_a_signature_is_in_no_access_log(fake_store, url_key):
    settings = Settings(model_store=fake_store, default_model="fake", url_key=url_key, access_log=True)
    with requests_logged() as records, serving_in_a_thread(create_app(settings, open_fake)) as port:
        answer = httpx.get(f"http://127.0.0.1:{port}{signed('/samples?n=3')}")
    assert answer.status_code == 200
    (line,) = [record.getMessage() for record in records]
    assert line.endswith('"GET /samples?n=3 HTTP/1.1" 200')
