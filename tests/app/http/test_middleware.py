import socket

import pytest

from app import logs, server
from app.http.middleware import as_problem
from app.main import create_app
from tests.fakes import open_fake
from tests.serving import serving_in_a_thread


def test_a_clients_request_id_is_kept(client):
    assert client.get("/livez", headers={"X-Request-ID": "job-7.a_b"}).headers["x-request-id"] == "job-7.a_b"


@pytest.mark.parametrize("given", ["two words", "x" * 65, "a\tb", "<script>", ""])
def test_a_request_id_that_could_do_harm_is_replaced(client, given):
    found = client.get("/livez", headers={"X-Request-ID": given}).headers["x-request-id"]
    assert found != given
    assert len(found) == 16


def test_two_requests_have_two_ids(client):
    assert client.get("/livez").headers["x-request-id"] != client.get("/livez").headers["x-request-id"]


@pytest.mark.parametrize("url", ["/samples", "/livez", "/samples?n=0", "/nowhere", "/"])
def test_every_answer_carries_the_security_headers(client, url):
    headers = client.get(url).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers.get_list("content-security-policy", split_commas=False) == [
        headers["content-security-policy"]
    ]


def test_no_answer_invites_other_origins(client):
    headers = client.get("/samples", headers={"Origin": "https://evil.example"}).headers
    assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.fault(21)
def test_a_descriptor_that_is_not_to_be_had_is_503_and_no_fault_of_ours():
    problem = as_problem(OSError(24, "Too many open files"), "id")
    assert (problem.status, problem.kind) == (503, "out-of-resources")
    assert as_problem(OSError(2, "No such file or directory"), "id").status == 500


@pytest.mark.fault(28)
def test_a_problem_whose_page_fails_too_is_told_as_json(client, monkeypatch):
    from app.http import views

    def fails(*_, **__):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(views, "page", fails)
    monkeypatch.setattr(views, "problem_page", fails)
    answer = client.get("/", headers={"Accept": "text/html", "X-Request-Id": "mine"})
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == "mine"


@pytest.mark.parametrize("url", ["/samples", "/livez", "/samples?n=0", "/static/style.css", "/"])
def test_every_answer_says_who_may_embed_it_and_not_what_serves_it(client, url):
    headers = client.get(url).headers
    assert (
        headers["cross-origin-resource-policy"] == "cross-origin"
    )  # pictures are shown in other sites' pages
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers


def test_an_operator_may_keep_pictures_out_of_other_sites(guarded):
    answer = guarded(embedding="same-origin").get("/samples?n=1")
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_no_header_names_the_server_on_a_real_connection(settings, monkeypatch):
    monkeypatch.setattr(logs, "configuration", lambda kind: None)  # loggers are this process' own
    as_served = server.configuration(settings).server_header
    app = create_app(settings, open_fake)
    with (
        serving_in_a_thread(app, server_header=as_served) as port,
        socket.create_connection(("127.0.0.1", port)) as raw,
    ):
        raw.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        with raw.makefile("rb") as answer:
            found = answer.read().lower()
    assert found.startswith(b"http/1.1 200")
    assert b"\r\nserver:" not in found
