import asyncio
import shutil
import threading
import time

import httpx
import numpy as np
import pytest

from app import labels
from app.errors import NotReady
from app.main import create_app
from app.runtimes import opener
from app.service import Service
from app.settings import Settings
from tests.conftest import Client
from tests.fakes import open_fake, write_version


def test_a_living_process_says_so(client):
    response = client.get("/livez")
    assert response.json() == {"status": "alive"}
    assert response.headers["cache-control"] == "no-cache"


def test_a_warm_service_is_ready(client):
    assert client.get("/readyz").json() == {"status": "ready", "models": ["fake@1"], "rejected": {}}


def test_a_service_whose_model_fails_is_not_ready_and_says_why(client, monkeypatch):
    model = client.app.service.models.opened["fake@1"]
    monkeypatch.setattr(model._runtime, "decode", lambda z: np.full((len(z), 8, 8), np.nan, np.float32))
    response = client.get("/readyz")
    assert response.status_code == 500
    assert response.json()["detail"] == "fake@1: the model's output is not finite"
    monkeypatch.undo()
    assert client.get("/readyz").status_code == 200


@pytest.mark.fault(27)
def test_a_service_whose_only_worker_is_stuck_is_alive_but_not_ready_until_it_goes_on(client, monkeypatch):
    model, go_on = client.app.service.models.opened["fake@1"], threading.Event()
    decode = model._runtime.decode
    monkeypatch.setattr(model._runtime, "decode", lambda z: (go_on.wait(10), decode(z))[1])
    monkeypatch.setattr("app.service.CHECK_SECONDS", 0.05)
    monkeypatch.setattr(client.app.service.engine, "_inline_seconds", 0.0)  # else it holds the event loop
    monkeypatch.setattr(client.app.service.engine, "_alone_seconds", 0.0)
    for _ in range(2):  # the second finds the first one's check
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert "a computation is stuck" in ready.json()["detail"]
    assert client.get("/livez").status_code == 200
    go_on.set()
    monkeypatch.setattr("app.service.CHECK_SECONDS", 10.0)
    assert client.get("/readyz").status_code == 200


@pytest.mark.fault(27)
@pytest.mark.parametrize(("worker_threads", "served"), [(1, 504), (2, 200)])
def test_a_computation_that_never_ends_costs_its_own_thread_and_no_more(tmp_path, worker_threads, served):
    write_version(tmp_path)
    limits = {"deadline_seconds": 0.5, "worker_threads": worker_threads}
    client = Client(create_app(Settings(model_store=tmp_path, default_model="fake", **limits), open_fake))
    engine = client.app.service.engine
    engine._inline_seconds = engine._alone_seconds = engine._wide_seconds = (
        0.0  # else it holds the event loop
    )
    model, go_on, begun = client.app.service.models.opened["fake@1"], threading.Event(), threading.Event()
    decode = model._runtime.decode

    def stuck(z):
        model._runtime.decode = decode  # once: the next computation is as usual
        begun.set()
        go_on.wait(30)
        return decode(z)

    model._runtime.decode = stuck
    try:
        late = client.get("/samples?n=1&seed=1")
        assert late.status_code == 504
        assert begun.is_set()
        assert engine.waiting == 0  # its place is given back
        assert engine._queue.workers == 1  # and its thread is not
        for seed in range(2, 5):
            assert client.get(f"/samples?n=1&seed={seed}").status_code == served
        for _ in range(500):  # the other one finds nothing more to do
            time.sleep(0.01 if engine._queue.workers > 1 else 0)
        assert engine._queue.workers == 1
        assert client.get("/readyz").status_code == (503 if served == 504 else 200)
    finally:
        go_on.set()
    assert client.get("/samples?n=1&seed=9").status_code == 200
    assert client.get("/readyz").status_code == 200
    client.close()


def test_a_service_that_has_much_to_do_is_ready(client, monkeypatch):
    monkeypatch.setattr(client.app.service.engine._admission, "images", 10**6)
    assert client.get("/samples").status_code == 503
    assert client.get("/readyz").status_code == 200


def test_a_service_that_has_not_started_is_alive_but_not_ready(settings):
    import asyncio

    async def ask():
        transport = httpx.ASGITransport(create_app(settings, open_fake))  # whose lifespan nobody has begun
        async with httpx.AsyncClient(transport=transport, base_url="http://vitrine") as client:
            return [await client.get(path) for path in ("/livez", "/readyz", "/samples")]

    alive, ready, samples = asyncio.run(ask())
    assert alive.status_code == 200
    assert ready.status_code == samples.status_code == 503
    assert "loaded" in ready.json()["detail"]
    assert ready.headers["retry-after"] == "2"


