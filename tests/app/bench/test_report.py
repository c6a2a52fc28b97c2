import json

from app.bench.report import measure
from tests.fakes import open_fake


def test_a_measurement_reports_the_settings_in_force_and_every_count(settings):
    lines = []
    report = measure(settings, "fake", 0, (1, 33), lines.append, open_fake)
    assert [loop["n"] for loop in report["loop"]] == [1, 33]
    assert report["engine"]["worker_threads"] == settings.worker_threads
    assert set(report["engine"]["images_per_second"]) == {"64 x 21", "4 x 400"}
    assert "worker_threads=2, inference_threads=1" in lines[0]
    json.dumps(report)  # plain values only
