"""What is counted is there when it is asked for, whichever thread counted it."""

import re
import threading

import pytest

from app.metrics import MAX_KEPT, Metrics


def read(metrics, name):
    text = metrics.exposition()[0].decode()
    return {
        found["labels"] or "": float(found["value"])
        for found in re.finditer(rf"^{name}(\{{(?P<labels>.*)\}})? (?P<value>\S+)$", text, re.MULTILINE)
    }


def test_a_value_is_counted_when_the_counters_are_read():
    metrics = Metrics()
    for seconds in (0.004, 0.2):
        metrics.observe(metrics.queue_seconds, seconds)
    assert read(metrics, "vitrine_queue_duration_seconds_count") == {"": 2.0}
    assert read(metrics, "vitrine_queue_duration_seconds_sum") == {"": pytest.approx(0.204)}
    assert read(metrics, "vitrine_queue_duration_seconds_bucket")['le="0.005"'] == 1.0
    assert read(metrics, "vitrine_queue_duration_seconds_count") == {"": 2.0}  # and once only


def test_requests_are_counted_by_method_route_and_status():
    metrics = Metrics()
    for status, times in ((200, 3), (422, 1)):
        for _ in range(times):
            metrics.observe_request("GET", "/samples", status, 0.01)
    counted = read(metrics, "http_server_request_duration_seconds_count")
    assert sorted(counted.values()) == [1.0, 3.0]
    assert all('http_route="/samples"' in labels for labels in counted)


def test_no_more_is_kept_than_may_be_although_nobody_reads():
    metrics = Metrics()
    for _ in range(10 * MAX_KEPT):
        metrics.observe(metrics.batch_images, 1)
        assert len(metrics._kept) <= MAX_KEPT


def test_values_of_many_threads_are_all_counted():
    metrics = Metrics()
    each = 4 * MAX_KEPT

    def count():
        for _ in range(each):
            metrics.observe(metrics.batch_images, 32)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        metrics.exposition()
    assert read(metrics, "vitrine_batch_images_count") == {"": 4.0 * each}
