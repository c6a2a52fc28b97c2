import contextlib
import http.client
import json
import socket
import threading
import time

import pytest

from app.http import protocol, writing
from app.main import create_app
from app.settings import Settings
from tests.fakes import open_fake, pixels_of, png_bytes, write_version
from tests.serving import serving_in_a_thread


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service of the fake model on a socket; requests of more than 100,000 bytes are too large for it."""
    store = tmp_path_factory.mktemp("store")
    write_version(store)
    settings = Settings(model_store=store, default_model="fake", max_upload_bytes=100_000)
    app = create_app(settings, open_fake)
    with serving_in_a_thread(app) as app.port:
        yield app


def talk(service, *pieces, half_close=False):
    """Send bytes, then read everything until the server closes the connection or falls silent."""
    received = b""
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as connection:
        for piece in pieces:
            connection.sendall(piece)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(TimeoutError):
            while piece := connection.recv(65536):
                received += piece
                if not half_close and b"Connection: close" not in b"".join(pieces):
                    connection.settimeout(0.3)
    return received


def talk_slowly(service, *pieces, first=b""):
    """Send pieces so far apart that each is received alone, behind a first one's answer; read everything."""
    received = b""
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if first:
            connection.sendall(first)
            received = connection.recv(65536)
        for piece in pieces:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused already
                connection.sendall(piece)
            time.sleep(0.002)
        connection.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            while piece := connection.recv(65536):
                received += piece
    return received


def answers(received):
    """Return status, headers and body of every answer."""
    found = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        length = int(headers.get("content-length", 0))
        found.append((int(status.split()[1]), headers, received[:length]))
        received = received[length:]
    return found


def request(method, target, body=b"", **headers):
    """Return a request's bytes; the names of `headers` have _ for -."""
    lines = [f"{method} {target} HTTP/1.1", "Host: vitrine"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "\r\n"]).encode() + body


UPGRADE = {
    "Connection": "Upgrade, HTTP2-Settings",
    "Upgrade": "h2c",
    "HTTP2_Settings": "AAMAAABkAARAAAAAAAIAAAAA",
}
OFFERS = [
    UPGRADE,
    {"Connection": "upgrade", "Upgrade": "websocket", "Sec_WebSocket_Key": "x"},
    {"Upgrade": "TLS/1.0"},
]


def upload(level=102, **headers):
    import numpy as np

    file = png_bytes(np.full((8, 8), level, np.uint8))
    return request(
        "POST", "/reconstruct?ink=light", file, Content_Type="image/png", Content_Length=len(file), **headers
    )


