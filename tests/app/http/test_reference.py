"""The API reference has all that the OpenAPI document has, and what it shows works."""

import html
import re
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest

from app.http import reference
from app.http.middleware import SECURITY_HEADERS
from app.http.problems import kinds
from app.http.reference import GROUPS, LOCAL, anchor_of, render
from app.http.schema_words import number, words_of
from app.main import create_app
from app.settings import Settings
from tests.conftest import SHIPPED_STORE, Client
from tests.fakes import MAP, MIXTURE, open_fake, write_version


class Element:
    """An element of a page, with what is in it."""

    def __init__(self, name, attributes):
        self.name, self.attributes, self.children = name, attributes, []

    def all(self, name, **attributes):
        for child in self.children:
            if isinstance(child, Element):
                if child.name == name and attributes.items() <= child.attributes.items():
                    yield child
                yield from child.all(name, **attributes)

    @property
    def text(self):
        parts = (child.text if isinstance(child, Element) else child for child in self.children)
        return " ".join("".join(parts).split())


class Tree(HTMLParser):
    """A page as elements; every element must be closed in its place."""

    EMPTY = frozenset({"meta", "link", "img", "input", "br", "wbr"})

    def __init__(self, text):
        super().__init__()
        self.open = [Element("", {})]
        self.feed(text)
        self.close()
        assert len(self.open) == 1

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in self.EMPTY:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop().name == tag

    def handle_data(self, data):
        self.open[-1].children.append(data)


def tree_of(text):
    return Tree(text).open[0]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    write_version(store, mixture=MIXTURE, mapped=MAP)
    client = Client(create_app(Settings(model_store=store, default_model="fake"), open_fake))
    yield client
    client.close()


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json()


@pytest.fixture(scope="module")
def page(client):
    return tree_of(client.get("/docs").text)


@pytest.fixture(scope="module")
def articles(page):
    """By method and path, the part of the page that tells of an operation."""
    return {each.attributes["id"]: each for each in page.all("article")}


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield anchor_of(method, path), method, path, operation


def test_every_operation_is_there_once_with_its_summary(document, articles):
    told = {anchor: (method, path, each) for anchor, method, path, each in operations(document)}
    assert len(told) == sum(len(methods) for methods in document["paths"].values()) > 35
    assert set(articles) == set(told)
    for anchor, (method, path, operation) in told.items():
        assert next(articles[anchor].all("h3")).text == f"{method.upper()} {path}"
        assert operation["summary"] in articles[anchor].text


def test_an_operation_has_an_anchor_that_can_be_written_by_hand(articles):
    assert {"get-samples", "post-reconstruct", "get-models-name-versions-number-json"} <= set(articles)
    assert all(re.fullmatch(r"(get|post)(-[a-z0-9]+)+", anchor) for anchor in articles)


def test_every_group_has_an_address_and_each_address_one_group(document, page):
    sections = {each.attributes["id"]: each for each in page.all("section")}
    assert list(sections) == [*(group.name for group in GROUPS), "problems"]
    assert all(len(list(sections[group.name].all("article"))) for group in GROUPS)
    by_path = {
        path: [group.name for group in GROUPS if any(path.startswith(each) for each in group.paths)]
        for path in document["paths"]
    }
    assert by_path["/manifold/info.json"] == ["planes"]
    assert by_path["/map"] == ["maps"]


def rows(article, label):
    """The rows of a table as texts."""
    (frame,) = article.all("div", **{"aria-label": label})
    return [[cell.text for cell in row.children if isinstance(cell, Element)] for row in frame.all("tr")][1:]


def test_every_parameter_is_there_with_its_range_default_and_meaning(document, articles):
    seen = 0
    for anchor, method, path, operation in operations(document):
        parameters = operation.get("parameters", ())
        if not parameters:
            assert "Parameters" not in [each.text for each in articles[anchor].all("h4")]
            continue
        found = {
            row[0].split()[0]: row for row in rows(articles[anchor], f"Parameters of {method.upper()} {path}")
        }
        assert set(found) == {each["name"] for each in parameters}
        for each in parameters:
            _, kind, default, meaning = found[each["name"]]
            schema = each["schema"]
            for bound in ("minimum", "maximum", "minLength", "maxLength"):
                if bound in schema and (bound, schema[bound]) != ("minLength", 1):
                    assert number(schema[bound]) in kind, (anchor, each["name"])
            for choice in schema.get("enum", ()):
                assert str(choice) in kind
            if each["required"]:
                assert default == "required"
            else:
                assert default == number(schema.get("default", ""))
            assert words_of(schema).kind in kind
            assert " ".join(each["description"].replace("`", "").split()) in meaning
            seen += 1
    assert seen > 200


