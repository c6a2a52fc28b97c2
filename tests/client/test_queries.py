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
    "/encode": queries.EncodeQuery,
    "/score": queries.SurpriseQuery,
    "/complete": queries.CompleteQuery,
}
# What a function of the client does not take by its name: points stand alone, and codes are read from JSON.
OTHERWISE = {"/decode": {"points"}, "/encode": {"format"}}


def queries_of(path):
    """What a path takes by each of its methods."""
    return [endpoint.query for endpoint in PICTURES if endpoint.path == path]


def parameters_of(path):
    """Schemas of the parameters that a path takes, by any method."""
    return {each["name"]: each for query in queries_of(path) for each in served.documented(query)}


def choices_of(path):
    """By parameter, its choices; of those that have some."""
    found = {"format": {each for query in queries_of(path) for each in query.formats}}
    for name, each in parameters_of(path).items():
        schema = each["schema"]
        choices = {choice for one in (schema, *schema.get("anyOf", ())) for choice in one.get("enum", ())}
        found |= {name: choices} if choices else {}
    return {name: choices for name, choices in found.items() if name not in OTHERWISE.get(path, ())}


def test_every_picture_has_its_query():
    assert {endpoint.path for endpoint in PICTURES} == set(CLIENTS)


@pytest.mark.parametrize("path", CLIENTS)
def test_a_query_has_every_parameter_of_the_service_and_no_other(path):
    names = {name.rstrip("_") for name in typing.get_type_hints(CLIENTS[path])}
    assert names == set(parameters_of(path)) - OTHERWISE.get(path, set())


@pytest.mark.parametrize("path", CLIENTS)
def test_a_parameter_is_required_where_the_service_requires_it(path):
    required = {name for name, each in parameters_of(path).items() if each["required"]}
    own = {name.rstrip("_") for name in CLIENTS[path].__required_keys__}
    assert own == required - OTHERWISE.get(path, set())


@pytest.mark.parametrize("path", CLIENTS)
def test_choices_are_those_of_the_service(path):
    hints = typing.get_type_hints(CLIENTS[path])
    own = {
        name.rstrip("_"): set(typing.get_args(hint))
        for name, hint in hints.items()
        if typing.get_origin(hint) is typing.Literal
    }
    assert own == choices_of(path)


def test_scores_take_what_a_picture_of_them_takes_but_for_how_it_is_drawn():
    drawn = set(typing.get_type_hints(queries.StyleQuery)) | {"format", "columns"}
    both = set(typing.get_type_hints(queries.ScoreQuery)), set(typing.get_type_hints(queries.SurpriseQuery))
    assert both[0] - {"model"} == both[1] - drawn
    assert queries.ScoreQuery.__required_keys__ == frozenset()
