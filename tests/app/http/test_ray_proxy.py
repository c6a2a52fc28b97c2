import asyncio
import json

import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from app.http.ray_proxy import Proxied, middlewares, with_model


def through(messages, query=b"", headers=()):
    """What a client is sent where the proxy sends `messages`, and the headers that the proxy was given."""
    sent, given = [], []

    async def proxy(scope, receive, send):
        given.extend(scope["headers"])
        for message in messages:
            if isinstance(message, Exception):
                raise message
            await send(message)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": '/a "b', "query_string": query, "headers": list(headers)}
    asyncio.run(Proxied(proxy)(scope, None, send))
    return sent, given


def start(status, *headers):
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


BODY = {"type": "http.response.body", "body": b"picture"}


def test_where_a_replica_died_without_an_answer_503_says_when_to_ask_again():
    (head, body), _ = through([])
    assert head["status"] == 503
    headers = dict(head["headers"])
    assert headers[b"retry-after"] == b"1"
    assert headers[b"content-type"] == b"application/problem+json"
    assert int(headers[b"content-length"]) == len(body["body"])
    told = json.loads(body["body"])
    assert told["type"] == "/problems/not-ready"
    assert (told["status"], told["instance"]) == (503, "/a%20%22b")
    assert told["request_id"] == headers[b"x-request-id"].decode()


def test_an_answer_that_has_begun_is_neither_completed_nor_begun_again():
    begun = [start(200, (b"content-length", b"9")), {**BODY, "more_body": True}]
    assert through(begun)[0] == begun


def test_an_answer_whose_replica_died_before_its_body_has_not_begun():
    (head, _), _ = through([start(200, (b"content-length", b"9"))])
    assert head["status"] == 503


@pytest.mark.parametrize("begun", [[], [start(200, (b"content-length", b"9"))]])
def test_a_proxy_that_fails_before_an_answer_has_begun_gives_503_too_and_the_log_says_why(begun, caplog):
    (head, _), _ = through([*begun, RuntimeError("the replica is gone")])
    assert (head["status"], dict(head["headers"])[b"retry-after"]) == (503, b"1")
    assert "the replica is gone" in caplog.text


def test_a_proxy_that_fails_behind_the_beginning_has_the_connection_cut():
    with pytest.raises(RuntimeError, match="the replica is gone"):
        through([start(200), {**BODY, "more_body": True}, RuntimeError("the replica is gone")])


def test_a_503_of_the_proxy_without_any_header_says_when_to_ask_again():
    (head, _), _ = through([{"type": "http.response.start", "status": 503}, BODY])
    assert head["headers"] == [(b"retry-after", b"1")]


class Wire(asyncio.Transport):
    """A connection that remembers each write, and its close."""

    def __init__(self):
        super().__init__()
        self.told = []

    def write(self, content):
        self.told.append(bytes(content))

    def close(self):
        self.told.append("closed")

    def is_closing(self):
        return "closed" in self.told


@pytest.mark.parametrize("protocol", [HttpToolsProtocol, H11Protocol])
@pytest.mark.parametrize("connection", ["keep-alive", "close"])
def test_uvicorn_writes_head_and_body_at_once_so_that_no_replica_dies_in_between(protocol, connection):
    async def proxy(scope, receive, send):
        for message in (start(200, (b"content-length", b"7")), BODY):
            await send(message)

    async def answered():
        config = uvicorn.Config(Proxied(proxy), lifespan="off", log_config=None)
        config.load()
        wire = Wire()
        speaking = protocol(config, ServerState(), {}, asyncio.get_running_loop())
        speaking.connection_made(wire)
        speaking.data_received(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: %s\r\n\r\n" % connection.encode())
        for _ in range(5):  # its tasks
            await asyncio.sleep(0)
        return wire.told

    first, *more = asyncio.run(answered())
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert first.endswith(b"\r\n\r\npicture")
    assert more == (["closed"] if connection == "close" else [])


def test_an_answer_is_passed_on_as_it_is():
    assert through([start(200), BODY])[0] == [start(200), BODY]


def test_503_of_the_proxy_says_when_to_ask_again_and_that_of_the_service_keeps_its_own_time():
    assert through([start(503), BODY])[0] == [start(503, (b"retry-after", b"1")), BODY]
    own = [start(503, (b"Retry-After", b"7")), BODY]
    assert through(own)[0] == own


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (b"n=1&model=fashion@6", b"fashion"),
        (b"model=fashion", b"fashion"),
        (b"n=1", None),
        (b"model=", None),
        (b"model=%0d%0ax", None),
        (b"model=%C3%A9", None),
    ],
)
def test_the_model_of_a_query_becomes_the_header_that_routes(query, name):
    expected = [] if name is None else [(b"serve_multiplexed_model_id", name)]
    assert through([], query)[1] == expected


def test_a_model_that_a_client_names_in_the_header_stays():
    header = (b"serve-multiplexed-model-id", b"other")
    assert through([], b"model=fashion", [header])[1] == [header]


def test_connections_that_are_no_requests_pass_unchanged():
    scope = {"type": "websocket"}
    seen = []

    async def proxy(scope, receive, send):
        seen.append(scope)

    asyncio.run(Proxied(proxy)(scope, None, None))
    assert seen == [scope]


def test_the_callback_gives_the_proxy_one_middleware():
    (found,) = middlewares()
    assert found.cls is Proxied
    assert with_model({"query_string": b"", "headers": []}) == {"query_string": b"", "headers": []}
