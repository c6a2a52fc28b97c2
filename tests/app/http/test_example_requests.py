"""The lines that people copy ask for what the example asks for, by the client and by the command too."""

import json
import shlex

import numpy as np
import pytest

import vitrine_client
from app.cli import cli
from app.http.example_requests import BASE, example_of, lines_of
from app.main import create_app
from app.settings import Settings
from tests.conftest import Client
from tests.fakes import MAP, MIXTURE, open_fake, png_bytes, write_version
from vitrine_client import requests

PICTURE = png_bytes(np.zeros((8, 8), np.uint8))


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    write_version(store, mixture=MIXTURE, mapped=MAP)
    client = Client(create_app(Settings(model_store=store, default_model="fake"), open_fake))
    yield client.get("/openapi.json").json()["paths"]
    client.close()


def examples(paths):
    for path, methods in paths.items():
        for method, operation in methods.items():
            example = example_of(path, method, operation)
            yield example, {each.title: each.text for each in lines_of(example, operation)}


def test_an_example_fills_in_places_and_leaves_out_what_only_some_models_have(paths):
    samples = example_of("/samples", "get", paths["/samples"]["get"])
    assert samples.address == "/samples?n=21&seed=42&zoom=3"  # and not of=example:0
    assert samples.file == "samples.png"
    path = "/models/{name}/versions/{number}.json"
    assert example_of(path, "get", paths[path]["get"]).address == "/models/fake/versions/1.json"


def test_an_example_of_an_address_that_gives_numbers_says_nothing_of_drawing(paths):
    assert example_of("/score", "get", paths["/score"]["get"]).address == "/score"


def test_an_example_asks_the_model_that_is_named(paths):
    example = example_of("/map", "get", paths["/map"]["get"], "other@1")
    assert example.address == "/map?model=other@1&zoom=3"


def test_a_value_is_escaped_in_an_address():
    parameter = {"name": "points", "in": "query", "example": "label:A b&c;centre"}
    operation = {"parameters": [parameter], "responses": {"200": {"content": {"image/png": {}}}}}
    assert example_of("/decode", "get", operation).address == "/decode?points=label:A%20b%26c;centre"


def test_every_operation_has_lines_for_curl_and_each_but_json_bodies_for_the_others(paths):
    for example, lines in examples(paths):
        assert any(title.startswith("curl") for title in lines)
        if not example.path.endswith("/infer"):
            assert {"curl", "Python", "Command line"} <= set(lines), example


def test_curl_asks_for_the_example(paths):
    for example, lines in examples(paths):
        for title, text in lines.items():
            if title.startswith("curl"):
                words = shlex.split(text.splitlines()[-1])
                assert words[0] == "curl"
                assert words[-1] == BASE + example.address
                assert ("-F" in words or "-d" in words) is (example.method == "POST")
                if "-d" in words:
                    assert isinstance(json.loads(words[words.index("-d") + 1]), dict)


class Asked:
    """What stands in for the client: keeps the request that a method makes, and answers anything."""

    made: requests.Request

    def __init__(self, base):
        assert base == BASE

    def __getattr__(self, name):
        def method(*given, **query):
            Asked.made = getattr(requests, name)(*given, **query)
            return Answered()

        return method


class Answered:
    content = b""

    def json(self):
        return {}

    def save(self, path):
        assert path.endswith(".png")


def test_the_client_asks_for_the_example(paths, monkeypatch, tmp_path):
    (tmp_path / "picture.png").write_bytes(PICTURE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(vitrine_client, "Client", Asked)
    for example, lines in examples(paths):
        if "Python" in lines:
            exec(lines["Python"], {"print": lambda _: None})  # noqa: S102  lines of our own
            assert Asked.made.method == example.method, lines["Python"]
            assert parts(Asked.made.address) == parts(example.address), lines["Python"]


def parts(address):
    path, _, query = address.partition("?")
    return path, sorted(query.split("&"))


def test_the_command_takes_the_options_of_the_example(paths, monkeypatch, tmp_path):
    (tmp_path / "picture.png").write_bytes(PICTURE)
    monkeypatch.chdir(tmp_path)
    for example, lines in examples(paths):
        if "Command line" not in lines:
            continue
        program, name, *words = shlex.split(lines["Command line"])
        assert program == "vitrine"
        given = cli.commands[name].make_context(name, words).params
        assert given["url"] == BASE
        if name == "render":
            assert given["address"] == example.address
            continue
        assert f"/{name}" == example.path
        assert bool(given.get("files", ())) is (example.method == "POST")
        named = {key: value for key, value in given.items() if key in example.query}
        assert {key: str(int(value) if value is True else value) for key, value in named.items()} == {
            key: str(value) for key, value in example.query.items()
        }
