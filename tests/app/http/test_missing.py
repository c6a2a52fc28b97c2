import html

import pytest

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("path", "remedy", "home"),
    [
        ("/nope", "See / for the pictures and /docs for every address.", "./"),
        ("/manual/nope", "see /manual for all of them", "../"),
        ("/models/nope", "Received: nope.", "../"),
        ("/problems/nope", "see /problems for all of them", "../"),
        ("/manual/docs/n<b>", "see /manual for all of them", "../../"),
    ],
)
def test_a_mistyped_address_is_a_page_in_a_browser_and_a_problem_for_programs(client, path, remedy, home):
    page = client.get(path, headers=BROWSER)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert page.headers["vary"] == "Accept"
    assert page.headers["cache-control"] == "no-store"
    assert remedy in html.unescape(page.text)
    assert f'<a href="{home}">Back to the pictures</a>' in page.text
    assert f'href="{home}static/style.css"' in page.text
    assert "<b>" not in page.text
    for accept in ("*/*", "application/json", "application/json, text/html"):
        problem = client.get(path, headers={"Accept": accept})
        assert (problem.status_code, problem.headers["content-type"]) == (404, "application/problem+json")
        assert problem.headers["vary"] == "Accept"
        assert remedy in problem.json()["detail"] + str(problem.json()["errors"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/models/nope.json", 404),
        ("POST", "/nope", 404),
        ("POST", "/docs", 405),
        ("GET", "/samples?model=nope", 404),
    ],
)
def test_addresses_of_programs_answer_a_browser_as_them(client, method, path, status):
    answer = client.request(method, path, headers=BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert "vary" not in answer.headers


def test_a_view_of_a_model_that_is_not_there_is_a_page_whatever_is_accepted(client):
    answer = client.get("/?model=nope", headers={"Accept": "*/*"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "vary" not in answer.headers
