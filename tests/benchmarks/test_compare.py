import json

import pytest

from benchmarks import compare
from benchmarks.client import Answer
from benchmarks.compare import CASES, Burst, Pair, differences
from benchmarks.questions import Question, Version
from tests.conftest import PROJECT, skip

QUESTION = Question("GET", "/samples?n=1&seed=7")


def picture(body=b"png", status=200, **headers):
    own = {"content-type": "image/png", "date": "now", "x-request-id": "1", "x-seed": "7"}
    return Answer(status, own | headers, body, 0.0)


def problem(request_id="1", **members):
    body = {"title": "A parameter cannot be used", "request_id": request_id} | members
    headers = {"content-type": "application/problem+json", "x-request-id": request_id}
    return Answer(422, headers, json.dumps(body).encode(), 0.0)


def test_answers_that_differ_in_date_and_request_id_alone_are_alike():
    assert differences(Pair(QUESTION, picture(), picture(date="later"))) == {}
    assert differences(Pair(QUESTION, problem("1"), problem("2"))) == {}


def test_every_other_difference_is_named():
    changed = picture(b"gnp", **{"x-seed": "8", "vary": "Accept"})
    assert differences(Pair(QUESTION, picture(), changed)) == {
        "x-seed": "7 -> 8",
        "body": "b'png' -> b'gnp'",
        "vary": "None -> Accept",
    }
    assert differences(Pair(QUESTION, picture(), picture(status=206))) == {"status": "200 -> 206"}
    assert differences(Pair(QUESTION, problem(), problem(title="No"))) == {
        "problem.title": "A parameter cannot be used -> No"
    }


@pytest.mark.parametrize("answer", [None, picture(status=503)])
def test_two_failures_are_not_alike(answer):
    assert list(differences(Pair(QUESTION, answer, answer))) == ["no answer"]
    assert list(differences(Pair(QUESTION, picture(), answer))) == ["no answer"]


def test_the_report_counts_what_differs_and_shows_two_of_a_kind(capsys):
    same, body = Pair(QUESTION, picture(), picture()), Pair(QUESTION, picture(), picture(b"gnp"))
    status = Pair(Question("GET", "/other"), picture(), picture(status=206))
    assert compare.report("litert", Version("name@1", 2, ()), [same, body, body, body, status], 2.0) == 4
    shown = capsys.readouterr().out
    assert "litert name@1: 5 requests (4 x 200, 1 x 206), 4 differ; 2 s" in shown
    assert "3 differ in body:" in shown
    assert shown.count("GET /samples?n=1&seed=7") == 2
    assert "1 differ in status:\n    GET /other\n      status: 200 -> 206" in shown


def test_the_table_has_medians_of_the_rates_and_of_the_rounds_ratios():
    rounds = [(Burst(100, 900), Burst(150, 600)), (Burst(200, 500), Burst(200, 500))]
    rounds.append((Burst(400, 700), Burst(360, 550)))
    header, row = compare.table({CASES[0]: rounds})
    # The ratios are 1.5, 1.0 and 0.9; the ratio of the medians is another one, 200 / 200.
    assert row == ["a picture of 21 images", "1", "200", "200", "1.000", "0.90 to 1.50", "700 -> 550"]
    assert len(header) == len(row)


def test_the_other_trees_code_is_the_commits_and_not_the_working_trees():
    if not (PROJECT / ".git").exists():
        skip("not a git repository")
    with compare.extracted("HEAD") as tree:
        assert (tree / "app" / "main.py").is_file()
        assert not (tree / "training").exists()
        assert tree != PROJECT
    assert not tree.exists()


@pytest.mark.process
def test_a_service_that_runs_another_trees_code_is_noticed(tmp_path):
    # Nothing lies in this tree, so an installed package is found in its stead, or none.
    with pytest.raises(RuntimeError, match=r"expected app lies in|gave no picture"), compare.both(tmp_path):
        pass
