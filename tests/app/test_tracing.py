"""Spans of what the engine does for a request; nothing is loaded where nobody asks for them."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from app import settings as settings_module
from app import tracing
from app.settings import Settings, SettingsError, load_settings, trace_endpoint
from tests.conftest import PROJECT

NOWHERE = "http://127.0.0.1:9"


def test_what_makes_and_sends_spans_is_not_loaded_unless_it_is_asked_for():
    # FastAPI loads OpenTelemetry's interface itself, which does nothing alone.
    program = (
        "import sys, app.main, app.tracing\n"
        "senders = ('opentelemetry.sdk', 'opentelemetry.exporter', 'requests')\n"
        "print([name for name in sys.modules if name.startswith(senders)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_our_own_variable_comes_before_opentelemetrys(monkeypatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert trace_endpoint(Settings()) == ""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://platform:4318")
    assert trace_endpoint(Settings()) == "http://platform:4318"
    assert trace_endpoint(Settings(otel_endpoint=NOWHERE)) == NOWHERE


def test_what_we_are_told_to_send_without_the_packages_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(settings_module, "can_trace", lambda: False)
    with pytest.raises(
        SettingsError, match=r"VITRINE_OTEL_ENDPOINT='http://127.0.0.1:9'.*vitrine-vae\[otel\]"
    ):
        load_settings(otel_endpoint=NOWHERE)


def test_what_a_platform_says_without_the_packages_is_a_line_in_the_log(monkeypatch, caplog):
    monkeypatch.setattr(tracing, "can_trace", lambda: False)
    assert tracing.opened(NOWHERE) is None
    assert caplog.messages == [f"no traces are sent to {NOWHERE}: pip install 'vitrine-vae[otel]'"]


def test_spans_arrive_at_a_collector_by_http():
    pytest.importorskip("opentelemetry.sdk")
    received = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        traces = tracing.Traces(f"http://127.0.0.1:{server.server_port}/")
        traces.tracer.start_span("draw").end()
        traces.stop()
        server.shutdown()
        thread.join()
    assert [path for path, _ in received] == ["/v1/traces"]
    assert b"draw" in received[0][1]
    assert b"vitrine" in received[0][1]
