"""The way of every picture: what is read and prepared once, and what may never be shared."""

import dataclasses
import gc
import weakref

import pytest
from pydantic import Field

from app.errors import InvalidParameter
from app.explore.grids import GridStyle
from app.explore.samples import Samples, sampler
from app.http import pictures, queries
from app.http.endpoint import PictureEndpoint, PreparedPicture, _ParsedQuery
from app.main import create_app
from app.pictures.encode import FORMATS
from tests.conftest import Client
from tests.fakes import open_fake, pixels_of


@pytest.fixture
def counted(settings, monkeypatch):
    """A service whose ``/samples`` counts how often a query is read and prepared."""
    calls = {"read": 0, "prepare": 0}
    read = queries.read

    def reading(*arguments):
        calls["read"] += 1
        return read(*arguments)

    def preparing(query, model, limits):
        calls["prepare"] += 1
        return pictures.prepare_samples(query, model, limits)

    monkeypatch.setattr(queries, "read", reading)
    samples, *others = pictures.PICTURES
    endpoint = dataclasses.replace(samples, prepare=preparing)
    monkeypatch.setattr(pictures, "PICTURES", (endpoint, *others))
    client = Client(create_app(settings, open_fake))
    yield client, calls
    client.close()


def test_a_query_is_read_and_prepared_once_however_often_it_is_asked(counted):
    client, calls = counted
    assert len({client.get("/samples?n=2&model=fake@1").content for _ in range(3)}) == 3  # each draws a seed
    assert calls == {"read": 1, "prepare": 1}


@pytest.mark.parametrize(("query", "prepared"), [("n=0", 1), ("n=x", 0), ("nn=1", 0), ("n=1&n=1", 0)])
def test_a_refusal_is_made_once_and_told_every_time(counted, query, prepared):
    client, calls = counted
    answers = [client.get(f"/samples?{query}") for _ in range(3)]
    assert {answer.status_code for answer in answers} == {422}
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    for answer in answers:
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert calls == {"read": 1, "prepare": prepared}
    assert 'vitrine_problems_total{kind="invalid-parameter"} 3.0' in client.get("/metrics").text


def test_a_refusal_does_not_grow_with_every_time_it_is_told(counted):
    client, _ = counted
    depths = []
    for _ in range(3):
        client.get("/samples?n=0")
        read = client.app.router.routes[0].app._remembered["GET"](b"n=0", None)
        (refusal,) = read._prepared.values()
        depth, traceback = 0, refusal.__traceback__
        while traceback is not None:
            depth, traceback = depth + 1, traceback.tb_next
        depths.append(depth)
    assert len(set(depths)) == 1


def test_a_query_too_long_to_be_kept_is_read_every_time(counted):
    client, calls = counted
    for _ in range(2):
        assert client.get("/samples?n=2&label=" + "x" * 600).status_code == 422
    assert calls["read"] == 2


def test_what_was_prepared_for_one_version_is_not_taken_for_another(tmp_path, settings):
    from tests.fakes import write_version

    client = Client(create_app(settings, open_fake))
    write_version(settings.model_store, number=2, walk={"axis": 0, "low": 1.0, "high": 2.0, "steps": 4})
    client.close()
    client = Client(create_app(settings, open_fake))
    widths = [pixels_of(client.get(f"/interpolate?model=fake@{n}").content).shape[1] for n in (1, 2, 1)]
    assert widths == [3 * 8, 4 * 8, 3 * 8]
    client.close()


def test_a_path_may_end_in_the_format_and_means_the_same_picture(client):
    plain, ending = client.get("/samples?n=2&seed=1"), client.get("/samples.png?n=2&seed=1")
    assert ending.content == plain.content
    assert ending.headers["content-location"] == plain.headers["content-location"]


def test_without_a_seed_one_is_drawn_and_named_alike_in_both_headers(client):
    answer = client.get("/samples?n=3")
    assert answer.headers["content-location"].endswith(f"&seed={answer.headers['x-seed']}")
    assert answer.headers["cache-control"] == "no-store"