def test_readiness_names_versions_that_are_not_served(tmp_path):
    write_version(tmp_path)
    (write_version(tmp_path, number=2) / "encoder" / "weights").write_bytes(b"swapped")
    client = Client(create_app(Settings(model_store=tmp_path, default_model="fake"), open_fake))
    assert "encoder/weights" in client.get("/readyz").json()["rejected"]["fake/2"]
    assert client.get("/samples").headers["x-model"] == "fake@1"
    client.close()


def test_readiness_names_a_version_that_lacks_its_runtime_with_the_remedy(tmp_path):
    write_version(tmp_path)
    lean = write_version(tmp_path, name="lean")
    opened = opener("litert")

    def open_lean(folder, threads):
        return opened(folder, threads) if folder == lean else open_fake(folder, threads)

    client = Client(create_app(Settings(model_store=tmp_path, default_model="fake"), open_lean))
    for _ in range(3):  # behind the opening of the others, one after the other
        client.app.service.models.opener.submit(lambda: None).result()
    assert "set VITRINE_RUNTIME=auto" in client.get("/readyz").json()["rejected"]["lean/1"]
    client.close()


def test_an_older_version_is_opened_when_its_address_is_asked_for(tmp_path):
    for number in (1, 2):
        write_version(tmp_path, number=number)
    client = Client(create_app(Settings(model_store=tmp_path, default_model="fake"), open_fake))
    assert client.get("/readyz").json()["models"] == ["fake@2"]
    assert client.get("/samples?model=fake@1").headers["x-model"] == "fake@1"
    assert client.get("/readyz").json()["models"] == ["fake@1", "fake@2"]
    client.close()


def test_version_shows_the_build_the_models_and_every_limit(client):
    body = client.get("/version").json()
    assert body["version"] == "0.1.0"
    assert body["default_model"] == "fake@1"
    assert len(body["models"][0]["digest"]) == 64
    assert body["models"][0]["runtime"] == "fake"
    assert body["models"][0]["samples_render"] == "mean"
    assert body["limits"] == Settings().limits()


def test_metrics_count_requests_by_route_and_status(client):
    for _ in range(3):
        client.get("/samples?n=1")
    client.get("/samples?n=0")
    client.get("/nowhere/at/all")
    text = client.get("/metrics").text
    name = "http_server_request_duration_seconds_count"
    labels = 'http_request_method="GET",http_response_status_code="{}",http_route="{}"'
    assert f"{name}{{{labels.format(200, '/samples')}}} 3.0" in text
    assert f"{name}{{{labels.format(422, '/samples')}}} 1.0" in text
    assert "nowhere" not in text
    assert 'vitrine_problems_total{kind="invalid-parameter"} 1.0' in text


@pytest.mark.fault(7)
@pytest.mark.fault(10)
def test_version_readiness_and_metrics_tell_what_became_of_each_version(tmp_path):
    store = tmp_path / "store"
    write_version(store, number=1)
    client = Client(create_app(Settings(model_store=store, default_model="fake"), open_fake))
    try:
        (write_version(store, number=2) / "decoder" / "weights").write_bytes(b"flipped")
        write_version(store, number=3)
        labels.write(store / "fake", labels.Labels(stable=1, canary=3, canary_share=0.5))
        client.run(client.app.service.reload())
        body = client.get("/version").json()
        told = [(each["model"], each["state"], each["canary_share"]) for each in body["models"]]
        assert told == [("fake@1", "serving", None), ("fake@3", "canary", 0.5)]
        assert all(each["memory_bytes"] >= 14 for each in body["models"])  # of the weights
        assert list(body["rejected"]) == ["fake/2"]
        assert "decoder/weights" in body["rejected"]["fake/2"]
        assert body["warning"] is None
        assert "warning" not in client.get("/readyz").json()
        shares = [client.get("/samples?n=1").headers["x-model"] for _ in range(10)]
        assert (shares.count("fake@1"), shares.count("fake@3")) == (5, 5)
        metrics = client.get("/metrics").text
        assert 'vitrine_model_state{model="fake",state="serving",version="1"} 1.0' in metrics
        assert 'vitrine_model_state{model="fake",state="canary",version="3"} 1.0' in metrics
        assert 'vitrine_swaps_total{result="refused"} 1.0' in metrics
        shutil.rmtree(store)
        assert client.run(client.app.service.reload()).result == "kept"
        ready = client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["warning"] == client.get("/version").json()["warning"]
        assert f"{store}: no such folder" in ready.json()["warning"]
        assert client.get("/samples?n=1").status_code == 200
    finally:
        client.close()


def test_a_reload_is_refused_before_the_start(settings):
    with pytest.raises(NotReady):
        asyncio.run(Service(settings, open_fake).reload())
