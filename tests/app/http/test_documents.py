import numpy as np
import pytest

from app.http.documents import describe
from app.http.pictures import PICTURES
from app.pictures.formats import FORMATS
from tests.fakes import png_bytes


@pytest.fixture
def paths(client):
    return client.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize("endpoint", PICTURES, ids=lambda each: f"{each.method} {each.path}")
def test_every_picture_is_documented_with_the_parameters_that_it_reads(paths, endpoint):
    operation = paths[endpoint.path][endpoint.method.lower()]
    fields = endpoint.query.model_fields.items()
    assert [each["name"] for each in operation["parameters"]] == [
        field.alias or name for name, field in fields
    ]
    assert all(each["description"] for each in operation["parameters"])
    assert [each["name"] for each in operation["parameters"] if each["required"]] == [
        field.alias or name for name, field in fields if field.is_required()
    ]
    assert ("requestBody" in operation) is (endpoint.method == "POST")
    assert "image/png" in operation["responses"]["200"]["content"]
    assert "application/problem+json" in operation["responses"]["default"]["content"]


def test_defaults_and_ranges_of_values_stand_in_the_schema():
    samples = {each["name"]: each["schema"] for each in describe(PICTURES[0])["parameters"]}
    assert samples["n"]["default"] == 21
    assert samples["n"]["type"] == "integer"
    assert samples["render"]["enum"] == ["mean", "draw"]


def test_pictures_are_documented_first(paths):
    assert list(paths)[:3] == ["/samples", "/interpolate", "/decode"]


def test_status_is_documented_and_pages_are_not(paths):
    assert {"/livez", "/readyz", "/version", "/metrics"} <= set(paths)
    assert not {"/", "/docs", "/problems"} & set(paths)


def test_the_documents_own_page_names_no_other_host(client):
    assert "http" not in client.get("/docs").text.replace("http-equiv", "")


@pytest.mark.parametrize(
    "url", ["/samples?n=1", "/samples?n=1&seed=tulip", "/interpolate?seed=3", "/reconstruct"]
)
def test_every_header_of_a_picture_is_documented_and_every_documented_one_is_sent_somewhere(
    client, paths, url
):
    answer = client.get(url)
    documented = paths[url.partition("?")[0]]["get"]["responses"]["200"]["headers"]
    own = {name for name in answer.headers if name.startswith("x-")} - {"x-content-type-options"}
    own |= {name for name in ("etag", "content-location", "cache-control") if name in answer.headers}
    assert own <= {name.lower() for name in documented}
    assert {name.lower() for name in documented} - own <= {"etag", "x-seed"}  # of seeded addresses


def test_an_unchanged_picture_is_documented_with_the_headers_that_it_has(client, paths):
    first = client.get("/samples?n=1&seed=1")
    answer = client.get("/samples?n=1&seed=1", headers={"If-None-Match": first.headers["etag"]})
    documented = paths["/samples"]["get"]["responses"][str(answer.status_code)]
    assert "content" not in documented
    own = {name for name in answer.headers if name.startswith("x-")} - {"x-content-type-options"}
    assert own | {"etag", "content-location", "cache-control"} == {
        name.lower() for name in documented["headers"]
    }


def test_an_upload_has_no_address_and_so_no_304(client, paths):
    responses = paths["/reconstruct"]["post"]["responses"]
    assert set(responses) == {"200", "default"}
    documented = {name.lower() for name in responses["200"]["headers"]}
    answer = client.post("/reconstruct", files={"file": png_bytes(np.full((8, 8), 250, np.uint8))})
    own = {name for name in answer.headers if name.startswith("x-")} - {"x-content-type-options"}
    assert own | {"cache-control"} == documented


@pytest.mark.parametrize("name", ["from", "to", "via", "path", "at"])
def test_the_points_of_a_walk_are_documented_by_the_names_that_requests_write(paths, name):
    parameters = {each["name"]: each for each in paths["/interpolate"]["get"]["parameters"]}
    assert name in parameters
    assert "from_" not in parameters


def test_every_format_that_is_offered_is_documented_by_its_type(paths):
    content = paths["/samples"]["get"]["responses"]["200"]["content"]
    assert set(content) == {offered.media_type for offered in FORMATS.values()}
