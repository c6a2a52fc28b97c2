import json

import pytest

from app import errors, protocol_errors
from app.access import refusals

TREES = errors.__doc__ + protocol_errors.__doc__ + refusals.__doc__


def every_kind(error=errors.VitrineError):
    return [error, *(kind for child in error.__subclasses__() for kind in every_kind(child))]


@pytest.mark.parametrize("error", every_kind())
def test_every_error_stands_in_the_tree_at_the_top_with_its_status(error):
    lines = [
        line for line in TREES.splitlines() if error.__name__ in line.split() and str(error.status) in line
    ]
    assert len(lines) == 1 or error is errors.Overloaded  # above a kind of another module too
    depth = len(error.__mro__) - len(errors.VitrineError.__mro__)
    assert lines[0].startswith(f"{'  ' * depth}* {error.__name__}")
    assert str(error.status) in lines[0]


def test_no_two_errors_share_a_type():
    kinds = [error.kind for error in every_kind() if "kind" in vars(error)]
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("21", "21"),
        ("", "(empty)"),
        ("a\0b", r"a\x00b"),
        ("a\r\nb", r"a\r\nb"),
        ("\u202e١٢", r"\u202e\u0661\u0662"),
        ("é", r"\xe9"),
        ("9" * 5000, "9" * 77 + "..."),
    ],
)
def test_what_was_received_is_echoed_escaped_and_cut(value, expected):
    assert errors.echo(value) == expected


def test_a_problem_has_the_members_of_rfc_9457_and_ours():
    error = errors.InvalidParameter.of("n", "1..400", 0, "Use 1 to 400.", "out_of_range")
    assert json.loads(error.as_json("/samples", "abc")) == {
        "type": "/problems/invalid-parameter",
        "title": "A parameter cannot be used",
        "status": 422,
        "detail": "n: expected 1..400. Received: 0. Use 1 to 400.",
        "instance": "/samples",
        "request_id": "abc",
        "errors": [
            {
                "parameter": "n",
                "expected": "1..400",
                "received": "0",
                "remedy": "Use 1 to 400.",
                "code": "out_of_range",
            }
        ],
    }


def test_a_detail_says_of_each_fault_what_is_wrong_with_it():
    count = errors.Fault("n", "1..400", "0", "Use 1 to 400.", "out_of_range")
    name = errors.Fault("m", "a known parameter", "m", "Leave it out.", "unknown_parameter")
    assert errors.InvalidParameter(count, name).detail == (
        "n: expected 1..400. Received: 0. Use 1 to 400. "
        "m: expected a known parameter. Received: m. Leave it out."
    )


@pytest.mark.fault(28)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path", ["/samples?n=1", "/samples.png?n=1", "/interpolate", "/reconstruct", "/version"]
)
def test_an_error_that_nobody_foresaw_is_a_problem(client, monkeypatch, method, path):
    def fail(*arguments):
        raise KeyError("secret")

    for name in ("find", "find_opened"):
        monkeypatch.setattr(client.app.service.models, name, fail)
    answer = client.request(method, path)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    monkeypatch.undo()
    assert 'vitrine_problems_total{kind="internal-error"} 1.0' in client.get("/metrics").text


def test_a_deadline_that_passed_names_its_setting_and_what_to_ask_less_of():
    assert str(errors.DeadlinePassed(10.0, 6)) == (
        "Not ready within 10 s. Try again in 6 s, or ask for less, like a smaller n or k. VITRINE_DEADLINE_SECONDS "
        "sets the limit."
    )
