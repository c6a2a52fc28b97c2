import asyncio
import json
import time

import pytest

from app.errors import Overloaded
from app.http import refusals
from app.http.connections import connections_of
from app.http.protocol import VitrineProtocol
from app.http.refusals import KeptRefusals, ReturningClients, hold_back
from app.main import create_app
from app.metrics import Metrics
from app.protocol_errors import TooManyRequests
from app.settings import Settings
from tests.access import SECRET
from tests.app.http.test_protocol import answers, request, talk
from tests.fakes import open_fake, write_version
from tests.serving import serving_in_a_thread

TARGET = b"/samples?n=21&seed=%d&model=fashion"


def scope_of(target=b"/samples?n=21", method="GET", headers=(), returning=None):
    path, _, query = target.partition(b"?")
    scope = {"method": method, "raw_path": path, "query_string": query, "headers": list(headers)}
    state = {"request_id": "0123456789abcdef"}
    if returning is not None:
        state["connections"] = type("Connections", (), {"returning": returning})
    return scope | {"client": ("10.0.0.1", 1), "state": state}


def refusal(holds=lambda before: True):
    return Overloaded(5, 2, holds=holds)


def keeping(*targets, holds=lambda before: True, **options):
    """What a process remembers that has just refused requests, and the time of that."""
    kept = KeptRefusals()

    async def keep():
        for target in targets:
            body = b'{"request_id": "0123456789abcdef"}'
            headers = [(b"retry-after", b"2"), (b"content-length", b"%d" % len(body))]
            told = lambda scope, seconds: None  # noqa: E731
            kept.keep(scope_of(target, **options), headers, body, refusal(holds), told)
        return asyncio.get_running_loop().time()

    return kept, asyncio.run(keep())


