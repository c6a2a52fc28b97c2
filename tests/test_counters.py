"""What a running service has counted is what a client has counted that sent it load."""

import asyncio
import collections
import random
import time

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes import png_bytes
from tests.serving import serving

pytestmark = pytest.mark.process

CLIENTS, SECONDS = 8, 4
UPLOAD = png_bytes(np.full((28, 28), 120, np.uint8))


class Counted:
    """What clients got: answers by address and status, and the images in them."""

    def __init__(self):
        self.answers = collections.Counter()
        self.images = 0
        self.uploads = 0


async def one_client(url, number, until, counted):
    """Ask for pictures of every kind, and for some that are refused, until it is time."""
    rng = random.Random(number)  # noqa: S311  it keeps no secret
    # A connection for each request: whichever worker is free takes it.
    async with httpx.AsyncClient(base_url=url, headers={"connection": "close"}, timeout=60) as client:
        while time.monotonic() < until:
            n, seed = rng.randint(1, 40), rng.getrandbits(60)
            kind = rng.choice(["samples", "samples", "walk", "refused", "unknown", "upload"])
            if kind == "samples":
                answer, images = await client.get(f"/samples?n={n}&seed={seed}"), n
            elif kind == "walk":
                answer, images = await client.get(f"/interpolate?steps={n + 1}&seed={seed}"), n + 1
            elif kind == "refused":
                answer, images = await client.get("/samples?n=0"), 0
            elif kind == "unknown":
                answer, images = await client.get("/samples?model=unknown"), 0
            else:
                files = {"file": ("a.png", UPLOAD, "image/png")}
                answer, images = await client.post("/reconstruct", files=files), 1
            path = answer.request.url.path
            counted.answers[answer.request.method, path, str(answer.status_code)] += 1
            if answer.status_code == 200:
                counted.images += images
                counted.uploads += kind == "upload"


async def load(url):
    counted = Counted()
    until = time.monotonic() + SECONDS
    await asyncio.gather(*(one_client(url, number, until, counted) for number in range(CLIENTS)))
    return counted


def told_by(url):
    """What ``/metrics`` says: (name, labels) -> value."""
    text = httpx.get(f"{url}/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(told, name, **labels):
    return sum(
        value
        for (each, of_it), value in told.items()
        if each == name and labels.items() <= dict(of_it).items()
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_counters_equal_what_a_load_driver_has_counted(tmp_path, workers):
    # No request is refused where other tests keep the machine busy: each may wait as long as its client does.
    patient = {"VITRINE_QUEUE_SECONDS": "60", "VITRINE_DEADLINE_SECONDS": "60"}
    with serving(tmp_path, workers=workers, **patient) as server:
        counted = asyncio.run(load(server.url))
        time.sleep(1)  # a worker's counts are in its file within a tenth of that
        told = told_by(server.url)
    name = "http_server_request_duration_seconds_count"
    answers = {
        (dict(labels)["http_request_method"], dict(labels)["http_route"], status): value
        for (each, labels), value in told.items()
        if each == name and (status := dict(labels)["http_response_status_code"])
    }
    answers.pop(("GET", "/metrics", "200"), None)
    assert answers == counted.answers
    statuses = {status for _, _, status in answers}
    assert statuses == {"200", "404", "422"}
    assert sum(answers.values()) > 100  # it was a load

    assert total(told, "vitrine_images_total") == counted.images
    assert total(told, "vitrine_uploads_total", result="decoded") == counted.uploads
    refused = sum(count for (_, _, status), count in counted.answers.items() if status != "200")
    assert total(told, "vitrine_problems_total") == refused
    pictures = sum(count for (_, _, status), count in counted.answers.items() if status == "200")
    assert total(told, "vitrine_queue_duration_seconds_count") == pictures
    assert total(told, "vitrine_drawing_duration_seconds_count") == pictures
    assert total(told, "vitrine_queue_images") == 0
    assert total(told, "vitrine_uploads_in_progress") == total(told, "vitrine_uploads_in_progress_bytes") == 0
    assert total(told, "vitrine_decoder_failures_total") == 0

    # An upload is encoded and decoded; every other image is drawn or decoded once.
    rows = total(told, "vitrine_batch_images_sum")
    assert rows == counted.images + counted.uploads
    computations = total(told, "vitrine_inference_duration_seconds_count")
    assert computations == total(told, "vitrine_batch_images_count") >= pictures / 32
    assert total(told, "vitrine_workers") == workers
    assert total(told, "vitrine_model_state", model="fashion-dense", version="7", state="serving") == workers