def chunked(level=102, **headers):
    head, _, file = upload(level, **headers).partition(b"\r\n\r\n")
    head = head.replace(b"Content-Length", b"X-Length") + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (9, file[:9], len(file) - 9, file[9:])


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer["Upgrade"])
@pytest.mark.parametrize("form", [upload, chunked], ids=["length", "chunked"])
def test_an_upload_with_an_offer_of_another_protocol_is_read_like_any_other(service, offer, form):
    for pieces in ([form(**offer)], [form(**offer)[:150], form(**offer)[150:]]):
        [(status, headers, body)] = answers(talk(service, *pieces))
        assert status == 200
        assert "upgrade" not in headers
        assert (pixels_of(body)[:8] == 102).all()


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer["Upgrade"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
def test_an_offer_changes_nothing_of_a_request_without_a_body_nor_of_the_one_behind_it(
    service, offer, method
):
    target = "/samples?n=2&seed=1"
    plain = talk(service, request(method, target, X_Request_Id="1"))
    offered = talk(service, request(method, target, X_Request_Id="1", **offer) + upload(X_Request_Id="2"))
    assert offered.startswith(plain.partition(b"date:")[0])
    assert offered.count(b"HTTP/1.1 ") == 2
    assert b"x-request-id: 2" in offered


def test_options_of_the_service_as_a_whole_names_every_method(service):
    [(status, headers, body)] = answers(talk(service, request("OPTIONS", "*")))
    assert (status, body) == (204, b"")
    assert headers["allow"] == "get, head, options, post"  # in lower case, as every header here


def test_what_hides_behind_an_offer_is_a_body_and_never_a_request(service):
    hidden = request("GET", "/version")
    sent = request(
        "POST", "/reconstruct", hidden, Content_Type="image/png", Content_Length=len(hidden), **UPGRADE
    )
    [(status, _, body)] = answers(talk(service, sent))
    assert status == 415
    assert b"not_an_image" in body


def test_connect_is_refused_and_what_follows_is_not_read(service):
    received = talk(service, request("CONNECT", "/samples") + request("GET", "/version"))
    assert received.startswith(b"HTTP/1.1 405 ")
    assert b"allow: GET, HEAD, OPTIONS" in received
    assert received.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("form", ["length", "chunked"])
@pytest.mark.parametrize("size", [200_000, 20_000_000])
def test_a_client_that_reads_when_it_has_written_gets_to_know_that_its_body_is_too_large(service, form, size):
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    body = bytes(size)
    connection.request(
        "POST",
        "/reconstruct",
        body if form == "length" else iter([body[:65536]] * (size // 65536)),
        {"Content-Type": "image/png"},
        encode_chunked=form == "chunked",
    )
    response = connection.getresponse()
    assert response.status == 413
    assert b"VITRINE_MAX_UPLOAD_BYTES" in response.read()
    connection.close()


@pytest.mark.parametrize("target", ["/nothing", "/samples", "/reconstruct?columns=0", "/reconstruct.bmp"])
def test_a_refusal_reaches_a_client_that_closes_behind_its_request(service, target):
    body = bytes(3_000_000)
    sent = request(
        "POST", target, body, Content_Type="text/plain", Content_Length=len(body), Connection="close"
    )
    [(status, headers, _)] = answers(talk(service, sent))
    assert status in (404, 405, 406, 415, 422)
    assert headers["content-type"] == "application/problem+json"


def test_what_is_not_http_is_answered_though_more_of_it_follows(service):
    received = talk(service, b"\x16\x03\x01" + bytes(200_000), half_close=True)
    assert received.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "headers",
    [
        b"X: a\r\n" * 5000,  # with few bytes
        b"X: " + b"a" * 1_000_000 + b"\r\n",
        (b"X: " + b"a" * 10_000 + b"\r\n") * 100,
        b"X" * 1_000_000,  # a name without an end
        b"X: " + b"a" * 1_000_000,  # a value without an end
    ],
    ids=["number", "value", "all", "name", "endless"],
)
@pytest.mark.bad_input(34)
def test_a_head_that_is_too_large_is_refused_while_it_is_sent(service, headers):
    received = talk(service, b"GET /samples HTTP/1.1\r\nHost: vitrine\r\n", headers, half_close=True)
    [(status, answered, body)] = answers(received)
    assert (status, answered["connection"]) == (431, "close")
    problem = json.loads(body)
    assert (problem["type"], problem["instance"]) == ("/problems/head-too-large", "/samples")
    assert "VITRINE_MAX_HEAD_BYTES" in problem["detail"]


@pytest.mark.bad_input(33)
@pytest.mark.parametrize("size", [66_000, 100_000, 1_000_000])
def test_an_address_that_is_too_long_is_refused_while_it_is_sent(service, size):
    line = b"GET /samples?z=" + b"1" * size
    for sent in (line, line + b" HTTP/1.1\r\nHost: vitrine\r\n\r\n"):
        [(status, answered, body)] = answers(talk(service, sent, half_close=True))
        assert (status, answered["connection"]) == (414, "close")
        assert json.loads(body)["type"] == "/problems/address-too-long"
        assert len(body) < 500


@pytest.mark.bad_input(34)
def test_nobody_else_waits_while_somebody_sends_a_header_of_128_megabytes(service):
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(b"GET /samples HTTP/1.1\r\nHost: vitrine\r\nX: ")
        stop, slowest = threading.Event(), []

        def ask():
            while not stop.is_set():
                started = time.monotonic()
                assert answers(talk(service, request("GET", "/livez", Connection="close")))[0][0] == 200
                slowest.append(time.monotonic() - started)

        asking = threading.Thread(target=ask)
        asking.start()
        with contextlib.suppress(OSError):
            for _ in range(128):
                connection.sendall(bytes(b"a" * 1_048_576))
        stop.set()
        asking.join()
    assert max(slowest) < 1


def test_a_head_of_many_and_long_headers_is_read_in_whatever_pieces(service):
    lines = [b"X-%d: %s" % (number, b"a" * 400) for number in range(200)]
    head = b"\r\n".join([b"GET /samples?n=1 HTTP/1.1", b"Host: vitrine", *lines, b"", b""])
    pieces = [head[start : start + 1000] for start in range(0, len(head), 1000)]
    [(status, _, _)] = answers(talk(service, *pieces))
    assert status == 200


def test_every_request_of_a_connection_has_a_head_of_its_own(service):
    long = request("GET", "/samples?n=1", X="a" * 60_000)
    assert [status for status, _, _ in answers(talk(service, long * 4))] == [200] * 4


def test_a_refusal_before_the_body_asks_for_no_body(service):
    for length, status in ((10**9, 413), (1000, 415)):
        sent = request(
            "POST", "/reconstruct", Content_Length=length, Content_Type="text/plain", Expect="100-continue"
        )
        if status == 413:
            sent = sent.replace(b"text/plain", b"image/png")
        received = talk(service, sent)
        assert received.startswith(b"HTTP/1.1 %d " % status)
        assert b"connection: close" in received  # else the next request would be taken for the body


def test_a_client_that_never_stops_sending_is_cut_off(service, monkeypatch):
    monkeypatch.setattr(writing, "LINGER_IDLE_SECONDS", 0.1)
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(request("POST", "/reconstruct", Content_Length=10**9, Content_Type="image/png"))
        while connection.recv(65536):  # the answer, and the server's end of sending
            pass
        deadline = time.monotonic() + 5
        with contextlib.suppress(OSError):
            while time.monotonic() < deadline:
                time.sleep(0.2)  # longer than the server waits for a byte
                connection.sendall(b"x")
        assert time.monotonic() < deadline


@pytest.mark.parametrize("sent", [request("GET", "/samples?n=3"), upload(), chunked(), upload() + upload()])
def test_a_client_that_closes_its_side_behind_its_requests_gets_every_answer(service, sent):
    found = answers(talk(service, sent, half_close=True))
    assert [status for status, _, _ in found] == [200] * sent.count(b"HTTP/1.1")
    assert all(body.startswith(b"\x89PNG") for _, _, body in found)


@pytest.mark.parametrize("target", ["/livez", "/nothing", "/samples?n=0", "/version"])
def test_an_answer_that_is_ready_at_once_reaches_a_half_closed_client(service, target):
    for _ in range(10):
        assert len(answers(talk(service, request("GET", target), half_close=True))) == 1


def test_broken_bytes_behind_a_request_are_not_answered_in_its_place(service):
    received = talk(service, request("GET", "/samples?n=1") + b"\x00broken\r\n\r\n", half_close=True)
    [(status, headers, _)] = answers(received)
    assert (status, headers["connection"]) == (200, "close")


def test_a_request_whose_body_never_ends_is_closed_some_time_behind_its_answer(service, monkeypatch):
    monkeypatch.setattr(writing, "LINGER_SECONDS", 0.1)
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(request("POST", "/nothing", Content_Length=10**9))
        received = b""
        while piece := connection.recv(65536):
            received += piece
        assert received.startswith(b"HTTP/1.1 404 ")


def test_a_client_that_closes_its_side_within_a_request_is_gone(service):
    assert talk(service, upload()[:-5], half_close=True) == b""


@pytest.fixture
def slow(service, monkeypatch):
    """Have pictures wait for an event, and the server look for clients at once."""
    monkeypatch.setattr(protocol, "HALF_CLOSED_SECONDS", 0.05)
    monkeypatch.setattr(protocol, "LOOK_SECONDS", 0.05)
    engine, go_on = service.service.engine, threading.Event()
    dispatch = engine._dispatch_soon
    monkeypatch.setattr(engine, "_dispatch_soon", lambda: dispatch() if go_on.is_set() else None)
    yield lambda: (go_on.set(), engine._loop.call_soon_threadsafe(dispatch))
    go_on.set()
    engine._loop.call_soon_threadsafe(dispatch)


def test_a_half_closed_client_is_answered_though_its_picture_takes_long(service, slow):
    threading.Timer(0.3, slow).start()
    received = talk(service, request("GET", "/samples?n=3"), half_close=True)
    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")
    assert received.count(b"HTTP/1.1 100") == 1


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
def test_a_client_that_is_gone_gives_its_place_back_while_its_picture_waits(service, slow, version):
    engine = service.service.engine
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(request("GET", "/samples?n=3").replace(b"HTTP/1.1", version))
        deadline = time.monotonic() + 5
        while engine.waiting != 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert engine.waiting == 3
    while engine.waiting and time.monotonic() < deadline:
        time.sleep(0.01)
    assert engine.waiting == 0


def test_a_connection_is_kept_for_as_long_as_the_setting_says():
    assert Settings().keep_alive_seconds == 75


def test_a_picture_that_is_known_leaves_the_connection_good_for_the_next_request(tmp_path):
    write_version(tmp_path)
    app = create_app(Settings(model_store=tmp_path, default_model="fake"), open_fake)
    with (
        serving_in_a_thread(app) as port,
        contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as client,
    ):
        client.request("GET", "/samples?n=2&seed=1")
        first = client.getresponse()
        content, etag = first.read(), first.headers["ETag"]
        for method in ("GET", "HEAD"):
            client.request(method, "/samples?n=2&seed=1", headers={"If-None-Match": etag})
            answer = client.getresponse()
            assert (answer.status, answer.read(), answer.headers["ETag"]) == (304, b"", etag)
        client.request("GET", "/samples?n=2&seed=1", headers={"If-None-Match": '"another"'})
        answer = client.getresponse()
        assert (answer.status, answer.read()) == (200, content)


def test_links_are_made_of_the_host_that_an_absolute_address_names(service):
    where, path = "http://localhost:81", "/manifold/fake@1;x=0;y=1/info.json"
    (_, headers, _), *_ = answers(talk(service, request("GET", path)))
    path = headers["location"]
    (status, _, body), *_ = answers(talk(service, request("GET", where + path)))
    assert (status, json.loads(body)["id"]) == (200, where + path.removesuffix("/info.json"))
    (status, _, body), *_ = answers(talk(service, request("GET", "http://evil.example" + path)))
    assert (status, json.loads(body)["title"]) == (400, "The service does not answer by this host name")


@pytest.mark.parametrize("method", ["BREW", "get", "GETX", "X-1", "B"])
def test_a_method_that_nobody_knows_is_refused_with_those_that_there_are(service, method):
    ((status, headers, body),) = answers(talk(service, request(method, "/samples")))
    assert (status, headers["connection"], headers["allow"]) == (405, "close", "get, head, options, post")
    found = json.loads(body)
    assert found["type"].endswith("method-not-allowed")
    assert found["detail"] == "Use one of: GET, HEAD, OPTIONS, POST."


@pytest.mark.parametrize("method", ["BREW", "GETX"])
@pytest.mark.parametrize("sizes", [(1, 1), (2, 2), (3, 200), (9, 3), (15, 200), (24, 1)])
@pytest.mark.parametrize("before", [0, 1])
def test_such_a_method_is_refused_alike_in_however_many_pieces_it_comes(service, method, sizes, before):
    begin, each = sizes
    sent = request(method, "/samples")
    pieces = [sent[:begin], *(sent[at : at + each] for at in range(begin, len(sent), each))]
    received = talk_slowly(service, *pieces, first=request("GET", "/livez") * before)
    *answered, (status, headers, _) = answers(received)
    assert [answer[0] for answer in answered] == [200] * before
    assert (status, headers["connection"], headers["allow"]) == (405, "close", "get, head, options, post")


@pytest.mark.parametrize("begun", [b"G", b"GET", b"\r\nGE"])
def test_such_a_method_is_refused_alike_where_it_begins_in_a_piece_with_another_request(service, begun):
    line = b"GETX /samples HTTP/1.1\r\n"[len(begun.strip()) :]
    received = talk_slowly(service, line, first=request("GET", "/livez") + begun)
    (first, _, _), (status, headers, _) = answers(received)
    assert (first, status, headers["allow"]) == (200, 405, "get, head, options, post")


def test_a_known_method_in_pieces_is_answered_and_what_is_no_line_is_refused_before_it_ends(service):
    sent = request("GET", "/livez", Connection="close")
    ((status, _, _),) = answers(talk_slowly(service, sent[:1], sent[1:2], sent[2:]))
    assert status == 200
    ((status, _, body),) = answers(talk_slowly(service, b"G", b"\x16\x03"))
    assert (status, json.loads(body)["detail"]) == (400, "What was received is not HTTP/1.1 or 1.0.")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"BREW /samples\r\n\r\n",
        b"EHLO example.org HTTP\r\n",
    ],
)
def test_what_is_not_http_is_refused_as_such(service, sent):
    *_, (status, headers, body) = answers(talk(service, sent))
    assert (status, headers["connection"]) == (400, "close")
    assert json.loads(body)["detail"] == "What was received is not HTTP/1.1 or 1.0."


def test_another_version_or_coding_is_refused_on_a_connection_which_then_ends(service):
    version = request("GET", "/livez").replace(b"HTTP/1.1", b"HTTP/2.0")
    coded = chunked().replace(b": chunked", b": gzip, chunked")
    for sent in (version, coded):
        (status, headers, body), *more = answers(talk(service, sent))
        assert (status, headers["connection"], more) == (400, "close", [])
        assert json.loads(body)["type"].endswith("malformed-request")
