"""A request as spans: itself, and below it queue, computation and drawing."""

import numpy as np
import pytest

from app import tracing
from app.main import create_app
from app.settings import Settings
from tests.conftest import Client
from tests.fakes import open_fake, png_bytes, write_version

memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}


@pytest.fixture
def exporter(monkeypatch):
    exporter = memory.InMemorySpanExporter()
    plain = tracing.Traces
    monkeypatch.setattr(tracing, "Traces", lambda endpoint: plain(endpoint, exporter))
    return exporter


@pytest.fixture
def traced(tmp_path, exporter):
    write_version(tmp_path)
    settings = Settings(model_store=tmp_path, default_model="fake", otel_endpoint="http://127.0.0.1:9")
    client = Client(create_app(settings, open_fake))
    yield client
    client.close()


def spans(client, exporter):
    client.app.service.traces.flush()
    found = exporter.get_finished_spans()
    exporter.clear()
    return found


def test_a_picture_has_a_span_with_queue_computation_and_drawing_below_it(traced, exporter):
    answer = traced.get("/samples?n=40", headers=TRACEPARENT)
    assert answer.status_code == 200
    found = {span.name: span for span in spans(traced, exporter)}
    assert set(found) == {"GET /samples", "queue", "compute", "draw"}
    request = found["GET /samples"]
    assert f"{request.context.trace_id:032x}" == TRACE
    assert f"{request.parent.span_id:016x}" == PARENT
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["vitrine.request_id"] == answer.headers["x-request-id"]
    assert request.resource.attributes["service.name"] == "vitrine"
    below = [found[name] for name in ("queue", "compute", "draw")]
    for span in below:
        assert span.parent.span_id == request.context.span_id
        assert request.start_time <= span.start_time <= span.end_time <= request.end_time
    assert below[0].end_time == below[1].start_time
    assert below[1].end_time <= below[2].start_time
    assert dict(below[1].attributes) == {
        "vitrine.model": "fake@1",
        "vitrine.operation": "decode",
        "vitrine.rows": 40,
    }


def test_an_upload_is_decoded_encoded_and_decoded_and_each_is_a_span(traced, exporter):
    file = {"file": ("a.png", png_bytes(np.full((8, 8), 9, np.uint8)), "image/png")}
    assert traced.post("/reconstruct", files=file).status_code == 200
    found = spans(traced, exporter)
    names = [span.name for span in sorted(found, key=lambda span: span.start_time)]
    assert names[0] == "POST /reconstruct"
    assert names[1:] == ["decode upload", "queue", "compute", "queue", "compute", "draw"]
    assert len({span.context.trace_id for span in found}) == 1  # a new one, as the client named none


def test_a_refusal_has_its_status_and_an_error_is_marked(traced, exporter, monkeypatch):
    assert traced.get("/samples?n=0").status_code == 422
    (refused,) = spans(traced, exporter)
    assert refused.attributes["http.response.status_code"] == 422
    assert refused.status.is_ok
    model = traced.app.service.models.opened["fake@1"]
    monkeypatch.setattr(model._runtime, "decode", lambda z: np.full((len(z), 8, 8), np.nan, np.float32))
    assert traced.get("/samples?n=1").status_code == 500
    failed = {span.name: span for span in spans(traced, exporter)}["GET /samples"]
    assert not failed.status.is_ok


def test_pictures_have_the_same_bytes_with_traces_and_without(traced, client):
    assert traced.get("/samples?n=40&seed=1").content == client.get("/samples?n=40&seed=1").content


def test_a_service_without_an_endpoint_has_no_traces(client, monkeypatch):
    assert client.get("/samples?n=1", headers=TRACEPARENT).status_code == 200
    assert client.app.service.traces is None
