import pytest

from app.http.middleware import as_problem


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
    monkeypatch.setattr(views, "_problem_page", fails)
    answer = client.get("/", headers={"Accept": "text/html", "X-Request-Id": "mine"})
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == "mine"