def test_refusals_and_pictures_are_counted_under_the_path_of_the_endpoint(client):
    client.get("/samples?n=0")
    client.get("/samples?n=2")
    text = client.get("/metrics").text
    for status in ("200", "422"):
        labels = f'http_request_method="GET",http_response_status_code="{status}",http_route="/samples"'
        assert f"http_server_request_duration_seconds_count{{{labels}}} 1.0" in text


class RowQuery(queries.Query):
    n: queries.Whole = Field(3, description="Number of images.")


def prepare_row(query, model, settings):
    if query.n > 9:
        raise InvalidParameter.of("n", "at most 9", query.n, "Use 9 or fewer.", "out_of_range")
    work_of = sampler(model, settings, GridStyle(), Samples(query.n))
    return lambda: PreparedPicture(work_of(0), [(b"x-row", b"yes")])


def test_a_new_row_is_a_new_address_with_its_errors_head_and_documentation(settings, monkeypatch):
    row = PictureEndpoint("/row", RowQuery, prepare_row, "A row", "Images in a row.")
    monkeypatch.setattr(pictures, "PICTURES", (*pictures.PICTURES, row))
    monkeypatch.setattr("app.http.documents.PICTURES", pictures.PICTURES)
    client = Client(create_app(settings, open_fake))
    answer = client.get("/row?n=4")
    assert pixels_of(answer.content).shape == (8, 4 * 8)
    assert answer.headers["x-row"] == "yes"
    assert client.request("HEAD", "/row").content == b""
    assert client.get("/row?m=4").json()["errors"][0]["parameter"] == "m"
    assert client.get("/row?n=10").json()["errors"][0]["expected"] == "at most 9"
    assert client.post("/row").headers["allow"] == "GET, HEAD, OPTIONS"
    documented = client.get("/openapi.json").json()["paths"]["/row"]["get"]
    assert [parameter["name"] for parameter in documented["parameters"]] == [*RowQuery.model_fields]
    client.close()


@pytest.mark.parametrize("query", ["n=0", "nn=1", "n=1&n=1", "n=x"])
def test_a_refusal_that_is_kept_keeps_nothing_of_the_request_alive(client, query):
    class Receive:
        """What the server would give: it holds the connection and the body."""

        async def __call__(self):
            return {"type": "http.disconnect"}

    async def send(message):
        pass

    held = []
    for _ in range(3):
        receive = Receive()
        held.append(weakref.ref(receive))
        scope = {"type": "http", "method": "GET", "path": "/samples", "raw_path": b"/samples", "headers": []}
        client._runner.run(client.app({**scope, "query_string": query.encode()}, receive, send))
        del receive, scope
    gc.collect()
    assert [reference() for reference in held] == [None] * 3


def test_a_path_that_ends_in_no_format_is_not_kept(client):
    for number in range(3):
        assert client.get(f"/samples.{number}{'x' * 1000}").status_code == 406
    kept = [route.app._remembered["GET"].cache_info().currsize for route in client.app.router.routes]
    assert kept == [0] * len(kept)


def test_what_was_prepared_for_one_model_is_not_taken_for_another():
    prepared = []
    endpoint = dataclasses.replace(
        pictures.PICTURES[0], prepare=lambda query, model, settings: prepared.append(model) or (lambda: model)
    )
    parsed = _ParsedQuery(endpoint, b"n=2", None)
    assert [parsed.prepared(model, None)() for model in ("older", "newer", "older")] == [
        "older",
        "newer",
        "older",
    ]
    assert prepared == ["older", "newer"]


def test_a_path_and_a_query_that_name_two_formats_are_refused(client, monkeypatch):
    monkeypatch.setitem(FORMATS, "other", FORMATS["png"])
    assert client.get("/samples.other?n=1&seed=1").status_code == 200
    answer = client.get("/samples.png?n=1&format=other")
    assert answer.status_code == 422
    assert answer.json()["errors"][0] | {"remedy": ""} == {
        "parameter": "format",
        "expected": "png, as the path says",
        "received": "other",
        "remedy": "",
        "code": "contradictory",
    }
