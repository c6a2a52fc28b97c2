import pytest

from benchmarks.client import Answer
from benchmarks.overload import Outcome, Sent, as_promised, figures, summary

PROMISED = {"content-type": "application/problem+json", "retry-after": "2"}


@pytest.mark.parametrize(
    ("status", "headers", "promised"),
    [
        (503, PROMISED, True),
        (504, PROMISED, False),
        (503, PROMISED | {"content-type": "text/plain"}, False),
        (503, {"content-type": "application/problem+json"}, False),
    ],
)
def test_a_refusal_is_503_with_a_problem_and_a_time(status, headers, promised):
    assert as_promised(Answer(status, headers, b"", 0.001)) is promised


def test_goodput_counts_pictures_that_came_while_the_load_lasted():
    picture, refusal = Answer(200, {}, b"", 0.5), Answer(503, PROMISED, b"", 0.002)
    sent = [Sent(0.0, picture, 1.0)] * 40 + [Sent(0.0, picture, 4.0)] * 5
    sent += [Sent(0.0, refusal, 1.0)] * 50 + [Sent(0.0, None, 30.0)] * 5
    found = summary(Outcome(sent, 0.25, [0.1]), capacity=25.0, planned=50.0, seconds=2.0)
    assert found["goodput_per_second"] == 20.0  # 40 in two seconds; 5 came later
    assert found["goodput_of_capacity"] == 0.8
    assert found["sent_per_second"] == 50.0
    assert found["statuses"] == {200: 45, 503: 50}
    assert found["without_answer"] == 5
    assert found["refusals_not_as_promised"] == 0
    assert found["refusal"]["p99_ms"] == pytest.approx(2)
    assert found["recovered_after_seconds"] == 0.25


def test_what_the_page_tells_of_a_run_are_its_figures():
    picture, refusal = Answer(200, {}, b"", 0.5), Answer(503, PROMISED, b"", 0.002)
    sent = [Sent(0.0, picture, 1.0), Sent(0.0, refusal, 1.0), Sent(0.0, refusal, 1.0)]
    found = summary(Outcome(sent, 0.25, [0.1]), capacity=1.0, planned=4.0, seconds=1.0)
    found |= {"livez": {"seconds": {"p50_ms": 1.04, "p99_ms": 19.96, "max_ms": 30.0}, "failed": 0}}
    told = figures(found)
    assert told["goodput, of the capacity"] == 1.0
    assert told["answers by status"] == "200: 1, 503: 2"
    assert told["`/livez` meanwhile, median and 99th percentile, ms"] == "1.0, 20.0"
    assert not any("nginx" in name for name in told)
    assert (
        figures(found | {"ceiling_of_capacity": 0.8})[
            "pictures while nginx refuses the rest, of the capacity"
        ]
        == 0.8
    )
