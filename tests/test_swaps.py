"""A short form of ``python -m tests.swapping``: some swaps and ways back under load, in a process of its own."""

import shutil
import signal
import time

import httpx
import pytest

from app import labels
from app.labels import Labels
from tests import swapping
from tests.serving import serving

pytestmark = pytest.mark.process


@pytest.mark.fault(14)
@pytest.mark.fault(15)
def test_versions_are_swapped_under_load_without_a_failed_request_and_each_answer_is_of_one_version(tmp_path):
    found, told = swapping.run(tmp_path, swaps=10, rate=40, steady_seconds=1)
    assert found.wrong == []
    assert told["swaps"] == told["swaps by /metrics"] == 10
    assert told["requests"] > 40
    assert told["memory at the end, MB"] < told["memory after the first swaps, MB"] + 50


@pytest.fixture
def store(tmp_path):
    swapping.two_versions(tmp_path / "store")
    return tmp_path / "store"


def asked(url, **options):
    return httpx.get(f"{url}/samples?model={swapping.NAME}&n=1&seed=3", timeout=60, **options)


def eventually(found):
    deadline = time.monotonic() + 60
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.fault(7)
@pytest.mark.fault(10)
def test_a_running_service_takes_up_what_is_good_and_goes_on_with_what_it_had_where_it_is_not(
    tmp_path, store
):
    labels.write(store / swapping.NAME, Labels())
    whole, aside = store / swapping.NAME / "2", tmp_path / "aside"
    whole.rename(aside)
    settings = {"VITRINE_DEFAULT_MODEL": swapping.NAME, "VITRINE_STORE_POLL_SECONDS": "0.2"}
    with serving(tmp_path, VITRINE_MODEL_STORE=str(store), **settings) as server:
        shutil.copytree(aside, whole)
        weights = next(whole.glob("decoder/assets.extra/*"))
        content = bytearray(weights.read_bytes())
        content[len(content) // 2] ^= 1
        weights.write_bytes(content)
        eventually(lambda: httpx.get(f"{server.url}/readyz").json()["rejected"])
        refused = httpx.get(f"{server.url}/version").json()["rejected"]
        assert "SHA-256 differs" in refused[f"{swapping.NAME}/2"]
        assert asked(server.url).headers["x-model"] == f"{swapping.NAME}@1"
        shutil.rmtree(whole)
        aside.rename(whole)
        eventually(lambda: asked(server.url).headers["x-model"] == f"{swapping.NAME}@2")
        tag = asked(server.url).headers["etag"]
        store.rename(aside)
        eventually(lambda: "warning" in httpx.get(f"{server.url}/readyz").json())
        assert httpx.get(f"{server.url}/readyz").status_code == 200
        assert asked(server.url, headers={"If-None-Match": tag}).status_code == 304
        assert "Traceback" not in server.log.read_text()


def test_a_canary_gets_its_share_of_the_bare_name_and_nothing_of_permanent_addresses(tmp_path, store):
    labels.write(store / swapping.NAME, Labels(stable=1, canary=2, canary_share=0.2))
    environment = {"VITRINE_MODEL_STORE": str(store), "VITRINE_DEFAULT_MODEL": swapping.NAME}
    with serving(tmp_path, **environment) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        path = f"/samples?model={swapping.NAME}&n=1&seed=3"
        drawn = [client.get(path) for _ in range(50)]
        numbers = [answer.headers["x-model"].partition("@")[2] for answer in drawn]
        assert (numbers.count("1"), numbers.count("2")) == (40, 10)
        for answer in drawn:
            location = answer.headers["content-location"]
            again = client.get(location)
            assert (again.headers["x-model"], again.content) == (answer.headers["x-model"], answer.content)
        server.process.send_signal(signal.SIGHUP)
        assert client.get("/livez").status_code == 200
