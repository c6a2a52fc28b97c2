import asyncio
import html
import json
import re

import pytest

from app import errors
from app.http.problems import EXAMPLES, Asked, kinds, refusal

KINDS = kinds()


@pytest.fixture
def catalogue(client):
    return {each["type"]: each for each in client.get("/problems.json").json()["problems"]}


def test_every_kind_of_problem_is_in_the_catalogue_once(catalogue):
    assert len({kind.kind for kind in KINDS}) == len(KINDS)
    assert set(catalogue) == {f"/problems/{kind.kind}" for kind in KINDS}
    assert "/problems/no-model" not in catalogue  # it ends the start, so nobody is answered


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_kind_has_an_example_of_its_own_kind(catalogue, kind):
    """A new error needs a row in ``EXAMPLES``."""
    about = catalogue[f"/problems/{kind.kind}"]
    body = json.loads(about["example"]["body"])
    assert (body["type"], body["status"], body["title"]) == (about["type"], kind.status, kind.title)
    assert (about["status"], about["title"]) == (kind.status, kind.title)
    assert body["detail"]


ASKED = [(kind, asked) for kind, asked in EXAMPLES.items() if isinstance(asked, Asked)]


@pytest.mark.parametrize(("kind", "asked"), ASKED, ids=lambda value: getattr(value, "kind", ""))
def test_an_example_is_what_a_client_gets_that_asks_so(client, catalogue, kind, asked):
    headers = dict(asked.headers) | ({"content-type": asked.media_type} if asked.media_type else {})
    answer = client.request(asked.method, asked.target, headers=headers, content=asked.body)
    example = catalogue[f"/problems/{kind.kind}"]["example"]
    sent, told = answer.json(), json.loads(example["body"])
    assert {**sent, "request_id": told["request_id"]} == told
    assert answer.status_code == kind.status
    for name, value in example["headers"].items():
        assert answer.headers[name] == value


def test_making_the_catalogue_is_not_counted_as_problems_of_clients(client):
    client.get("/problems")
    assert "vitrine_problems_total{" not in client.get("/metrics").text


def test_a_kind_without_an_example_is_told_without_one(client, monkeypatch):
    monkeypatch.delitem(EXAMPLES, errors.NotReady)
    found = {each["type"]: each for each in client.get("/problems.json").json()["problems"]}
    assert found["/problems/not-ready"]["example"] is None
    assert "<code>/problems/not-ready</code>" in client.get("/problems/not-ready").text


def test_a_request_that_nothing_refuses_is_no_example(client):
    with pytest.raises(RuntimeError, match="not refused"):
        asyncio.run(refusal(client.app.service, Asked("GET", "/nothing")))


def test_each_type_is_an_address_that_explains_it_and_no_other(client):
    kind = client.get("/samples?n=0").json()["type"]
    page = client.get(kind).text
    assert f"<code>{kind}</code>" in page
    assert "/problems/overloaded</code>" not in page


def test_the_page_shows_each_answer_as_it_is_sent(client, catalogue):
    shown = [
        html.unescape(text)
        for text in re.findall(r"<pre[^>]*><code>(.*?)</code>", client.get("/problems").text, re.S)
    ]
    assert len(shown) == 2 * len(catalogue)  # each a request and its answer
    for answer, about in zip(shown[1::2], catalogue.values(), strict=True):
        head, _, body = answer.partition("\n\n")
        assert json.loads(body) == json.loads(about["example"]["body"])
        assert head.splitlines()[0] == f"HTTP {about['status']}"
    assert any("Retry-After: " in answer for answer in shown)


@pytest.mark.parametrize("path", ["/problems/nothing", "/problems/", "/problems/no-model", "/problems/x/y"])
def test_what_is_no_kind_of_problem_is_not_found(client, path):
    assert client.get(path).status_code == 404
