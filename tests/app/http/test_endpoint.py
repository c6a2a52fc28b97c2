"""The way of every picture: what is read and prepared once, and what may never be shared."""

import asyncio
import dataclasses
import gc
import json
import re
import weakref

import numpy as np
import pytest
from pydantic import Field

from app.errors import InvalidParameter
from app.explore.samples import Samples, sampler
from app.http import pictures, queries
from app.http.addresses import context_of
from app.http.endpoint import PictureApp, PictureEndpoint, PreparedPicture, _ParsedQuery
from app.main import create_app
from app.pictures.formats import FORMATS
from app.settings import Settings
from tests.conftest import Client
from tests.fakes import open_fake, pixels_of, png_bytes, seal


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


def test_samples_show_what_their_model_says_unless_they_are_asked_for_the_other(tmp_path, settings):
    from tests.fakes import write_version

    write_version(settings.model_store, number=2, samples_render="draw")
    client = Client(create_app(settings, open_fake))

    def addressed(number, more=""):
        answer = client.get(f"/samples?n=2&seed=1&model=fake@{number}{more}")
        return answer.content, answer.headers["content-location"]

    for number, own, other in [(1, "mean", "draw"), (2, "draw", "mean")]:
        assert addressed(number) == addressed(number, f"&render={own}")
        assert f"&render={own}&" in addressed(number)[1]
        assert addressed(number, f"&render={other}")[0] != addressed(number)[0]
    client.close()


@pytest.mark.parametrize(
    "address",
    [
        *("/samples?n=2&seed=1&of=seed:4", "/interpolate?seed=1", "/interpolate?from=seed:1&to=seed:2"),
        *("/decode?points=seed:1", "/axes?steps=3", "/manifold?columns=3", "/reconstruct"),
        "/directions?plus=seed:1&minus=seed:2",
    ],
)
def test_what_is_no_sample_of_the_prior_shows_the_mean_of_every_model(settings, address):
    from tests.fakes import write_version

    write_version(settings.model_store, number=2, samples_render="draw")
    client = Client(create_app(settings, open_fake))
    asked = address if "?" in address else f"{address}?zoom=1"
    one, other = (client.get(f"{asked}&model=fake@{number}") for number in (1, 2))
    assert one.status_code == other.status_code == 200
    assert (pixels_of(one.content) == pixels_of(other.content)).all()
    client.close()


def test_a_kept_query_without_render_shows_what_each_model_says(settings):
    from tests.fakes import write_version

    write_version(settings.model_store, "texture", samples_render="draw")
    client = Client(create_app(settings, open_fake))
    for _ in range(2):  # the second time from what was read and prepared the first time
        for name, render in [("fake", "mean"), ("texture", "draw")]:
            answer = client.get(f"/samples?n=2&seed=1&model={name}")
            recipe = client.get(f"/samples.json?n=2&seed=1&model={name}").json()
            assert f"&render={render}&" in answer.headers["content-location"]
            assert recipe["parameters"]["render"] == render
            again = client.get(answer.headers["content-location"])
            assert (again.content, again.headers["etag"]) == (answer.content, answer.headers["etag"])
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
    context = context_of("/row", model, settings, query.style(model), dict(query))
    work_of = sampler(context, Samples(query.n))
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
    apps = [route.app for route in client.app.router.routes if isinstance(route.app, PictureApp)]
    kept = [kept.cache_info().currsize for app in apps for kept in app._remembered.values()]
    assert len(kept) == 2 * len(pictures.PICTURES)  # each also with a format behind it
    assert kept == [0] * len(kept)


class Held:
    """Stands for a model: something that somebody may keep."""

    retired = False


def test_what_was_prepared_for_a_model_that_was_unloaded_is_not_kept():
    endpoint = dataclasses.replace(
        pictures.PICTURES[0], prepare=lambda query, model, settings: lambda: model.retired
    )
    parsed, model = _ParsedQuery(endpoint, b"n=2", None), Held()
    model.retired = True
    assert parsed.prepared((model,), None)()
    alive = weakref.ref(model)
    del model
    assert alive() is None


