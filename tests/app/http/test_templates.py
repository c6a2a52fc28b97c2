import pytest

PAGES = (
    "/manual",
    "/models",
    "/problems",
    "/llms.txt",
    "/robots.txt",
    "/models.json",
    "/manual/docs/glossary.md",
)


@pytest.mark.parametrize("path", PAGES)
def test_a_text_has_an_entity_tag_by_which_it_is_not_sent_again(client, path):
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert client.get(path, headers={"If-None-Match": "*"}).status_code == 304
    assert client.get(path, headers={"If-None-Match": '"other"'}).content == first.content
    assert first.headers["cache-control"] == "no-cache"


def test_texts_that_differ_have_tags_that_differ(client):
    assert len({client.get(path).headers["etag"] for path in PAGES}) == len(PAGES)


@pytest.mark.parametrize("path", PAGES)
def test_what_an_address_gives_does_not_depend_on_accept(client, path):
    plain = client.get(path)
    for accept in ("application/json", "text/html", "text/markdown", "image/png"):
        answer = client.get(path, headers={"Accept": accept})
        assert (answer.content, answer.headers["content-type"]) == (
            plain.content,
            plain.headers["content-type"],
        )


def test_a_page_fetches_nothing_and_links_nowhere_beyond_its_root(client):
    for path, up in (("/models", "./"), ("/models/fake", "../"), ("/models/fake/versions/1", "../../../")):
        assert f'href="{up}static/style.css"' in client.get(path).text
