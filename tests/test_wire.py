"""What clients do to a connection, over raw sockets: late, silent, greedy, or too many.

``python -m benchmarks.connections`` tries the same with hundreds, against a service in a process of its own with the usual
limits.
"""

import contextlib
import json
import socket
import struct
import threading
import time

import numpy as np
import pytest

from app.main import create_app
from app.settings import Settings
from tests.app.http.test_protocol import answers, request
from tests.fakes import open_fake, png_bytes, write_version
from tests.serving import serving_in_a_thread

HEAD_SECONDS = 0.5
LATE = 5.0  # by which a deadline is kept on a machine that does much else


@contextlib.contextmanager
def serving(folder, **settings):
    """Serve the fake model, and return the application with its port; ends the connections to it first."""
    write_version(folder)
    app = create_app(Settings(model_store=folder, default_model="fake", **settings), open_fake)
    with serving_in_a_thread(app) as app.port, contextlib.ExitStack() as app.connected:
        yield app


def opened(app, sent=b""):
    """Return a connection on which something was sent."""
    connection = socket.create_connection(("127.0.0.1", app.port), timeout=30)
    app.connected.enter_context(connection)
    connection.sendall(sent)
    return connection


def read(connection):
    """Return what comes until the other end closes."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            received += piece
    return received


def asked(app, target="/livez", method="GET", **headers):
    """Return status, headers and body of an answer on a connection of its own."""
    with socket.create_connection(("127.0.0.1", app.port), timeout=30) as connection:
        connection.sendall(request(method, target, Connection="close", **headers))
        return answers(read(connection))[0]


def problem(received):
    """Return status and kind of the one answer, which is a problem and the last of its connection."""
    [(status, headers, body)] = answers(received)
    assert (headers["content-type"], headers["connection"]) == ("application/problem+json", "close")
    assert headers["x-content-type-options"] == "nosniff"
    found = json.loads(body)
    assert found["status"] == status
    return status, found["type"].rpartition("/")[2]


def eventually(found, seconds=LATE):
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.fault(24)
def test_silent_and_dribbling_clients_are_closed_at_the_deadline_and_others_are_served(tmp_path):
    with serving(tmp_path, head_seconds=HEAD_SECONDS) as app:
        silent = [opened(app) for _ in range(50)]
        dribbling = [opened(app, b"GET /samples HTTP/1.1\r\nHost: vitrine\r\nX: ") for _ in range(50)]
        started = time.monotonic()
        while (passed := time.monotonic() - started) < HEAD_SECONDS / 2:
            for each in dribbling:
                each.sendall(b"a")
            assert asked(app)[0] == 200
        assert asked(app, "/samples?n=1")[0] == 200
        assert {read(each) for each in silent} == {b""}
        assert {problem(read(each)) for each in dribbling} == {(408, "request-timeout")}
        assert passed < time.monotonic() - started < HEAD_SECONDS + LATE


@pytest.mark.fault(24)
def test_a_blank_line_keeps_no_connection_that_was_used(tmp_path):
    with serving(tmp_path, head_seconds=HEAD_SECONDS) as app:
        connection = opened(app, request("GET", "/livez"))
        connection.recv(65536)
        connection.sendall(b"\r\n")
        started = time.monotonic()
        assert read(connection) == b""
        assert time.monotonic() - started < HEAD_SECONDS + LATE


def test_a_connection_that_is_kept_is_not_closed_by_the_deadline_of_a_head(tmp_path):
    with serving(tmp_path, head_seconds=0.1) as app:
        connection = opened(app, request("GET", "/livez"))
        assert answers(connection.recv(65536))[0][0] == 200
        time.sleep(0.5)
        connection.sendall(request("GET", "/livez"))
        assert answers(connection.recv(65536))[0][0] == 200


def upload_head(length, **headers):
    return request("POST", "/reconstruct", Content_Type="image/png", Content_Length=length, **headers)


@pytest.mark.bad_input(44)
def test_an_upload_that_stops_one_byte_short_is_answered_with_408_and_gives_its_bytes_back(tmp_path):
    with serving(tmp_path, body_seconds=HEAD_SECONDS) as app:
        connection = opened(app, upload_head(200_000) + bytes(199_999))
        shared = app.connections
        eventually(lambda: shared.bodies_bytes == 199_999)
        assert problem(read(connection)) == (408, "request-timeout")
        eventually(lambda: shared.bodies_bytes == 0)


@pytest.mark.bad_input(43)
def test_an_upload_that_is_announced_and_never_sent_is_answered_with_408(tmp_path):
    with serving(tmp_path, body_seconds=HEAD_SECONDS) as app:
        connection = opened(app, upload_head(2000, Expect="100-continue"))
        received = read(connection)
        assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert problem(received.partition(b"\r\n\r\n")[2]) == (408, "request-timeout")


@pytest.mark.fault(25)
def test_a_client_that_never_reads_its_answer_is_cut_off_and_its_memory_given_back(tmp_path):
    with serving(tmp_path, write_seconds=HEAD_SECONDS, max_images=20_000) as app:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with connection:
            connection.connect(("127.0.0.1", app.port))
            connection.settimeout(30)
            connection.sendall(request("GET", "/samples?n=16000&format=npy"))
            shared = app.connections
            eventually(lambda: shared.count == 1)
            eventually(lambda: shared.count == 0, HEAD_SECONDS + 2 * LATE)


@pytest.mark.bad_input(44)
def test_requests_that_are_sent_together_are_answered_in_order_and_read_as_they_are_answered(
    tmp_path,
):
    with serving(tmp_path) as app:
        count = 3000
        sent = b"".join(request("GET", "/samples?n=0", X_Request_Id=str(k)) for k in range(count))
        connection = opened(app)
        sending = threading.Thread(
            target=connection.sendall, args=(sent + request("GET", "/livez", Connection="close"),)
        )
        sending.start()
        found = answers(read(connection))
        sending.join()
        assert [headers["x-request-id"] for _, headers, _ in found[:count]] == [str(k) for k in range(count)]
        assert [status for status, _, _ in found] == [422] * count + [200]


def test_of_requests_that_are_sent_together_few_are_held_while_nobody_reads_the_answers(tmp_path):
    with serving(tmp_path) as app:
        connection = opened(app)
        connection.settimeout(0.5)
        one, sent = request("GET", "/version"), 0
        with contextlib.suppress(TimeoutError):
            while sent < 100_000_000:
                sent += connection.send(one * 1000)
        [held] = app.connections._open
        assert len(held.pipeline) < 200
        assert held.flow.read_paused
        assert asked(app)[0] == 200


def test_uploads_that_are_sent_together_are_all_read(tmp_path):
    with serving(tmp_path) as app:
        file = png_bytes(np.full((8, 8), 102, np.uint8))
        one = upload_head(len(file)) + file
        connection = opened(app, one * 40 + request("GET", "/livez", Connection="close"))
        assert [status for status, _, _ in answers(read(connection))] == [200] * 41
        assert app.connections.bodies_bytes == 0


def test_beyond_the_connections_that_there_may_be_503_names_the_time_and_health_is_answered(tmp_path):
    with serving(tmp_path, max_connections=5) as app:
        begun = [opened(app, b"GET /samples?n=1 HTTP/1.1\r\nHost: vitrine\r\n") for _ in range(5)]
        eventually(lambda: app.connections.count == 5)
        [(status, headers, _)] = answers(read(opened(app, request("GET", "/samples?n=1"))))
        assert (status, headers["retry-after"], headers["connection"]) == (503, "1", "close")
        for path in ("/livez", "/readyz", "/metrics"):
            assert asked(app, path)[0] == 200
        begun[0].close()
        eventually(lambda: app.connections.count == 4)
        assert asked(app, "/samples?n=1")[0] == 200
        begun[1].sendall(b"Connection: close\r\n\r\n")
        assert answers(read(begun[1]))[0][0] == 200


def test_far_beyond_them_each_is_refused_at_once(tmp_path):
    with serving(tmp_path, max_connections=1) as app:
        found = [opened(app) for _ in range(80)]
        eventually(lambda: app.connections.count <= 66)
        assert problem(read(found[-1])) == (503, "overloaded")


@pytest.mark.fault(21)
def test_idle_connections_make_place_for_others(tmp_path):
    with serving(tmp_path, max_connections=3, head_seconds=0.2) as app:
        kept = [opened(app, request("GET", "/livez")) for _ in range(3)]
        for each in kept:
            each.recv(65536)
        eventually(lambda: len(app.connections._idle) == 3)
        assert asked(app, "/samples?n=1")[0] == 200
        assert sum(each.recv(1) == b"" for each in kept[-1:]) in (0, 1)


def test_bodies_beyond_the_bound_are_refused_and_those_before_are_read(tmp_path):
    file = png_bytes(np.full((8, 8), 102, np.uint8))
    with serving(tmp_path, max_bodies_bytes=300_000, max_upload_bytes=400_000) as app:
        half = [opened(app, upload_head(150_001) + file + bytes(150_000 - len(file))) for _ in range(2)]
        eventually(lambda: app.connections.bodies_bytes == 300_000)
        refused = opened(app, upload_head(len(file)) + file)
        assert problem(read(refused)) == (503, "overloaded")
        began = opened(app, upload_head(150_001) + bytes(100_000))
        eventually(lambda: app.connections.bodies_bytes == 300_000)  # though it is still connected
        assert problem(read(began)) == (503, "overloaded")
        half[0].close()
        eventually(lambda: app.connections.bodies_bytes == 150_000)
        again = opened(app, upload_head(len(file), Connection="close") + file)
        assert answers(read(again))[0][0] == 200


@pytest.mark.bad_input(35)
def test_a_host_that_is_not_ours_ends_the_connection_and_health_is_answered_by_every_name(tmp_path):
    with serving(tmp_path, allowed_hosts="vitrine, *.example.org") as app:
        for host in (b"evil.example", b"vitrine.evil.example", b"a b", b"", b"x\r\nHost: vitrine"):
            sent = b"GET /samples HTTP/1.1\r\nHost: %b\r\n\r\n" % host
            status, kind = problem(read(opened(app, sent)))
            assert (status, kind) in ((400, "host-not-allowed"), (400, "malformed-request"))
        assert problem(read(opened(app, b"GET / HTTP/1.1\r\n\r\n"))) == (400, "malformed-request")
        for host in (b"a.example.org:80", b"VITRINE", b"127.0.0.1", b"localhost"):
            sent = b"GET /samples?n=1 HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % host
            assert answers(read(opened(app, sent)))[0][0] == 200
        sent = b"GET /livez HTTP/1.1\r\nHost: 10-1-2-3.pod.cluster\r\nConnection: close\r\n\r\n"
        assert answers(read(opened(app, sent)))[0][0] == 200


@pytest.mark.bad_input(39)
@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 4\r\nContent-Length: 5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 4x\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"X y: 1\r\n",
        b"X : 1\r\n",
        b"X: 1\r\n : 2\r\nContent-Length: 4\nX",
    ],
    ids=str,
)
def test_a_body_whose_end_can_be_read_in_two_ways_is_refused_and_the_connection_closed(tmp_path, lines):
    with serving(tmp_path) as app:
        sent = b"POST /reconstruct HTTP/1.1\r\nHost: vitrine\r\n%b\r\nabcd" % lines
        assert problem(read(opened(app, sent + request("GET", "/livez")))) == (400, "malformed-request")


@pytest.mark.bad_input(40, 43)
@pytest.mark.parametrize("expect", [{}, {"Expect": "100-continue"}], ids=["", "continue"])
def test_a_terabyte_is_refused_before_a_byte_of_it_is_read(tmp_path, expect):
    with serving(tmp_path) as app:
        received = read(opened(app, upload_head(10**12, **expect)))
        assert problem(received) == (413, "upload-too-large")


@pytest.mark.bad_input(41)
def test_a_chunked_body_is_refused_at_the_first_byte_beyond_the_limit(tmp_path):
    with serving(tmp_path, max_upload_bytes=1000) as app:
        head = request("POST", "/reconstruct", Content_Type="image/png", Transfer_Encoding="chunked")
        connection = opened(app, head + b"3e8\r\n" + bytes(1000) + b"\r\n")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(30)
        connection.sendall(b"1\r\n")
        connection.sendall(b"a")
        assert problem(read(connection)) == (413, "upload-too-large")


@pytest.fixture
def held(monkeypatch):
    """Return a function that has a service compute nothing until it is called again."""

    def hold(app):
        engine = app.service.engine
        dispatch, waits = engine._dispatch_soon, [True]
        monkeypatch.setattr(engine, "_dispatch_soon", lambda: None if waits else dispatch())

        def go_on():
            waits.clear()
            engine._loop.call_soon_threadsafe(dispatch)

        return go_on

    return hold


def from_address(app, address, target):
    """Return a connection from another address of this machine, on which something was asked for."""
    connection = socket.create_connection(("127.0.0.1", app.port), timeout=30, source_address=(address, 0))
    app.connected.enter_context(connection)
    connection.sendall(request("GET", target, Connection="close"))
    return connection


@pytest.mark.fault(23)
def test_a_client_with_more_than_its_share_gets_429_while_others_wait_and_health_is_answered(tmp_path, held):
    with serving(tmp_path, max_waiting_images=100) as app:
        go_on = held(app)
        first = [from_address(app, "127.0.0.2", "/samples?n=40&seed=1")]
        eventually(lambda: app.service.engine.waiting == 40)
        first.append(from_address(app, "127.0.0.2", "/samples?n=40&seed=2"))  # nobody else is there
        eventually(lambda: app.service.engine.waiting == 80)
        other = from_address(app, "127.0.0.3", "/samples?n=10&seed=3")
        eventually(lambda: app.service.engine.waiting == 90)
        [(status, headers, body)] = answers(read(from_address(app, "127.0.0.2", "/samples?n=5&seed=4")))
        assert (status, json.loads(body)["type"]) == (429, "/problems/too-many-requests")
        assert int(headers["retry-after"]) >= 1
        third = from_address(app, "127.0.0.3", "/samples?n=5&seed=5")
        eventually(lambda: app.service.engine.waiting == 95)
        for path in ("/livez", "/metrics", "/static/style.css"):
            assert asked(app, path)[0] == 200
        go_on()
        assert [answers(read(each))[0][0] for each in (*first, other, third)] == [200] * 4


@pytest.mark.fault(27)
def test_a_stuck_computation_is_504_at_the_deadline_and_its_thread_counts_until_it_ends(
    tmp_path, monkeypatch
):
    with serving(tmp_path, worker_threads=1, deadline_seconds=HEAD_SECONDS) as app:
        assert asked(app, "/samples?n=1&seed=1")[0] == 200
        model, go_on, computing = app.service.models.opened["fake@1"], threading.Event(), []
        decode, engine = model._runtime.decode, app.service.engine

        def stuck(codes):
            computing.append(threading.get_ident())
            go_on.wait(30)
            return decode(codes)

        monkeypatch.setattr(model._runtime, "decode", stuck)
        monkeypatch.setattr("app.service.CHECK_SECONDS", 0.1)
        for name in ("_inline_seconds", "_alone_seconds", "_wide_seconds"):
            monkeypatch.setattr(engine, name, 0.0)
        started = time.monotonic()
        for seed in (2, 3):
            status, headers, _ = asked(app, f"/samples?n=1&seed={seed}")
            assert (status, headers["retry-after"].isdecimal()) == (504, True)
        assert 2 * HEAD_SECONDS <= time.monotonic() - started < 2 * HEAD_SECONDS + LATE
        assert asked(app, "/readyz")[0] == 503
        assert asked(app, "/livez")[0] == 200
        assert len(computing) == 1  # nothing is begun beside the thread that is stuck
        assert engine.waiting == 0
        go_on.set()
        monkeypatch.setattr("app.service.CHECK_SECONDS", 10.0)
        assert asked(app, "/samples?n=1&seed=2")[0] == 200
        assert asked(app, "/readyz")[0] == 200


@pytest.mark.fault(26)
@pytest.mark.bad_input(44)
def test_a_connection_that_breaks_at_any_byte_of_an_upload_leaves_nothing(tmp_path):
    file = png_bytes(np.full((8, 8), 102, np.uint8))
    sent = upload_head(len(file)) + file
    with serving(tmp_path) as app:
        assert asked(app)[0] == 200
        before = threading.active_count()
        for offset in range(len(sent) + 1):
            connection = socket.create_connection(("127.0.0.1", app.port), timeout=30)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
            connection.sendall(sent[:offset])
            connection.close()
        eventually(lambda: app.connections.count == 0)
        eventually(lambda: app.service.engine.waiting == 0)
        assert app.connections.bodies_bytes == 0
        assert not app.connections._open
        assert threading.active_count() <= before + 4  # those that decode, which are kept
        assert asked(app, "/samples?n=1")[0] == 200


@pytest.mark.bad_input(70)
def test_many_uploads_at_once_are_answered_or_told_when_to_come_again_and_none_is_kept(tmp_path):
    file = png_bytes(np.random.default_rng(0).integers(0, 256, (600, 600), np.uint8))
    with serving(tmp_path, max_waiting_images=20) as app:
        sent = upload_head(len(file), Connection="close") + file
        connections = [opened(app, sent) for _ in range(100)]
        found = [answers(read(each))[0] for each in connections]
        statuses = {status for status, _, _ in found}
        assert statuses <= {200, 503}
        assert 200 in statuses
        assert all(int(headers["retry-after"]) >= 1 for status, headers, _ in found if status == 503)
        eventually(lambda: app.connections.bodies_bytes == 0)
        assert app.service.engine.waiting == 0