def test_a_model_that_was_unloaded_is_kept_by_no_query_that_was_prepared_for_it(client):
    models = client.app.service.models
    alive = weakref.ref(models.opened["fake@1"])
    for path in ("/samples?n=2&seed=1", "/samples.webp?n=2", "/interpolate", "/reconstruct", "/axes"):
        assert client.get(path).status_code == 200
    gc.collect()  # what answering left behind, such as exceptions
    gc.disable()
    try:
        models._opened.unload("fake@1")
        assert client.get("/livez").status_code == 200  # a turn of the event loop
        assert alive() is None
    finally:
        gc.enable()
    assert client.get("/samples?n=2&seed=1").status_code == 200
    assert models.opened["fake@1"]


def test_what_was_prepared_for_one_model_is_not_taken_for_another():
    prepared = []
    endpoint = dataclasses.replace(
        pictures.PICTURES[0], prepare=lambda query, model, settings: prepared.append(model) or (lambda: model)
    )
    parsed = _ParsedQuery(endpoint, b"n=2", None)
    older, newer = Held(), Held()
    assert [parsed.prepared((model,), None)() for model in (older, newer, older)] == [older, newer, older]
    assert prepared == [older, newer]


def test_a_path_and_a_query_that_name_two_formats_are_refused(client):
    assert client.get("/samples.webp?n=1&seed=1").status_code == 200
    assert client.get("/samples.webp?n=1&seed=1&format=webp").status_code == 200
    answer = client.get("/samples.png?n=1&format=webp")
    assert answer.status_code == 422
    assert answer.json()["errors"][0] | {"remedy": ""} == {
        "parameter": "format",
        "expected": "png, as the path says",
        "received": "webp",
        "remedy": "",
        "code": "contradictory",
    }


@pytest.fixture
def keeping(settings):
    """A service that keeps pictures, as it does unless it is told otherwise."""
    most = Settings.model_fields["cache_bytes"].default
    client = Client(create_app(settings.model_copy(update={"cache_bytes": most}), open_fake))
    yield client
    client.close()


def computed(client):
    """How many batches the fake model has computed."""
    return len(client.app.service.models.opened["fake@1"]._runtime.rows_seen)


def asked(client):
    """Requests of permanent addresses by what became of them."""
    found = re.findall(
        r'^vitrine_cache_requests_total{result="(.*)"} (.*)$', client.get("/metrics").text, re.M
    )
    return {result: float(count) for result, count in found}


def told(answer):
    """What an answer says but for what is another in every answer."""
    own = [(name, value) for name, value in answer.headers.raw if name not in (b"date", b"x-request-id")]
    return answer.status_code, own, answer.content


ADDRESSES = (
    "/samples?n=3&seed=5&model=fake@1",
    "/samples?n=3&seed=5",
    "/interpolate?axis=0&low=-1&high=1",
    "/interpolate?seed=3",
    "/interpolate?z=0.5,-1",
    "/reconstruct",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_kept_picture_is_answered_in_the_very_words_of_a_computed_one(client, keeping, address):
    first = keeping.get(address)
    before = computed(keeping)
    again, other_service = keeping.get(address), client.get(address)
    assert told(again) == told(first) == told(other_service)
    assert first.status_code == 200
    assert computed(keeping) == before
    assert asked(keeping) == {"miss": 1.0, "hit": 1.0}


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("/samples?n=3&seed=5", "/samples?seed=5&n=3"),
        ("/samples?n=3&seed=5", "/samples?model=fake&n=3&seed=5"),
        ("/samples?n=3&seed=5", "/samples?model=fake@1&n=3&seed=5"),
        ("/samples?n=3&seed=5", "/samples.png?n=3&seed=5"),
        (
            "/samples?n=3&seed=5",
            "/samples?n=3&seed=005&zoom=1&render=mean&temperature=1.00&columns=7&ink=dark",
        ),
        ("/interpolate", "/interpolate?axis=1&steps=3&low=-1.5&high=2.5"),
        ("/interpolate?z=0.5,-1", "/interpolate?z=%2B.5,-1.0"),
        ("/reconstruct", "/reconstruct?zoom=1&format=png"),
    ],
)
def test_whatever_words_ask_for_a_picture_it_is_kept_once(keeping, address, same):
    first, before = keeping.get(address), computed(keeping)
    again = keeping.get(same)
    assert again.content == first.content
    assert computed(keeping) == before
    assert len(keeping.app.service.cache) == 1
    assert asked(keeping) == {"miss": 1.0, "hit": 1.0}