def test_a_client_that_asks_again_before_its_time_waits_for_the_next_refusal(monkeypatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    returning = ReturningClients()
    one, other = ("10.0.0.1", 1), ("10.0.0.1", 2)
    assert returning.delay(one, 2) == returning.delay(other, 2) == 0.0  # each is refused for the first time
    now = 101.5
    assert returning.delay(one, 2) == 0.5
    assert returning.delay(one, 60) == refusals.LONGEST_SECONDS
    now = 200.0
    assert returning.delay(one, 2) == 0.0
    assert returning.delay(None, 2) == returning.delay(None, 2) == 0.0  # nobody can tell who that is


@pytest.mark.fault(23)
def test_a_refusal_by_the_queue_is_held_back_from_a_connection_that_comes_early():
    async def scenario():
        returning = ReturningClients()
        started = time.monotonic()
        for _ in range(2):
            await hold_back(scope_of(returning=returning), Overloaded(1, 1))
        assert time.monotonic() - started >= 0.9
        await hold_back(scope_of(), Overloaded(1, 60))  # of no server of ours

    asyncio.run(scenario())


def test_no_more_is_remembered_than_the_bounds():
    kept, _ = keeping(*(b"/samples?n=%d" % number for number in range(refusals.MAX_KEPT + 10)))
    assert len(kept._kept) <= refusals.MAX_KEPT
    returning = ReturningClients()
    for port in range(refusals.MAX_CLIENTS + 10):
        returning.delay(("10.0.0.1", port), 60)
    assert len(returning._due) == refusals.MAX_CLIENTS
    for seed in range(refusals.MAX_SERVED + 10):
        kept.served(scope_of(TARGET % seed))
    assert len(kept._served) == refusals.MAX_SERVED


@pytest.mark.fault(23)
def test_who_asks_for_what_was_just_refused_is_refused_without_being_asked_into_the_queue():
    kept, now = keeping(TARGET % 1)
    assert kept.find(scope_of(TARGET % 1), now) is not None
    assert kept.find(scope_of(TARGET % 123456), now) is not None
    assert kept.find(scope_of(b"/samples?n=1&seed=1&model=fashion"), now) is None
    for seed in (b"x", b"", b"*", b"9" * 20):  # which the query refuses: waiting would not help
        assert kept.find(scope_of(TARGET.replace(b"%d", seed)), now) is None
    assert kept.find(scope_of(TARGET % 1, method="HEAD"), now) is None


@pytest.mark.fault(23)
def test_as_many_are_let_in_as_have_place_though_the_queue_has_not_seen_them_yet():
    kept, now = keeping(TARGET % 1, holds=lambda before: before >= 2)

    async def found(several):
        turn = [kept.find(scope_of(TARGET % seed), now) is None for seed in range(several)]
        for _ in range(3):  # their tasks have run
            await asyncio.sleep(0)
        return turn

    assert asyncio.run(found(5)) == [True, True, False, False, False]
    assert asyncio.run(found(1)) == [True]


@pytest.mark.fault(23)
def test_now_and_then_one_asks_anew_while_the_others_go_on_being_refused():
    kept, now = keeping(TARGET % 1)

    async def found(at):
        return [kept.find(scope_of(TARGET % seed), at) is None for seed in range(3)]

    assert asyncio.run(found(now + 0.9 * refusals.KEPT_SECONDS)) == [False, False, False]
    assert asyncio.run(found(now + refusals.KEPT_SECONDS)) == [True, False, False]
    assert asyncio.run(found(now + 2 * refusals.KEPT_SECONDS)) == [
        True,
        True,
        True,
    ]  # nobody was refused since


@pytest.mark.parametrize(
    "name", [b"if-none-match", b"origin", b"x-request-id", b"content-length", b"transfer-encoding"]
)
def test_what_such_a_header_asks_for_is_answered_on_its_own(name):
    kept, now = keeping(TARGET % 1)
    assert kept.find(scope_of(TARGET % 1, headers=[(b"accept", b"*/*"), (name, b"1")]), now) is None


def test_a_permanent_picture_that_was_served_before_may_be_kept_and_is_asked_for():
    kept, now = keeping(TARGET % 1)
    kept.served(scope_of(TARGET % 7))
    assert kept.find(scope_of(TARGET % 7), now) is None
    assert kept.find(scope_of(TARGET % 8), now) is not None


def test_an_answer_without_a_place_for_the_id_is_not_kept():
    kept = KeptRefusals()

    async def keep(body, method="GET"):
        kept.keep(scope_of(method=method), [], body, refusal(), lambda *_: None)

    asyncio.run(keep(b"overloaded"))
    asyncio.run(keep(b"0123456789abcdef 0123456789abcdef"))
    asyncio.run(keep(b"0123456789abcdef", method="POST"))
    assert kept._kept == {}


def test_a_kept_answer_has_the_id_of_each_request():
    kept, now = keeping(TARGET % 1)
    answer = kept.find(scope_of(TARGET % 2), now)
    assert answer.written(b"fedcba9876543210", [(b"server", b"vitrine"), (b"connection", b"close")]) == (
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\ncontent-length: 34\r\nserver: vitrine\r\n"
        b'connection: close\r\nx-request-id: fedcba9876543210\r\n\r\n{"request_id": "fedcba9876543210"}'
    )


@pytest.fixture
def full(tmp_path, monkeypatch):
    """A service on a socket whose queue takes nothing, and how often that was asked."""
    write_version(tmp_path / "store")
    settings = Settings(model_store=tmp_path / "store", default_model="fake", cache_bytes=0)
    monkeypatch.setattr(refusals, "KEPT_SECONDS", 30.0)
    app = create_app(settings, open_fake)
    with serving_in_a_thread(app) as app.port:
        app.asked, app.refused = [], []

        def submit(work):
            app.asked.append(work)
            if len(app.asked) == 1:
                raise TooManyRequests(1)
            raise Overloaded(5, 1, app.refused.append, lambda before: True)

        monkeypatch.setattr(app.service.engine, "submit", submit)
        yield app


def without_what_differs(answer):
    status, headers, body = answer
    told = json.loads(body)
    assert told.pop("request_id") == headers.pop("x-request-id")
    headers.pop("date")
    return status, headers, told


@pytest.mark.fault(23)
def test_refusals_that_the_protocol_gives_are_those_of_the_queue_and_are_counted(full):
    asked = request("GET", "/samples?n=3")
    talk(full, asked)  # another refusal, which is each client's own
    found = [answers(talk(full, asked))[0] for _ in range(3)]
    assert len(full.asked) == 2
    ids = {headers["x-request-id"] for _, headers, _ in found}
    first, *others = map(without_what_differs, found)
    assert first[0] == 503
    assert first[1]["retry-after"] == "1"
    assert len(ids) == 3
    assert others == [first, first]
    last = answers(talk(full, request("GET", "/samples?n=3", Connection="close")))[0]
    assert last[1].pop("connection") == "close"
    assert without_what_differs(last) == first
    assert full.refused == ["127.0.0.1"] * 3  # the queue has counted the first itself
    counted = answers(talk(full, request("GET", "/metrics")))[0][2].decode()
    assert 'vitrine_problems_total{kind="overloaded"} 4.0' in counted
    of_samples = 'http_request_method="GET",http_response_status_code="503",http_route="/samples"} 4.0'
    assert f"http_server_request_duration_seconds_count{{{of_samples}" in counted


def test_who_asks_again_by_the_same_connection_waits_and_what_was_sent_behind_is_answered_in_turn(full):
    asked = request("GET", "/samples?n=3")
    talk(full, asked)
    talk(full, asked)
    started = time.monotonic()
    received = talk(full, asked + asked + request("GET", "/livez", Connection="close"))
    assert [status for status, _, _ in answers(received)] == [503, 503, 200]
    assert 0.8 < time.monotonic() - started < 5
    assert len(full.asked) == 2


def test_what_was_sent_behind_a_refusal_may_take_longer_than_a_silent_connection_is_kept(full, monkeypatch):
    asked = request("GET", "/samples?n=3")
    talk(full, asked)
    talk(full, asked)
    made = VitrineProtocol.connection_made

    def made_for_a_moment(self, transport):
        made(self, transport)
        self.timeout_keep_alive = 0.2

    async def check():
        await asyncio.sleep(0.8)

    monkeypatch.setattr(VitrineProtocol, "connection_made", made_for_a_moment)
    monkeypatch.setattr(full.service, "check", check)
    received = talk(full, asked + request("GET", "/readyz", Connection="close"))
    assert [status for status, _, _ in answers(received)] == [503, 200]


def test_where_requests_need_a_key_every_one_is_asked_for_it(tmp_path):
    (tmp_path / "url.key").write_bytes(SECRET + b"\n")
    kept = connections_of(Settings(url_key=tmp_path / "url.key"), Metrics()).refusals
    asyncio.run(refuse(kept))
    assert kept.find(scope_of(), kept._until - refusals.KEPT_SECONDS - 0.001) is None
    open_to_all = connections_of(Settings(), Metrics()).refusals
    asyncio.run(refuse(open_to_all))
    assert open_to_all.find(scope_of(), open_to_all._until - refusals.KEPT_SECONDS - 0.001) is not None


async def refuse(kept):
    kept.keep(scope_of(), [], b"0123456789abcdef", refusal(), lambda *_: None)
