import json

import pytest

from app import errors as served
from vitrine_client import errors
from vitrine_client.problems import error_of


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
