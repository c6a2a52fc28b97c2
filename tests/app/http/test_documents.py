import re

import numpy as np
import pytest

from app.access.refusals import AccessRefused
from app.http import iiif
from app.http.documents import describe
from app.http.options import never
from app.http.pictures import PICTURES
from app.http.problems import kinds
from app.pictures.formats import FORMATS
from tests.fakes import png_bytes

OF_THE_ELBO = ("x-elbo", "x-reconstruction", "x-kl")


@pytest.fixture
def paths(client):
    return client.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize("endpoint", PICTURES, ids=lambda each: f"{each.method} {each.path}")
def test_every_picture_is_documented_with_the_parameters_that_it_reads(paths, endpoint):
    operation = paths[endpoint.path][endpoint.method.lower()]
    fields = [
        (name, field)
        for name, field in endpoint.query.model_fields.items()
        if (field.alias or name) not in never(endpoint)
    ]
    assert [each["name"] for each in operation["parameters"]] == [
        field.alias or name for name, field in fields
    ]
    assert all(each["description"] for each in operation["parameters"])
    assert [each["name"] for each in operation["parameters"] if each["required"]] == [
        field.alias or name for name, field in fields if field.is_required()
    ]
    assert ("requestBody" in operation) is (endpoint.method == "POST")
    assert FORMATS[endpoint.query.formats[0]].media_type in operation["responses"]["200"]["content"]


@pytest.mark.parametrize("endpoint", PICTURES, ids=lambda each: f"{each.method} {each.path}")
def test_what_an_endpoint_never_takes_is_refused_whatever_its_value_and_not_documented(
    client, paths, endpoint
):
    documented = {each["name"] for each in paths[endpoint.path][endpoint.method.lower()]["parameters"]}
    values = {
        "fps": "5",
        "loop": "once",
        "axis": "0",
        "low": "0",
        "high": "0",
        "at": "centre",
        "seed": "1",
        "z": "0,0",
    }
    for name in never(endpoint):
        answer = client.request(
            endpoint.method,
            f"{endpoint.path}?{name}={values[name]}",
            **({"files": [("file", png_bytes(np.zeros((8, 8), np.uint8)))] * 2} if endpoint.body else {}),
        )
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["parameter"] == name
        assert name not in documented


def test_defaults_and_ranges_of_values_stand_in_the_schema():
    samples = {each["name"]: each["schema"] for each in describe(PICTURES[0])["parameters"]}
    assert samples["n"]["default"] == 21
    assert samples["n"]["type"] == "integer"
    assert samples["render"]["enum"] == ["mean", "draw"]


def test_pictures_are_documented_first(paths):
    assert list(paths)[:3] == ["/samples", "/interpolate", "/decode"]


def test_the_addresses_are_these(paths):
    assert {path for path in paths if not path.startswith("/v2")} == {  # tests of its own
        *(endpoint.path for endpoint in PICTURES),
        *iiif.operations({}),
        "/inspect",
        "/livez",
        "/readyz",
        "/version",
        "/metrics",
        "/models.json",
        "/models/{name}.json",
        "/models/{name}/versions/{number}.json",
        "/problems.json",
    }


def test_planes_as_images_declare_the_refusals_of_their_own_kind(paths):
    for path in iiif.operations({}):
        declared = statuses(paths[path]["get"])
        assert {400, 404, 405, 410, 500, 503, 504} <= declared
        assert 422 not in declared


def test_status_is_documented_and_pages_are_not(paths):
    assert {"/livez", "/readyz", "/version", "/metrics"} <= set(paths)
    assert {"/models.json", "/models/{name}/versions/{number}.json", "/problems.json"} <= set(paths)
    assert not {"/", "/docs", "/problems", "/models", "/manual"} & set(paths)


UPLOAD = {"multipart/form-data", "image/*"}


def test_uploads_are_documented_with_what_they_may_be(paths):
    assert set(paths["/reconstruct"]["post"]["requestBody"]["content"]) == UPLOAD


def operations(paths):
    return [(path, operation) for path, methods in paths.items() for operation in methods.values()]


def test_every_refusal_of_every_operation_is_a_problem_and_nothing_else(paths):
    for path, operation in operations(paths):
        if path.startswith("/v2"):  # whose protocol has a form of its own
            continue
        for status, answer in operation["responses"].items():
            if status >= "400":
                schema = {"$ref": "#/components/schemas/Problem"}
                assert answer["content"] == {"application/problem+json": {"schema": schema}}, (path, status)
                assert answer["description"], (path, status)


def statuses(operation):
    return {int(status) for status in operation["responses"]}


def test_each_operation_declares_the_statuses_that_can_occur(paths):
    every = {200, 400, 405, 408, 414, 431, 500, 503}
    picture = every | {404, 429, 406, 410, 422, 504}
    for endpoint in PICTURES:
        found = statuses(paths[endpoint.path][endpoint.method.lower()])
        assert found == picture | ({400, 413, 415} if endpoint.body else {304}), endpoint.path
    for path in ("/livez", "/readyz", "/version", "/metrics"):
        assert statuses(paths[path]["get"]) == every
    for path in ("/models.json", "/problems.json"):
        assert statuses(paths[path]["get"]) == every | {304}
    for path in ("/models/{name}.json", "/models/{name}/versions/{number}.json"):
        assert statuses(paths[path]["get"]) == every | {304, 404, 410}
    assert statuses(paths["/inspect"]["post"]) == every | {413, 415, 422, 429, 504}


