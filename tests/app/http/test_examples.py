"""Every example of the API documentation is asked for, and answered as the documentation says."""

import pytest

from app.main import create_app
from app.settings import Settings
from tests.conftest import Client
from tests.fakes import MAP, MIXTURE, open_fake, write_version

METHODS = {"get", "post"}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    write_version(store, mixture=MIXTURE, mapped=MAP)
    client = Client(create_app(Settings(model_store=store, default_model="fake"), open_fake))
    yield client
    client.close()


@pytest.fixture(scope="module")
def paths(client):
    return client.get("/openapi.json").json()["paths"]


def operations(paths):
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield path, method, operation


def examples_of(operation):
    """Parameters and bodies: a request for each example of a body, with every parameter's own example."""
    placed = {"path": {}, "query": {}}
    for parameter in operation.get("parameters", ()):
        if parameter["in"] in placed and "example" in parameter:
            placed[parameter["in"]][parameter["name"]] = parameter["example"]
    bodies = [(None, None)]
    if "requestBody" in operation:
        bodies = []
        for kind, media in operation["requestBody"]["content"].items():
            found = [media["example"]] if "example" in media else []
            found += [
                each.get("value", each.get("externalValue")) for each in media.get("examples", {}).values()
            ]
            bodies += [(kind, each) for each in found]
    return [(placed["path"], placed["query"], kind, body) for kind, body in bodies]


def send(client, method, path, places, query, kind, body):
    options = {"params": query}
    if kind == "application/json":
        options["json"] = body
    elif kind == "image/*":
        picture = client.get(f"/{body}")
        assert picture.status_code == 200
        options |= {"content": picture.content, "headers": {"content-type": picture.headers["content-type"]}}
    return client.request(method, path.format(**places), **options)


def test_every_operation_has_an_example_of_all_that_it_cannot_be_asked_without(paths):
    for path, method, operation in operations(paths):
        assert method in METHODS
        for parameter in operation.get("parameters", ()):
            assert "example" in parameter or not parameter["required"], (method, path, parameter["name"])
        if "requestBody" in operation:
            assert examples_of(operation), (method, path)
            content = operation["requestBody"]["content"]
            if "application/json" in content:
                assert {"example", "examples"} & set(content["application/json"]), (method, path)


def test_every_picture_has_an_example_of_a_parameter(paths):
    for path, method, operation in operations(paths):
        if "pictures" in operation["tags"] and path != "/manifold/info.json" and path != "/encode":
            assert any("example" in each for each in operation["parameters"]), (method, path)


def test_every_example_is_answered_as_documented(client, paths):
    asked = 0
    for path, method, operation in operations(paths):
        for example in examples_of(operation):
            answer = send(client, method, path, *example)
            documented = operation["responses"].get(str(answer.status_code))
            right = 200 if "200" in operation["responses"] else 303  # which leads to a document
            assert answer.status_code == right, (method, path, example, answer.text)
            if answer.status_code == 200:
                kinds = {kind.partition(";")[0] for kind in documented["content"]}
                assert answer.headers["content-type"].partition(";")[0] in kinds, (method, path)
                assert answer.content
            asked += 1
    assert asked > 40  # there are as many operations, and some have several


def test_the_codes_of_both_examples_of_a_body_are_points_of_the_model(client, paths):
    content = paths["/decode"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    codes = content["codes"]["value"]
    asked = client.post("/decode?format=json", json=codes).json()["images"]
    assert [each["point"] for each in asked] == ["z:0.0,0.0", "z:0.5,0.5"]
