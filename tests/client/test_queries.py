"""The client's parameters are the service's own."""

import typing

import pytest

from app.http import queries as served
from app.http.pictures import PICTURES
from vitrine_client import queries

CLIENTS = {
    "/samples": queries.SamplesQuery,
    "/interpolate": queries.InterpolateQuery,
    "/decode": queries.DecodeQuery,
    "/reconstruct": queries.ReconstructQuery,
    "/axes": queries.AxesQuery,
    "/manifold": queries.ManifoldQuery,
    "/map": queries.MapQuery,
    "/directions": queries.DirectionsQuery,
    "/compare": queries.CompareQuery,
}
POSITIONAL = {"/decode": {"points"}}


def parameters_of(path):
    """Schemas of the parameters that a path takes, by any method."""
    found = [endpoint for endpoint in PICTURES if endpoint.path == path]
    return {each["name"]: each for endpoint in found for each in served.documented(endpoint.query)}


def test_every_picture_has_its_query():
    assert {endpoint.path for endpoint in PICTURES} == set(CLIENTS)


@pytest.mark.parametrize("path", CLIENTS)
def test_a_query_has_every_parameter_of_the_service_and_no_other(path):
    names = {name.rstrip("_") for name in typing.get_type_hints(CLIENTS[path])}
    assert names == set(parameters_of(path)) - POSITIONAL.get(path, set())


@pytest.mark.parametrize("path", CLIENTS)
def test_a_parameter_is_required_where_the_service_requires_it(path):
    required = {name for name, each in parameters_of(path).items() if each["required"]}
    assert {name.rstrip("_") for name in CLIENTS[path].__required_keys__} == required - POSITIONAL.get(
        path, set()
    )


@pytest.mark.parametrize("path", CLIENTS)
def test_choices_are_those_of_the_service(path):
    checked = 0
    for name, hint in typing.get_type_hints(CLIENTS[path]).items():
        schema = parameters_of(path).get(name.rstrip("_"), {}).get("schema", {})
        choices = {choice for one in (schema, *schema.get("anyOf", ())) for choice in one.get("enum", ())}
        if name == "format":
            choices = set(served.FORMATS)
        if typing.get_origin(hint) is typing.Literal or choices:
            assert set(typing.get_args(hint)) == choices, name
            checked += 1
    assert checked >= 3
