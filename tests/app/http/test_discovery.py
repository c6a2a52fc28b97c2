import re
from urllib.parse import urljoin
from urllib.robotparser import RobotFileParser

import pytest

from app.http.discovery import for_crawlers
from app.http.pictures import PICTURES

LINK = re.compile(r"^- \[([^\]]+)\]\(([^)]+)\)(: .+)?$")


def test_the_text_for_language_models_has_the_form_of_llmstxt_org(client):
    lines = client.get("/llms.txt").text.splitlines()
    assert lines[0] == "# Vitrine"
    assert next(line for line in lines[1:] if line).startswith("> ")
    below = lines[next(number for number, line in enumerate(lines) if line.startswith("## ")) :]
    for line in filter(None, below):  # below the first section: sections, and links with a word of each
        assert line.startswith("## ") or LINK.match(line), line
    assert [line for line in below if line.startswith("## ")] == ["## API", "## Models", "## Manual"]


def test_everything_that_it_names_is_there_and_is_markdown_or_json(client_with_card):
    client = client_with_card
    links = re.findall(r"\]\(([^)]+)\)", client.get("/llms.txt").text)
    assert "openapi.json" in links
    assert "manual/docs/glossary.md" in links
    assert "models/fake/versions/1.md" in links
    for link in links:
        answer = client.get(urljoin("/llms.txt", link))
        kind = "text/markdown; charset=utf-8" if link.endswith(".md") else "application/json"
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind), link


@pytest.mark.parametrize("root_path", ["", "/vitrine"])
def test_crawlers_may_read_pages_and_draw_no_pictures(root_path):
    rules = RobotFileParser()
    rules.parse(for_crawlers(root_path).splitlines())
    for path in (
        "/",
        "/manual",
        "/manual/docs/glossary",
        "/models/fashion",
        "/models.json",
        "/problems",
        "/llms.txt",
    ):
        assert rules.can_fetch("anybody", f"http://host{root_path}{path}"), path
    for endpoint in PICTURES:
        for behind in ("", "?seed=1", ".webp", ".webp?seed=1"):
            assert not rules.can_fetch("anybody", f"http://host{root_path}{endpoint.path}{behind}")


def forbidden(rules, path):
    """Whether a rule of RFC 9309 forbids a path: ``*`` stands for anything, and a rule for what begins so."""
    patterns = re.findall(r"^Disallow: (.+)$", rules, re.MULTILINE)
    return any(re.match(".*".join(map(re.escape, pattern.split("*"))), path) for pattern in patterns)


@pytest.mark.parametrize("root_path", ["", "/vitrine"])
def test_crawlers_do_not_follow_a_page_from_state_to_state(root_path):
    rules = for_crawlers(root_path)
    for path in ("/?model=fake&offset=21", "/explorer?at=seed:42/0", "/models/fake?x=1"):
        assert forbidden(rules, root_path + path), path
    for path in ("/", "/explorer", "/models/fake", "/manual/docs/glossary"):
        assert not forbidden(rules, root_path + path), path


def test_the_rules_are_served_as_text(client):
    answer = client.get("/robots.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith("User-agent: *\n")


def test_programs_are_told_whether_they_need_a_key(client, make_key, guarded):
    assert "There is no key" in client.get("/llms.txt").text
    key = make_key()
    text = guarded().get("/llms.txt", headers={"X-API-Key": key}).text
    assert "There is no key" not in text
    assert "Authorization: Bearer KEY" in text