def test_head_finds_what_get_has_left_and_get_what_head_has(keeping):
    for first, second in (("GET", "HEAD"), ("HEAD", "GET")):
        address = f"/samples?n=2&seed={len(first)}"
        answers = [keeping.request(method, address) for method in (first, second)]
        heads = [told(answer)[:2] for answer in answers]
        assert heads[0] == heads[1]
        assert sorted(len(answer.content) for answer in answers) == [
            0,
            int(answers[0].headers["content-length"]),
        ]
    assert asked(keeping) == {"miss": 2.0, "hit": 2.0}


def test_another_look_is_another_picture(keeping):
    looks = ("", "&ink=light", "&zoom=2", "&columns=2", "&temperature=0.5", "&render=draw", "&offset=1")
    looks += tuple(f"&format={name}" for name in FORMATS if name != "png")
    for look in looks:
        keeping.get(f"/samples?n=4&seed=5{look}")
    assert asked(keeping) == {"miss": len(looks)}
    assert len(keeping.app.service.cache) == len(looks)


def test_what_nobody_can_ask_for_again_is_not_kept(keeping):
    keeping.get("/samples?n=2")
    keeping.post("/reconstruct", files={"file": ("a.png", png_bytes(np.zeros((8, 8), np.uint8)))})
    keeping.get("/samples?n=0&seed=1")
    assert len(keeping.app.service.cache) == 0
    assert asked(keeping) == {}


def test_a_version_of_the_same_name_and_another_digest_has_pictures_of_its_own(keeping):
    store = keeping.app.service.settings.model_store
    first = keeping.get("/interpolate?axis=0")
    folder = store / "fake" / "1"
    manifest = json.loads((folder / "manifest.json").read_text())
    seal(folder, manifest | {"likelihood": manifest["likelihood"] | {"parameters": {"variance": 0.5}}})
    other = Client(create_app(keeping.app.service.settings, open_fake))
    other.app.service.cache = keeping.app.service.cache
    second = other.get("/interpolate?axis=0")
    assert second.headers["x-model"] == first.headers["x-model"] == "fake@1"
    for name in ("content-location", "etag"):
        assert second.headers[name] != first.headers[name]
    assert len(keeping.app.service.cache) == 2
    assert other.get(first.headers["content-location"]).status_code == 404
    other.close()


def test_readiness_is_computed_whatever_is_kept(keeping):
    keeping.get("/samples?n=1&seed=1")
    before = computed(keeping)
    for _ in range(2):
        keeping.get("/samples?n=1&seed=1")
        assert keeping.get("/readyz").status_code == 200
    assert computed(keeping) == before + 2


class Requests:
    """Requests to a service's application, without a server; each client can leave."""

    def __init__(self, app):
        self._app = app
        self.gone = asyncio.Event()  # for those that were told to leave

    def ask(self, query, *, leaves=False):
        return asyncio.create_task(self._ask(query, leaves))

    async def _ask(self, query, leaves):
        messages = []

        async def receive():
            await (self.gone.wait() if leaves else asyncio.Event().wait())
            return {"type": "http.disconnect"}

        async def send(message):
            messages.append(message)

        scope = {"type": "http", "method": "GET", "path": "/samples", "raw_path": b"/samples", "headers": []}
        await self._app({**scope, "query_string": query, "http_version": "1.1"}, receive, send)
        return messages[0]["status"], messages[1]["body"]


@pytest.fixture(params=["keeps", "keeps nothing"])
def held_back(request, keeping, client, monkeypatch):
    """A service that computes nothing until it is told to, and what tells it."""
    service = keeping if request.param == "keeps" else client
    engine = service.app.service.engine
    with monkeypatch.context() as patched:
        patched.setattr(engine, "_dispatch_soon", lambda: None)
        yield service, lambda: (patched.undo(), engine._dispatch_soon())