def test_a_range_is_written_out(articles):
    found = {row[0]: row for row in rows(articles["get-samples"], "Parameters of GET /samples")}
    assert found["n"][1:3] == ["whole number, 1 to 400", "21"]
    assert found["render"][1:3] == ["one of: mean, draw", ""]
    assert found["seed"][1] == "whole number, 0 to 2^63-1 or text, 1 to 64 characters"
    assert list(found)[-1] == "loop"  # what every picture takes stands behind its own


def test_every_body_is_there_with_its_fields(document, articles):
    seen = 0
    for anchor, method, path, operation in operations(document):
        for kind, media in operation.get("requestBody", {}).get("content", {}).items():
            assert kind in articles[anchor].text
            for name in media["schema"].get("properties", ()):
                label = f"Fields of {kind} to {method.upper()} {path}"
                assert name in [row[0] for row in rows(articles[anchor], label)]
                seen += 1
    assert seen > 10


def test_every_answer_is_there_with_its_types_headers_and_a_link_to_each_problem(document, articles):
    known = {kind.kind for kind in kinds()}
    linked = set()
    for anchor, method, path, operation in operations(document):
        found = {row[0]: row for row in rows(articles[anchor], f"Answers of {method.upper()} {path}")}
        assert set(found) == set(operation["responses"])
        links = {each.attributes["href"] for each in articles[anchor].all("a")}
        for status, answer in operation["responses"].items():
            assert found[status][2] == ", ".join(answer.get("content", ()))
            told = known & set(re.findall(r"`([a-z-]+)`", answer["description"]))
            assert {f"problems/{kind}" for kind in told} <= links
            linked |= told
        for name in operation["responses"].get("200", {}).get("headers", ()):
            assert name in [each.text for each in articles[anchor].all("dt")]
    assert len(linked) > 15


def test_every_example_is_a_link_that_opens_what_is_documented(client, document, articles):
    asked = 0
    for anchor, method, _, operation in operations(document):
        links = [
            each for frame in articles[anchor].all("p", **{"class": "example"}) for each in frame.all("a")
        ]
        assert len(links) == (method == "get" and "200" in operation["responses"]), anchor
        for link in links:
            answer = client.get(f"/{link.attributes['href'].removeprefix('./')}")
            assert answer.status_code == 200, link.attributes["href"]
            assert answer.headers["content-type"].partition(";")[0] in {
                kind.partition(";")[0] for kind in operation["responses"]["200"]["content"]
            }
            asked += 1
    assert asked > 20


def fields_of(form):
    """What a browser sends of a form as it is, without JavaScript: what is disabled stays out."""
    disabled = {
        id(field)
        for fieldset in form.all("fieldset")
        if "disabled" in fieldset.attributes
        for name in ("input", "select")
        for field in fieldset.all(name)
    }
    for field in form.all("input"):
        if id(field) not in disabled:
            yield field.attributes["name"], field.attributes["value"]
    for field in form.all("select"):
        if id(field) not in disabled:
            (chosen,) = (each for each in field.all("option") if "selected" in each.attributes)
            yield field.attributes["name"], chosen.text


def test_every_form_opens_a_picture_as_it_is_without_javascript(client, page):
    forms = list(page.all("form"))
    assert len(forms) > 8
    for form in forms:
        assert form.attributes["method"] == "get"
        sent = dict(fields_of(form))
        assert sent
        answer = client.get(f"/{form.attributes['action'].removeprefix('./')}?{urlencode(sent)}")
        assert answer.status_code == 200, (form.attributes["action"], sent)


def test_a_form_has_a_field_with_a_label_for_every_parameter(document, articles):
    for anchor, _, _, operation in operations(document):
        for form in articles[anchor].all("form"):
            fields = [*form.all("input"), *form.all("select")]
            named = {each.attributes["name"] for each in fields}
            assert named == {each["name"] for each in operation["parameters"]}
            labels = {each.attributes["for"] for each in form.all("label")}
            assert labels == {each.attributes["id"] for each in fields}


def test_every_name_of_an_element_is_its_own(page):
    names = [
        each for tag in ("article", "section", "h2", "h3", "h4", "input", "select") for each in page.all(tag)
    ]
    ids = [each.attributes["id"] for each in names if "id" in each.attributes]
    assert len(ids) == len(set(ids)) > 100