def test_every_kind_of_problem_that_an_answer_may_have_is_declared_somewhere(paths):
    told = " ".join(
        answer["description"]
        for _, operation in operations(paths)
        for answer in operation["responses"].values()
    )
    elsewhere = {"not-found", "range-not-satisfiable"}  # of which there is no operation
    elsewhere |= {kind.kind for kind in kinds(AccessRefused)}  # where keys are needed: test_security.py
    if "/score" not in paths:
        elsewhere.add("scoring-unavailable")
    for kind in kinds():
        assert f"`{kind.kind}`" in told or kind.kind in elsewhere, kind


def test_the_schema_of_a_problem_is_what_is_sent(client):
    schema = client.get("/openapi.json").json()["components"]["schemas"]["Problem"]
    fault = schema["properties"]["errors"]["items"]
    types = {"string": str, "integer": int, "array": list}
    for path in ("/samples?n=0&x=1", "/nothing", "/samples.tiff", "/samples?model=nobody"):
        body = client.get(path).json()
        assert set(body) == set(schema["required"]) == set(schema["properties"])
        for name, value in body.items():
            assert isinstance(value, types[schema["properties"][name]["type"]]), name
        for each in body["errors"]:
            assert set(each) == set(fault["required"]) == set(fault["properties"])


def test_nothing_of_fastapis_own_refusals_is_left(client):
    text = client.get("/openapi.json").text
    assert "ValidationError" not in text
    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert name in client.get("/openapi.json").json()["components"]["schemas"]


def test_the_description_says_what_a_picture_shows_unless_asked_otherwise(client):
    told = client.get("/openapi.json").json()["info"]["description"]
    assert "`render=mean`" in told
    assert "E[x given z]" in told
    assert "draws from p(x given z)" in told


def test_of_a_causal_likelihood_the_mean_picture_of_a_point_is_said_to_be_its_base(client):
    told = client.get("/openapi.json").json()["paths"]["/decode"]["get"]["description"]
    assert "the mean of p(x given z), or of a causal likelihood the base m(z)" in told


def test_the_documents_own_page_names_no_other_host(client):
    own = "http://vitrine"  # in lines to be copied
    assert "http" not in client.get("/docs").text.replace(own, "")


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
    elsewhere = {"etag", "x-seed", *OF_THE_ELBO}  # of seeded addresses, and of those that ask for it
    assert {name.lower() for name in documented} - own <= elsewhere


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
    assert "200" in responses
    assert "304" not in responses
    documented = {name.lower() for name in responses["200"]["headers"]}
    answer = client.post("/reconstruct", files={"file": png_bytes(np.full((8, 8), 250, np.uint8))})
    own = {name for name in answer.headers if name.startswith("x-")} - {"x-content-type-options"}
    assert own | {"cache-control", *OF_THE_ELBO} == documented


@pytest.mark.parametrize("name", ["from", "to", "via", "path", "at"])
def test_the_points_of_a_walk_are_documented_by_the_names_that_requests_write(paths, name):
    parameters = {each["name"]: each for each in paths["/interpolate"]["get"]["parameters"]}
    assert name in parameters
    assert "from_" not in parameters


def test_the_document_is_made_once_and_not_sent_to_who_has_it(client):
    first = client.get("/openapi.json")
    assert first.headers["content-type"] == "application/json"
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/openapi.json").content == first.content


@pytest.mark.parametrize(
    ("path", "name", "range_of_it"),
    [
        ("/samples", "n", (1, 400)),
        ("/samples", "offset", (0, 2**40)),
        ("/samples", "temperature", (0, 4)),
        ("/interpolate", "low", (-8, 8)),
        ("/interpolate", "steps", (2, 64)),
        ("/manifold", "columns", (1, 64)),
        ("/decode", "columns", (1, 10**19 - 1)),
        ("/score", "k", (1, 8192)),
        ("/axes", "zoom", (1, 16)),
        ("/axes", "fps", (1, 50)),
    ],
)
def test_a_documented_range_ends_where_requests_are_refused(client, paths, path, name, range_of_it):
    schema = next(each["schema"] for each in paths[path]["get"]["parameters"] if each["name"] == name)
    assert (schema["minimum"], schema["maximum"]) == range_of_it
    needed = "points=centre&" if path == "/decode" else ""
    for value in (range_of_it[0] - 1, range_of_it[1] + 1):
        answer = client.get(f"{path}?{needed}{name}={value}")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["parameter"] == name


def test_no_parameter_is_documented_as_null_which_no_query_can_write(paths):
    for path, operation in operations(paths):
        for parameter in operation.get("parameters", ()):
            assert "null" not in str(parameter["schema"]), (path, parameter["name"])


def test_every_format_that_is_offered_is_documented_by_its_type(paths):
    content = paths["/samples"]["get"]["responses"]["200"]["content"]
    assert set(content) == {offered.media_type for offered in FORMATS.values()}
