"""What is counted is there when it is asked for, whichever thread counted it."""

import asyncio
import re
import shutil

import pytest
from prometheus_client import values

from app.errors import MetricsUnavailable
from app.metrics import FILES, TOGETHER_SECONDS, Metrics


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


def test_computations_and_images_are_counted_by_model_version_and_operation():
    metrics = Metrics()
    metrics.observe_batch("fashion@8", "draw", 21, 0.002)
    metrics.observe_batch("fashion@8", "draw", 32, 0.003)
    metrics.observe_batch("other@1", "encode", 1, 0.1)
    metrics.count_images("fashion@8", 53)
    drawn = 'model="fashion",operation="draw",version="8"'
    encoded = 'model="other",operation="encode",version="1"'
    assert read(metrics, "vitrine_inference_duration_seconds_count") == {drawn: 2.0, encoded: 1.0}
    assert read(metrics, "vitrine_inference_duration_seconds_sum")[drawn] == pytest.approx(0.005)
    assert read(metrics, "vitrine_batch_images_sum") == {"": 54.0}
    assert read(metrics, "vitrine_images_total") == {'model="fashion",version="8"': 53.0}


def test_uploads_and_swaps_are_counted_by_their_result():
    metrics = Metrics()
    metrics.observe_upload(0.003, refused=False)
    metrics.observe_upload(0.001, refused=True)
    metrics.observe_upload(0.001, refused=True)
    metrics.count_swap("swapped")
    assert read(metrics, "vitrine_uploads_total") == {'result="decoded"': 1.0, 'result="refused"': 2.0}
    assert read(metrics, "vitrine_upload_decoding_duration_seconds_count") == {"": 3.0}
    assert read(metrics, "vitrine_swaps_total") == {'result="swapped"': 1.0}


def state(number, name):
    return f'model="fashion",state="{name}",version="{number}"'


def test_a_version_has_one_state_and_none_when_it_is_gone():
    metrics = Metrics()
    metrics.set_model_states({("fashion", "6"): "serving", ("fashion", "7"): "failed"})
    assert read(metrics, "vitrine_model_state") == {state(6, "serving"): 1.0, state(7, "failed"): 1.0}
    metrics.set_model_states({("fashion", "7"): "serving"})
    metrics.set_model_states({("fashion", "7"): "serving"})
    told = read(metrics, "vitrine_model_state")
    assert told == {state(6, "serving"): 0.0, state(7, "failed"): 0.0, state(7, "serving"): 1.0}


@pytest.fixture
def shared(monkeypatch):
    """Let a test count as worker processes do, and put back what the library is told for it."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/nowhere")
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)


def test_whether_processes_count_together_is_not_the_platforms_to_say(shared, monkeypatch):
    monkeypatch.setenv("prometheus_multiproc_dir", "/nowhere")
    monkeypatch.setattr(values, "ValueClass", values.MultiProcessValue())  # as the library would have it
    metrics = Metrics()
    metrics.count_problem("not-found")
    assert read(metrics, "vitrine_problems_total") == {'kind="not-found"': 1.0}


def test_what_processes_count_in_a_folder_is_added_up(shared, tmp_path):
    metrics = Metrics(together=True, folder=tmp_path)
    metrics.queue_images.set(5)
    metrics.cache_bytes.set(1000)
    metrics.cache_pictures.set(3)
    metrics.count_cache_request("hit")
    metrics.set_uploads_in_progress(2, 5000)
    metrics.count_decoder_failure("killed")
    metrics.observe(metrics.batch_images, 32)
    assert read(metrics, "vitrine_queue_images") == {"": 5.0}
    for kind in FILES:  # those of a process that counted the same
        mine = next(tmp_path.glob(f"{kind}_*.db"))
        shutil.copy(mine, tmp_path / f"{kind}_1.db")
    assert read(metrics, "vitrine_queue_images") == {"": 10.0}
    assert read(metrics, "vitrine_cache_bytes") == {"": 2000.0}
    assert read(metrics, "vitrine_cache_pictures") == {"": 6.0}
    assert read(metrics, "vitrine_cache_requests_total") == {'result="hit"': 2.0}
    assert read(metrics, "vitrine_uploads_in_progress") == {"": 4.0}
    assert read(metrics, "vitrine_uploads_in_progress_bytes") == {"": 10_000.0}
    assert read(metrics, "vitrine_decoder_failures_total") == {'reason="killed"': 2.0}
    assert read(metrics, "vitrine_batch_images_count") == {"": 2.0}
    assert read(metrics, "vitrine_workers") == {"": 2.0}


def test_a_state_is_told_with_the_processes_that_are_in_it(shared, tmp_path):
    metrics = Metrics(together=True, folder=tmp_path)
    metrics.set_model_states({("fashion", "7"): "opened"})
    shutil.copy(next(tmp_path.glob("gauge_livesum_*.db")), tmp_path / "gauge_livesum_1.db")
    metrics.set_model_states({("fashion", "7"): "serving"})
    assert read(metrics, "vitrine_model_state") == {state(7, "opened"): 1.0, state(7, "serving"): 1.0}


def test_what_a_process_counts_is_in_its_file_soon_though_another_is_asked(shared, tmp_path):
    metrics = Metrics(together=True, folder=tmp_path)
    histogram = next(tmp_path.glob("histogram_*.db"))

    async def count():
        metrics.observe_request("GET", "/samples", 200, 0.01)
        before = histogram.read_bytes()
        await asyncio.sleep(3 * TOGETHER_SECONDS)
        return before

    before = asyncio.run(count())
    assert histogram.read_bytes() != before


def test_a_folder_that_is_gone_breaks_no_count_and_is_told_in_the_place_of_counters(shared, tmp_path):
    metrics = Metrics(together=True, folder=tmp_path)
    metrics.count_problem("invalid-parameter")
    shutil.rmtree(tmp_path)
    metrics.count_problem("invalid-parameter")  # known by now
    metrics.count_problem("upload-too-large")  # and new ones
    metrics.count_refusal("queue_full")
    metrics.observe_request("GET", "/samples", 200, 0.01)
    metrics.queue_images.set(1)
    with pytest.raises(MetricsUnavailable, match="Set TMPDIR"):
        metrics.exposition()


def test_a_process_whose_own_files_are_gone_does_not_tell_what_the_others_counted(shared, tmp_path):
    metrics = Metrics(together=True, folder=tmp_path)
    next(tmp_path.glob("histogram_*.db")).unlink()
    with pytest.raises(MetricsUnavailable):
        metrics.exposition()


@pytest.mark.parametrize("folder", [None, "missing"])
def test_without_a_folder_several_processes_count_and_say_that_they_cannot_be_added_up(
    shared, tmp_path, folder
):
    metrics = Metrics(together=True, folder=folder and tmp_path / folder)
    metrics.count_problem("not-found")
    metrics.observe_request("GET", "/samples", 200, 0.01)
    with pytest.raises(MetricsUnavailable) as refusal:
        metrics.exposition()
    assert refusal.value.status == 503


def test_the_files_have_their_full_size_from_the_start(shared, tmp_path):
    Metrics(together=True, folder=tmp_path)
    sizes = {path.stem.rpartition("_")[0]: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes == FILES
    blocks = sum(path.stat().st_blocks for path in tmp_path.iterdir()) * 512
    assert blocks >= sum(FILES.values())  # not a hole, which a full disk could not fill
