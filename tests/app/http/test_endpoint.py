"""The short way answers what it takes exactly as the routes do, and hands on everything else."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from app.http import endpoint as express

VALUES = {
    "n": ["1", "5", "0", "401", "x", "", "+3", "007"],
    "seed": ["0", "42", str(2**63 - 1), str(2**63), "-1", "1e3"],
    "temperature": ["1", "0", "0.5", "9", "nan", ""],
    "render": ["mean", "draw", "both"],
    "columns": ["1", "3", "0"],
    "zoom": ["1", "2", "99"],
    "ink": ["dark", "light", "red"],
    "format": ["png", "bmp"],
    "model": ["fake", "fake@1", "fake@9", "../x"],
    "label": ["Low", "0"],
    "axis": ["0", "1", "2", "-1"],
    "low": ["-1", "-9", "1,5"],
    "high": ["1", "-2"],
    "steps": ["2", "65"],
    "z": ["0,1", "0", "a,b"],
    "nn": ["1"],
}
pairs = st.lists(st.sampled_from([(name, value) for name in VALUES for value in VALUES[name]]), max_size=4)


def by_the_routes(client, monkeypatch, url, **options):
    with monkeypatch.context() as patch:
        patch.setattr(express, "ASKED_MOST", {})
        return client.get(url, **options)


def comparable(response):
    """Everything but what differs from request to request."""
    headers = {k: v for k, v in response.headers.items() if k != "x-request-id"}
    body = response.content
    if response.headers["content-type"] == "application/problem+json":
        problem = response.json()
        assert problem.pop("request_id") == response.headers["x-request-id"]
        body = problem
        headers.pop("content-length")  # a request id of the client's has another length
    return response.status_code, headers, body


@pytest.mark.parametrize("path", ["/samples", "/interpolate"])
def test_an_answer_is_the_same_whichever_way_it_came(client, monkeypatch, path):
    @trials(max_examples=150, deadline=None)
    @given(pairs)
    def compare(parameters):
        # Without a seed two answers differ: a later one wins, so that it is refused as given twice.
        seeded = parameters if path == "/interpolate" else [("seed", "7"), *parameters]
        url = f"{path}?{urlencode(seeded)}"
        assert comparable(client.get(url)) == comparable(by_the_routes(client, monkeypatch, url))

    compare()


def test_without_a_seed_the_two_ways_draw_one_and_name_it_alike(client, monkeypatch):
    for answer in (client.get("/samples?n=3"), by_the_routes(client, monkeypatch, "/samples?n=3")):
        permanent = answer.headers["content-location"]
        assert permanent.endswith(f"&seed={answer.headers['x-seed']}")
        assert answer.headers["cache-control"] == "no-store"
        assert client.get(permanent).content == answer.content


def test_the_short_way_is_taken(client, monkeypatch):
    monkeypatch.setattr(client.app, "framework", None)
    assert client.get("/samples?n=2&seed=1").status_code == 200


def test_head_takes_it_too_and_has_no_body(client):
    head, get = (client.request(method, "/samples?n=2&seed=1") for method in ("HEAD", "GET"))
    assert head.content == b""
    assert head.headers["content-length"] == str(len(get.content))


def test_what_is_read_and_checked_once_is_not_again_and_long_queries_are_not_kept(client, monkeypatch):
    read, prepared = [], []
    query, prepare = express.ASKED_MOST["/samples"]
    ways = query, lambda *a: prepared.append(a) or prepare(*a)
    monkeypatch.setitem(express.ASKED_MOST, "/samples", ways)
    monkeypatch.setattr(
        query, "model_validate", lambda values, real=query.model_validate: read.append(values) or real(values)
    )
    pictures = {client.get("/samples?n=2&model=fake@1").content for _ in range(3)}
    assert len(pictures) == 3  # the seed is drawn anew
    assert (len(read), len(prepared)) == (1, 1)
    for _ in range(2):
        client.get("/samples?n=2&label=" + "x" * 600)
    assert len(read) == 1


def test_what_was_prepared_for_one_model_is_not_taken_for_another():
    prepared = []
    request = express.Request("query", lambda *a: prepared.append(a) or (lambda: a))
    for model in ("older", "newer", "older"):
        assert request.ask(model, "settings") == ("query", model, "settings")
    assert [model for _, model, _ in prepared] == ["older", "newer"]


def test_a_refusal_by_the_short_way_is_counted_under_its_address(client):
    client.get("/samples?n=0")
    client.get("/samples?n=2")
    text = client.get("/metrics").text
    for status in ("200", "422"):
        labels = f'http_request_method="GET",http_response_status_code="{status}",http_route="/samples"'
        assert f"http_server_request_duration_seconds_count{{{labels}}} 1.0" in text