def test_the_index_leads_to_every_operation_and_says_where_the_document_is(page, articles):
    (index,) = page.all("nav", **{"aria-label": "Addresses"})
    links = [each.attributes["href"] for each in index.all("a")]
    assert {f"#{anchor}" for anchor in articles} | {"#samples", "#problems"} <= set(links)
    assert "./openapi.json" in [each.attributes["href"] for each in page.all("a")]


def test_no_script_or_style_stands_in_the_page_and_the_policy_is_that_of_every_page(client, page):
    answer = client.get("/docs")
    assert (
        answer.headers["content-security-policy"]
        == dict(SECURITY_HEADERS)[b"content-security-policy"].decode()
    )
    assert all("src" in each.attributes and not each.text for each in page.all("script"))
    assert not list(page.all("style"))
    assert not re.search(r"<[^>]+\s(style|on[a-z]+)=", answer.text)
    hidden = [each for each in page.all("div", hidden=None) if "data-filter" not in each.attributes]
    assert hidden == []  # what needs JavaScript is the filter alone, and fields that may stay empty


def test_what_the_document_says_is_escaped(client, document):
    bad = "<script>alert(1)</script> & \"'"
    changed = {**document, "paths": {"/samples": {"get": dict(document["paths"]["/samples"]["get"])}}}
    operation = changed["paths"]["/samples"]["get"]
    schema = {"type": "string", "enum": [bad], "default": bad}
    operation |= {"summary": bad, "description": bad}
    operation["parameters"] = [
        {"name": bad, "in": "query", "required": False, "description": bad, "schema": schema, "example": bad}
    ]
    operation["responses"] = {
        "200": {"description": bad, "content": {bad: {"schema": {}}}, "headers": {bad: {}}}
    }
    found = render(client.app.service, changed)
    assert "<script>alert" not in found
    assert html.escape("<script>alert(1)</script>") in found
    (article,) = tree_of(found).all("article")
    assert article.text.count("<script>alert(1)</script> & \"'") > 8


def test_it_is_rendered_once_and_not_sent_to_who_has_it(client, monkeypatch):
    first = client.get("/docs")
    monkeypatch.setattr(reference, "render", None)
    assert client.get("/docs").text == first.text
    again = client.get("/docs", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_lines_to_be_copied_name_the_service_by_the_address_that_it_was_asked_at(client):
    for host in ("vitrine", "example.org:8080", "[::1]:8000"):
        text = html.unescape(client.get("/docs", headers={"Host": host}).text)
        assert f"curl -o samples.png 'http://{host}/samples?n=21&seed=42&zoom=3'" in text
    text = client.get("/docs", headers={"Host": "<b>'"}).text  # no host at all
    assert "<b>'" not in html.unescape(text)
    assert f"Client(&#34;{LOCAL}&#34;)" in text


def test_they_name_the_origin_and_the_path_that_an_operator_gives(tmp_path):
    write_version(tmp_path)
    settings = Settings(
        model_store=tmp_path, default_model="fake", origin="https://pictures.example", root_path="/vae"
    )
    client = Client(create_app(settings, open_fake))
    text = html.unescape(client.get("/docs").text)
    assert "curl -o samples.png 'https://pictures.example/vae/samples?n=21&seed=42&zoom=3'" in text
    assert "http://vitrine" not in text
    client.close()


def test_a_map_is_asked_of_a_model_that_has_one(tmp_path):
    write_version(tmp_path)
    write_version(tmp_path, name="mapped", mapped=MAP)
    client = Client(create_app(Settings(model_store=tmp_path, default_model="fake"), open_fake))
    assert '<a href="./map?model=mapped@1&amp;zoom=3">' in client.get("/docs").text
    assert client.get("/map?model=mapped@1&zoom=3").status_code == 200
    client.close()


def test_of_models_without_a_map_it_says_that_none_can_be_asked(tmp_path):
    write_version(tmp_path)
    client = Client(create_app(Settings(model_store=tmp_path, default_model="fake"), open_fake))
    articles = {each.attributes["id"]: each for each in tree_of(client.get("/docs").text).all("article")}
    assert "No model that is served can be asked for this." in articles["get-map"].text
    assert not list(articles["get-map"].all("form"))
    client.close()


def test_examples_are_of_the_models_that_are_shipped():
    client = Client(
        create_app(Settings(model_store=SHIPPED_STORE, default_model="fashion", worker_threads=1))
    )
    text = html.unescape(client.get("/docs").text)
    assert re.search(r'href="./compare\?[^"]*with=fashion@\d+', text)
    assert re.search(r'href="./manifold/fashion@\d+-[0-9a-f]{12};x=0;y=1;at=seed:0/0/info.json"', text)
    client.close()
