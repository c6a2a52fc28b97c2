import pytest

from app.http.documents import describe
from app.http.pictures import PICTURES


@pytest.fixture
def paths(client):
    return client.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize("endpoint", PICTURES, ids=lambda each: f"{each.method} {each.path}")
def test_every_picture_is_documented_with_the_parameters_that_it_reads(paths, endpoint):
    operation = paths[endpoint.path][endpoint.method.lower()]
    assert [each["name"] for each in operation["parameters"]] == list(endpoint.query.model_fields)
    assert all(each["description"] and not each["required"] for each in operation["parameters"])
    assert ("requestBody" in operation) is endpoint.takes_files
    assert "image/png" in operation["responses"]["200"]["content"]
    assert "application/problem+json" in operation["responses"]["default"]["content"]


def test_defaults_and_ranges_of_values_stand_in_the_schema():
    samples = {each["name"]: each["schema"] for each in describe(PICTURES[0])["parameters"]}
    assert samples["n"]["default"] == 21
    assert samples["n"]["type"] == "integer"
    assert samples["render"]["enum"] == ["mean", "draw"]


def test_pictures_are_documented_first(paths):
    assert list(paths)[:3] == ["/samples", "/interpolate", "/reconstruct"]


def test_status_is_documented_and_pages_are_not(paths):
    assert {"/livez", "/readyz", "/version", "/metrics"} <= set(paths)
    assert not {"/", "/docs", "/problems"} & set(paths)


def test_the_documents_own_page_names_no_other_host(client):
    assert "http" not in client.get("/docs").text.replace("http-equiv", "")
