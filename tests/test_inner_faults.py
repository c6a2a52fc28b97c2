"""Faults inside of the service: exceptions that nobody foresaw in each of its layers, and clocks that jump."""

import ast
import logging
import time

import numpy as np
import pytest

from tests.conftest import PROJECT
from tests.fakes import png_bytes

INNER = "the secret of an exception"

LAYERS = {
    "reading the query": ("app.http.queries.read", "GET", "/samples?n=3&seed=8"),
    "finding the model": ("app.service.Service.find", "GET", "/samples?n=1"),
    "computing": ("tests.fakes.FakeRuntime.decode", "GET", "/samples?n=1"),
    "encoding": ("tests.fakes.FakeRuntime.encode", "POST", "/reconstruct"),
    "reading an upload": ("app.decoding.reading._read", "POST", "/reconstruct"),
    "writing the picture": ("app.pictures.formats.encode_png", "GET", "/samples?n=1"),
    "the engine": ("app.engine.engine.Engine.submit", "GET", "/samples?n=1"),
    "answering": ("app.http.endpoint.send_answer", "GET", "/samples?n=1"),
    "readiness": ("app.service.Service.check", "GET", "/readyz"),
    "metrics": ("app.metrics.Metrics.exposition", "GET", "/metrics"),
    "a route": ("app.http.status.describe", "GET", "/version"),
}


@pytest.mark.fault(28)
@pytest.mark.parametrize(("place", "method", "path"), LAYERS.values(), ids=LAYERS)
def test_an_exception_in_a_layer_is_a_problem_with_the_requests_id_and_its_trace_is_in_the_log_alone(
    client, monkeypatch, caplog, place, method, path
):
    def fails(*_, **__):
        raise RuntimeError(INNER)

    monkeypatch.setattr(place, fails)
    content = png_bytes(np.zeros((8, 8), np.uint8)) if method == "POST" else None
    headers = {"X-Request-Id": "mine"} | ({"Content-Type": "image/png"} if content else {})
    with caplog.at_level(logging.ERROR, "vitrine"):
        answer = client.request(method, path, content=content, headers=headers)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["type"], answer.json()["request_id"]) == ("/problems/internal-error", "mine")
    assert INNER not in answer.text
    assert "Traceback" not in answer.text
    [record] = [record for record in caplog.records if record.exc_info]
    assert "mine" in record.getMessage()
    assert INNER in logging.Formatter().formatException(record.exc_info)
    monkeypatch.undo()
    assert client.request(method, path, content=content, headers=headers).status_code == 200


@pytest.mark.fault(19)
def test_a_clock_that_jumps_by_a_day_ends_no_request_early(client, monkeypatch):
    clock = time.time
    for days in (-1, 1):
        monkeypatch.setattr(time, "time", lambda days=days: clock() + days * 86_400)
        answers = client.gather([f"/samples?n=40&seed={seed}" for seed in range(20)])
        assert [answer.status_code for answer in answers] == [200] * 20
        assert client.get("/readyz").status_code == 200


@pytest.mark.fault(19)
def test_no_module_reads_the_time_of_day_but_for_dates_that_others_see():
    told = {"app/access/signing.py", "app/commands/sign_url.py", "app/doctor/machine.py", "app/tracing.py"}
    asking = {("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow")}
    found = {
        path.relative_to(PROJECT).as_posix()
        for path in sorted((PROJECT / "app").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in asking
    }
    assert found <= told