def test_a_thousand_requests_for_one_new_picture_compute_it_once(held_back):
    client, go_on = held_back
    before = computed(client)

    async def ask():
        requests = Requests(client.app)
        tasks = [requests.ask(b"n=5&seed=1") for _ in range(1000)]
        await asyncio.sleep(0.01)
        assert client.app.service.engine.waiting == 5  # those who join are no work to admit
        go_on()
        return await asyncio.gather(*tasks)

    answers = client._runner.run(ask())
    assert len(set(answers)) == 1
    assert answers[0][0] == 200
    assert pixels_of(answers[0][1]).shape == (8, 40)
    assert computed(client) == before + 1
    assert asked(client) == {"miss": 1.0, "shared": 999.0}


@pytest.mark.parametrize("leaving", [0, 1, 2])
def test_a_client_that_leaves_takes_the_picture_from_nobody_else(held_back, leaving):
    client, go_on = held_back

    async def ask():
        requests = Requests(client.app)
        tasks = [requests.ask(b"n=5&seed=1", leaves=number == leaving) for number in range(3)]
        await asyncio.sleep(0.01)
        requests.gone.set()
        left = await tasks[leaving]
        assert client.app.service.engine.waiting == 5
        go_on()
        return left, await asyncio.gather(*tasks[:leaving], *tasks[leaving + 1 :])

    left, others = client._runner.run(ask())
    assert left == (499, b"")
    assert [status for status, _ in others] == [200, 200]
    assert pixels_of(others[0][1]).shape == (8, 40)


def test_when_all_clients_have_left_nothing_is_computed(held_back):
    client, go_on = held_back
    before = computed(client)

    async def ask():
        requests = Requests(client.app)
        tasks = [requests.ask(b"n=5&seed=1", leaves=True) for _ in range(3)]
        await asyncio.sleep(0.01)
        requests.gone.set()
        answers = await asyncio.gather(*tasks)
        assert client.app.service.engine.waiting == 0
        go_on()
        await asyncio.sleep(0.01)
        return answers

    assert {status for status, _ in client._runner.run(ask())} == {499}
    assert computed(client) == before
    assert 'vitrine_refused_total{reason="cancelled"} 1.0' in client.get("/metrics").text
    assert len(client.app.service.cache) == 0
    assert client.get("/samples?n=5&seed=1").status_code == 200


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (MemoryError(), 503, "out-of-resources"),
        (RuntimeError("unforeseen"), 500, "internal-error"),
        (np.nan, 500, "model-error"),
    ],
    ids=repr,
)
def test_a_failure_is_told_to_all_who_wait_and_the_next_request_is_computed(
    held_back, monkeypatch, error, status, kind
):
    client, go_on = held_back
    runtime = client.app.service.models.opened["fake@1"]._runtime

    def fail(z):
        if isinstance(error, Exception):
            raise error
        return np.full((len(z), 8, 8), error, np.float32)

    async def ask():
        with monkeypatch.context() as patched:
            patched.setattr(runtime, "decode", fail)
            requests = Requests(client.app)
            tasks = [requests.ask(b"n=5&seed=1") for _ in range(20)]
            await asyncio.sleep(0.01)
            go_on()
            return await asyncio.gather(*tasks)

    answers = client._runner.run(ask())
    problems = [json.loads(body) for _, body in answers]
    assert {found for found, _ in answers} == {status}
    assert {problem["type"] for problem in problems} == {f"/problems/{kind}"}
    assert len({problem["request_id"] for problem in problems}) == 20
    assert len(client.app.service.cache) == 0
    assert client.get("/samples?n=5&seed=1").status_code == 200


def test_a_refusal_of_an_engine_that_has_too_much_to_do_is_no_answer_to_keep(keeping, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(keeping.app.service.engine._admission, "images", 10**6)
        assert keeping.get("/samples?n=1&seed=1").status_code == 503
    assert keeping.get("/samples?n=1&seed=1").status_code == 200
    with monkeypatch.context() as patched:
        patched.setattr(keeping.app.service.engine._admission, "images", 10**6)
        assert keeping.get("/samples?n=1&seed=1").status_code == 200  # a kept picture is no work
    assert asked(keeping) == {"miss": 2.0, "hit": 1.0}
