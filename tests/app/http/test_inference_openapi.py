"""The protocol in the API documentation: complete, and true of what is answered."""

import numpy as np

from app.http import inference_openapi
from app.http.examples import Known
from app.main import create_app
from app.settings import Settings
from tests.conftest import Client
from tests.fakes import FakeRuntime, open_fake, write_version


def test_every_address_is_documented_and_nothing_else(client):
    routes = {route.path for route in client.app.router.routes if route.path.startswith("/v2")}
    documented = client.get("/openapi.json").json()["paths"]
    assert {path for path in documented if path.startswith("/v2")} == routes - {"/v2/", "/v2/{path:path}"}


def test_the_documents_example_is_answered_as_its_schema_says(tmp_path):
    write_version(tmp_path, name="fashion-map", number=3)
    client = Client(create_app(Settings(model_store=tmp_path), open_fake))
    known = Known("fashion-map", 3, 2, "fashion-map;x=0;y=1")
    for path, operations in inference_openapi.paths(known).items():
        ((method, operation),) = operations.items()
        places = {each["name"]: each["example"] for each in operation["parameters"] if each["in"] == "path"}
        url = path.format(**places)
        example = inference_openapi.example(known) if method == "post" else None
        response = client.request(method.upper(), url, json=example)
        assert response.status_code == 200, url
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        content = response.json()
        assert set(schema["required"]) <= content.keys() <= schema["properties"].keys()
        if method == "post":
            images = np.array(content["outputs"][0]["data"], np.float32).reshape(2, 8, 8)
            np.testing.assert_array_equal(images, FakeRuntime().decode(np.array(known.codes, np.float32)))
            assert content["id"] == "42"
    client.close()
