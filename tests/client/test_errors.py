import json

import pytest

import app.protocol_errors  # noqa: F401  which has kinds too
from app import errors as served
from vitrine_client import errors
from vitrine_client.errors import error_of


def kinds(error=served.VitrineError):
    return {error.kind: error}.copy() | {
        kind: each for below in error.__subclasses__() for kind, each in kinds(below).items()
    }


# Of an operator, or of a start that ends; or in the form of its protocol, which the client does not speak.
NEVER_ANSWERED = {"no-model", "invalid-inference"}


def test_every_kind_of_problem_has_its_class_with_the_services_own_name():
    of_service = {kind: each for kind, each in kinds().items() if kind not in NEVER_ANSWERED}
    assert set(errors.KINDS) == set(of_service)
    for kind, each in of_service.items():
        if kind != "internal-error":
            assert errors.KINDS[kind].__name__ == each.__name__


def test_a_class_is_of_the_side_that_its_status_says():
    for kind, each in kinds().items():
        if kind in errors.KINDS:
            side = errors.RequestRefused if each.status < 500 else errors.ServiceFailed
            assert issubclass(errors.KINDS[kind], side), kind


def test_an_upload_that_is_refused_is_an_invalid_parameter_too():
    assert issubclass(errors.UnsupportedPicture, errors.InvalidParameter)


def test_an_error_says_what_the_problem_says():
    fault = served.Fault("n", "1..400", "0", "Use 1 to 400.", "out_of_range")
    body = served.InvalidParameter(fault).as_json("/samples", "abc")
    error = error_of("http://x/samples", 422, {"content-type": "application/problem+json"}, body, None)
    assert type(error) is errors.InvalidParameter
    assert (error.status, error.request_id, error.kind) == (422, "abc", "invalid-parameter")
    assert error.errors == (errors.Fault("n", "1..400", "0", "Use 1 to 400.", "out_of_range"),)
    assert error.remedy == "Use 1 to 400."
    assert str(error) == "n: expected 1..400. Received: 0. Use 1 to 400."


@pytest.mark.parametrize(("status", "side"), [(418, errors.RequestRefused), (599, errors.ServiceFailed)])
def test_a_kind_that_came_later_is_still_of_a_side(status, side):
    problem = {"type": "/problems/new-kind", "detail": "so", "errors": [{"parameter": "n"}, 3]}
    error = error_of(
        "u", status, {"content-type": "application/problem+json"}, json.dumps(problem).encode(), 2.0
    )
    assert type(error) is side
    assert (str(error), error.retry_after) == ("so", 2.0)
    assert [fault.parameter for fault in error.errors] == ["n", ""]


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"type": 3}', b"{", b"\xff"])
@pytest.mark.parametrize("kind", ["text/html", "application/problem+json"])
def test_a_failure_that_no_vitrine_gives_is_unexpected_and_names_its_address(content, kind):
    error = error_of("http://x/samples", 502, {"content-type": kind}, content, None)
    assert type(error) is errors.UnexpectedAnswer
    assert str(error).startswith("http://x/samples: status 502")
    assert error.remedy == ""
