"""The Open Inference Protocol, by the very bytes that its clients send and by the service's own model."""

import asyncio
import http.client
import json
import socket
import time

import httpx
import numpy as np
import pytest

from app.engine.work import BATCH_ROWS
from app.http import inference
from app.main import create_app
from app.pictures.grids import to_pixels
from app.settings import Settings
from tests.conftest import Client
from tests.fakes import FakeRuntime, open_fake, pixels_of, write_version
from tests.serving import serving_fakes, serving_in_a_thread

Z = np.array([[0.5, -1]], np.float32)
DECODED = FakeRuntime().decode(Z)
HEADER = "Inference-Header-Content-Length"


def asking(array, name="z", **more):
    entry = {"name": name, "shape": list(array.shape), "datatype": "FP32", "data": array.tolist()}
    return {"inputs": [entry]} | more


def outputs_of(response):
    """By name, the tensors of an answer, as JSON or bytes; the rest of it."""
    assert response.status_code == 200, response.text
    length = int(response.headers.get(HEADER, len(response.content)))
    assert response.headers["content-type"] == (
        "application/octet-stream" if HEADER in response.headers else "application/json"
    )
    about, rest, tensors = json.loads(response.content[:length]), response.content[length:], {}
    for output in about.pop("outputs"):
        assert output["datatype"] == "FP32"
        if "data" in output:
            flat = np.array(output["data"], np.float32)
        else:
            size = output["parameters"]["binary_data_size"]
            flat, rest = np.frombuffer(rest[:size], "<f4"), rest[size:]
        tensors[output["name"]] = flat.reshape(output["shape"])
    assert rest == b""
    return tensors, about


def error_of(response, status):
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
    assert response.headers["cache-control"] == "no-store"
    (member,) = response.json().items()
    assert member[0] == "error"
    return member[1]


# What tritonclient 2.73 (with geventhttpclient 2.6 and aiohttp 3.14) and kserve 0.21 (with httpx 0.28) sent, to the byte,
# but for the host.
TRITON = b"User-Agent: python/gevent-http-client-2.6.1\r\n"
AIO = b"Host: 127.0.0.1:8000\r\nInference-Header-Content-Length: 134\r\nAccept: */*\r\n"
KSERVE = (
    b"Host: 127.0.0.1:8000\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n"
    b"User-Agent: python-httpx/0.28.1\r\n"
)
SENT = b"\x00\x00\x00?\x00\x00\x80\xbf"
RECORDED_GETS = {
    path + (b" by tritonclient" if client is TRITON else b" by kserve"): b"GET %b HTTP/1.1\r\n%b\r\n"
    % (path, client + (b"Host: 127.0.0.1:8000\r\n" if client is TRITON else b""))
    for client, paths in {
        TRITON: (
            b"/v2",
            b"/v2/health/live",
            b"/v2/health/ready",
            b"/v2/models/fake.decoder/ready",
            b"/v2/models/fake.decoder/versions/1",
        ),
        KSERVE: (b"/v2/health/live", b"/v2/health/ready", b"/v2/models/fake.decoder/ready"),
    }.items()
    for path in paths
}
RECORDED_INFERENCES = {
    "tritonclient": (
        b"POST /v2/models/fake.decoder/infer HTTP/1.1\r\n"
        + TRITON
        + b"Inference-Header-Content-Length: 134\r\nHost: 127.0.0.1:8000\r\nContent-Length: 142\r\n\r\n"
        b'{"inputs":[{"name":"z","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],'
        b'"parameters":{"binary_data_output":true}}' + SENT,
        ("bytes", None),
    ),
    "tritonclient with everything": (
        b"POST /v2/models/fake.decoder/versions/1/infer HTTP/1.1\r\n"
        + TRITON
        + b"Inference-Header-Content-Length: 287\r\nHost: 127.0.0.1:8000\r\nContent-Length: 295\r\n\r\n"
        b'{"id":"7","inputs":[{"name":"z","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],'
        b'"outputs":[{"name":"image","parameters":{"binary_data":false}}],"parameters":{"sequence_id":3,'
        b'"sequence_start":true,"sequence_end":false,"priority":1,"timeout":5000000,"note":"\\u00E9"}}'
        + SENT,
        ("json", "7"),
    ),
    "tritonclient with JSON": (
        b"POST /v2/models/fake.decoder/infer HTTP/1.1\r\n"
        + TRITON
        + b"Host: 127.0.0.1:8000\r\nContent-Length: 138\r\n\r\n"
        b'{"inputs":[{"name":"z","shape":[1,2],"datatype":"FP32","data":[0.5,-1.0]}],'
        b'"outputs":[{"name":"image","parameters":{"binary_data":true}}]}',
        ("bytes", None),
    ),
    "tritonclient.http.aio": (
        b"POST /v2/models/fake.decoder/infer HTTP/1.1\r\n"
        + AIO
        + b"Accept-Encoding: gzip, deflate, br\r\nUser-Agent: Python/3.11 aiohttp/3.14.5\r\nContent-Length: 142\r\n"
        b"Content-Type: application/octet-stream\r\n\r\n"
        b'{"inputs":[{"name":"z","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],'
        b'"parameters":{"binary_data_output":true}}' + SENT,
        ("bytes", None),
    ),
    "kserve": (
        b"POST /v2/models/fake.decoder/infer HTTP/1.1\r\n"
        + KSERVE
        + b"inference-header-content-length: 130\r\ncontent-type: application/octet-stream\r\nContent-Length: 138\r\n\r\n"
        b'{"id":"7","model_name":"fake.decoder","inputs":[{"name":"z","shape":[1,2],"datatype":"FP32",'
        b'"parameters":{"binary_data_size":8}}]}' + SENT,
        ("json", "7"),
    ),
    "kserve with JSON": (
        b"POST /v2/models/fake.decoder/infer HTTP/1.1\r\n"
        + KSERVE
        + b"content-type: application/json\r\nContent-Length: 212\r\n\r\n"
        b'{"id":"fb927d55-dc0a-4540-b9ad-1c029d33bc9c","model_name":"fake.decoder","inputs":[{"name":"z",'
        b'"shape":[1,2],"datatype":"FP32","data":[[0.5,-1.0]]}],"outputs":[{"name":"image",'
        b'"parameters":{"binary_data":true}}]}',
        ("bytes", "fb927d55-dc0a-4540-b9ad-1c029d33bc9c"),
    ),
}


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    write_version(store)
    with serving_fakes(Settings(model_store=store, default_model="fake", worker_threads=2)) as port:
        yield port


def talk(port, sent):
    """Send bytes over a connection, and return the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(sent)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer, answer.read()


@pytest.mark.parametrize("name", RECORDED_GETS, ids=bytes.decode)
def test_what_the_clients_ask_of_a_server_is_answered_over_a_connection(port, name):
    answer, body = talk(port, RECORDED_GETS[name])
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    content = json.loads(body)
    if b"health" in name:
        assert content["live"] is True
        assert content.get("ready", b"/live" in name) is True
    elif b"/ready" in name:
        assert content == {"name": "fake.decoder", "ready": True}
    elif b"/models" in name:
        assert content["versions"] == ["1"]
    else:
        assert (content["name"], content["extensions"]) == ("vitrine", ["binary_tensor_data"])


@pytest.mark.parametrize("name", RECORDED_INFERENCES)
def test_what_the_clients_send_to_infer_is_answered_over_a_connection(port, name):
    sent, (form, request_id) = RECORDED_INFERENCES[name]
    answer, body = talk(port, sent)
    assert answer.status == 200, body
    length = int(answer.headers.get(HEADER, len(body)))
    content = json.loads(body[:length])
    assert (content["model_name"], content["model_version"]) == ("fake.decoder", "1")
    assert content.get("id") == request_id
    (output,) = content["outputs"]
    flat = np.frombuffer(body[length:], "<f4") if form == "bytes" else np.array(output["data"], np.float32)
    np.testing.assert_array_equal(flat.reshape(output["shape"]), DECODED)


def test_a_body_that_tritonclient_compressed_is_refused_with_what_to_do(client):
    response = client.post(
        "/v2/models/fake.decoder/infer", content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}
    )
    assert "Send the tensors as they are." in error_of(response, 415)


def test_a_version_that_is_not_served_is_not_named_and_says_why(tmp_path):
    write_version(tmp_path, number=1)
    (write_version(tmp_path, number=2) / "decoder" / "weights").write_bytes(b"else")
    client = Client(create_app(Settings(model_store=tmp_path, default_model="fake"), open_fake))
    assert client.get("/v2/models/fake.decoder").json()["versions"] == ["1"]
    assert "cannot be served here" in error_of(client.get("/v2/models/fake.decoder/versions/2/ready"), 404)
    client.close()


@pytest.mark.parametrize(
    "model",
    [
        "fake",
        "other.decoder",
        "fake.other",
        "decoder",
        ".decoder",
        "fake@1.decoder",
        "fake.decoder/versions/2",
        "fake.decoder/versions/01",
        "fake.decoder/versions/x",
    ],
)
@pytest.mark.parametrize("behind", ["", "/ready", "/infer"])
def test_an_unknown_model_or_version_is_404_and_names_those_there_are(client, model, behind):
    method = "POST" if behind == "/infer" else "GET"
    said = error_of(client.request(method, f"/v2/models/{model}{behind}", json=asking(Z)), 404)
    assert "fake.encoder (versions: 1), fake.decoder (versions: 1), fake.draw (versions: 1)" in said


@pytest.mark.parametrize("path", ["/v2/", "/v2/x", "/v2/models", "/v2/models/", "/v2/repository/index"])
def test_nothing_under_v2_is_answered_in_another_form(client, path):
    if path == "/v2/":
        assert client.get(path).json() == client.get("/v2").json()
    else:
        assert "GET /v2/models/NAME" in error_of(client.get(path), 404)
        assert "GET /v2/models/NAME" in error_of(client.post(path), 404)
    assert client.get("/v3").headers["content-type"] == "application/problem+json"


def test_a_wrong_method_is_405_and_options_says_which_is_right(client):
    for method, path, allowed in (
        ("POST", "/v2", "GET, HEAD, OPTIONS"),
        ("GET", "/v2/models/fake.decoder/infer", "OPTIONS, POST"),
        ("PUT", "/v2/models/fake.decoder", "GET, HEAD, OPTIONS"),
    ):
        refused = client.request(method, path)
        assert refused.headers["allow"] == allowed
        assert allowed in error_of(refused, 405)
        answer = client.request("OPTIONS", path)
        assert (answer.status_code, answer.headers["allow"]) == (204, allowed)
    assert client.request("HEAD", "/v2/health/ready").content == b""


@pytest.mark.parametrize("count", [1, 5, BATCH_ROWS, BATCH_ROWS + 3, 400])
@pytest.mark.parametrize("binary", [False, True])
def test_every_row_is_decoded_and_not_rounded(client, count, binary):
    z = np.random.default_rng(count).uniform(-4, 4, (count, 2)).astype(np.float32)
    request = asking(z, id="a", parameters={"binary_data_output": binary})
    tensors, about = outputs_of(client.post("/v2/models/fake.decoder/infer", json=request))
    np.testing.assert_array_equal(tensors["image"], FakeRuntime().decode(z))
    assert about["id"] == "a"


def test_a_large_body_is_read_in_a_thread_and_answered_alike(client):
    images = np.random.default_rng(0).random((200, 8, 8)).astype(np.float32)
    sent = json.dumps(asking(images, "images")).encode()
    assert len(sent) > inference.SMALL_BODY
    tensors, _ = outputs_of(client.post("/v2/models/fake.encoder/infer", content=sent))
    np.testing.assert_array_equal(tensors["z_mean"], FakeRuntime().encode(images)[0])
    refused = client.post("/v2/models/fake.encoder/infer", content=sent.replace(b"0.5", b"-.5"))
    assert "body: expected JSON" in error_of(refused, 400)
    images[150, 2, 1] = 1.5
    refused = client.post("/v2/models/fake.encoder/infer", json=asking(images, "images"))
    assert "images[150,2,1]: expected pixels from 0 to 1" in error_of(refused, 400)
    assert client.app.service.engine.waiting == 0


def test_until_it_is_read_a_body_counts_for_the_most_rows_that_its_length_can_hold(client):
    model = client.app.service.models.opened["fake@1"]
    signature = inference.PARTS["encoder"](model)

    def rows(length, json_bytes):
        return inference.infer(signature, {}, bytes(length), json_bytes, Settings(max_images=10**6)).images

    length = 256 * 1000
    assert rows(length, 0) == 1000  # 64 numbers of 4 bytes
    assert rows(length, None) == 2000  # 64 numbers of 2 characters
    assert rows(length, 128_000) == 1500
    assert inference.infer(signature, {}, bytes(length), 0, Settings()).images == 400


def test_the_encoder_gives_both_moments_and_only_those_asked_for(client):
    images = np.random.default_rng(0).random((3, 8, 8)).astype(np.float32)
    z_mean = FakeRuntime().encode(images)[0]
    raw = client.post("/v2/models/fake.encoder/infer", content=images.tobytes(), headers={HEADER: "0"})
    tensors, _ = outputs_of(raw)
    assert list(tensors) == ["z_mean", "z_log_var"]
    np.testing.assert_array_equal(tensors["z_mean"], z_mean)
    np.testing.assert_array_equal(tensors["z_log_var"], np.zeros((3, 2)))
    request = asking(images, "images", outputs=[{"name": "z_log_var"}])
    assert list(outputs_of(client.post("/v2/models/fake.encoder/infer", json=request))[0]) == ["z_log_var"]


@pytest.mark.parametrize("value", [0, 1, -1, 1e-42, 1.5])
def test_noise_of_a_draw_lies_between_0_and_1(client, value):
    noise = np.full((1, 8, 8), 0.25, np.float32)
    request = asking(Z)
    request["inputs"] += asking(noise, "noise")["inputs"]
    tensors, _ = outputs_of(client.post("/v2/models/fake.draw/infer", json=request))
    np.testing.assert_array_equal(tensors["image"], FakeRuntime().draw(Z, noise))
    request["inputs"][1]["data"][0][7][3] = value
    refused = client.post("/v2/models/fake.draw/infer", json=request)
    assert "noise[0,7,3]: expected numbers above 0 and below 1" in error_of(refused, 400)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({HEADER: "x"}, "expected one whole number. Received: x."),
        ({HEADER: "-1"}, "expected one whole number. Received: -1."),
        ({HEADER: "9" * 13}, "expected one whole number"),
        ({HEADER: "100000"}, "expected at most 2, the bytes of the body. Received: 100000."),
        ([(HEADER, "2"), (HEADER, "2")], "expected one whole number. Received: 2, 2."),
    ],
)
def test_a_length_of_the_json_that_cannot_be_is_refused(client, headers, said):
    refused = client.post("/v2/models/fake.decoder/infer", content=b"{}", headers=headers)
    assert f"{HEADER}: {said}" in error_of(refused, 400)


@pytest.mark.parametrize("sent", [b"", b"[" * 10_000 + b"]" * 10_000, b'{"inputs":[NaN]}', b"\xff" * 70_000])
def test_a_body_that_is_no_json_is_400_and_the_next_request_is_answered(client, sent):
    assert "body: expected JSON" in error_of(client.post("/v2/models/fake.decoder/infer", content=sent), 400)
    assert client.post("/v2/models/fake.decoder/infer", json=asking(Z)).status_code == 200


def test_a_body_over_the_limit_is_413(fake_store):
    client = Client(
        create_app(Settings(model_store=fake_store, default_model="fake", max_upload_bytes=50), open_fake)
    )
    refused = client.post("/v2/models/fake.decoder/infer", json=asking(Z))
    assert "at most 50 bytes (VITRINE_MAX_UPLOAD_BYTES)" in error_of(refused, 413)
    client.close()


def test_a_saturated_service_answers_503_with_a_time_and_holds_back_who_comes_again(settings, monkeypatch):
    app = create_app(settings, open_fake)
    with serving_in_a_thread(app) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        monkeypatch.setattr(app.service.engine._admission, "images", 10**6)
        response = client.post("/v2/models/fake.decoder/infer", json=asking(Z))
        assert "images are waiting already" in error_of(response, 503)
        assert int(response.headers["retry-after"]) >= 1
        started = time.monotonic()
        client.post("/v2/models/fake.decoder/infer", json=asking(Z))
        assert time.monotonic() - started > 0.9  # see app.http.refusals
        monkeypatch.undo()
        assert client.post("/v2/models/fake.decoder/infer", json=asking(Z)).status_code == 200


def test_what_is_not_computed_in_time_is_504_and_gives_its_place_back(fake_store, monkeypatch):
    settings = Settings(model_store=fake_store, default_model="fake", deadline_seconds=0.1)
    client = Client(create_app(settings, open_fake))
    engine = client.app.service.engine
    monkeypatch.setattr(engine, "_dispatch_soon", lambda: None)  # everything waits
    response = client.post("/v2/models/fake.decoder/infer", json=asking(Z))
    assert "Not ready within 0.1 s." in error_of(response, 504)
    assert engine.waiting == 0
    client.close()


def test_a_client_that_leaves_gives_its_place_back(client, monkeypatch):
    engine = client.app.service.engine
    monkeypatch.setattr(engine, "_dispatch_soon", lambda: None)  # everything waits
    waiting = []

    async def leave():
        body = json.dumps(asking(Z)).encode()
        messages = [{"type": "http.request", "body": body}, {"type": "http.disconnect"}]

        async def receive():
            waiting.append(engine.waiting)
            return messages.pop(0)

        async def send(message):
            waiting.append(message.get("status"))

        path = "/v2/models/fake.decoder/infer"
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "headers": []}
        await client.app({**scope, "query_string": b"", "http_version": "1.1"}, receive, send)

    client._runner.run(asyncio.wait_for(leave(), 5))
    assert waiting == [0, 1, 499, None]
    assert engine.waiting == 0


def test_a_service_that_cannot_compute_is_not_ready_but_live(client, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("broken")

    monkeypatch.setattr(client.app.service, "check", fail)
    assert "The log names the cause" in error_of(client.get("/v2/health/ready"), 500)
    assert client.get("/v2/health/live").json() == {"live": True}


def test_tensors_and_pictures_asked_for_at_the_same_time_are_each_what_they_are_alone(client):
    async def ask():
        post = client._client.post("/v2/models/fake.decoder/infer", json=asking(Z))
        return await asyncio.gather(client._client.get("/samples?n=3&seed=1"), post)

    alone = client.get("/samples?n=3&seed=1").content
    picture, tensors = client._runner.run(ask())
    assert picture.content == alone
    np.testing.assert_array_equal(outputs_of(tensors)[0]["image"], DECODED)


def test_inferences_are_counted_by_their_address(client):
    client.post("/v2/models/fake.decoder/infer", json=asking(Z))
    client.post("/v2/models/fake.decoder/infer", json={})
    text = client.get("/metrics").text
    assert 'http_route="/v2/models/{model}/infer"' in text
    assert 'vitrine_problems_total{kind="invalid-inference"} 1.0' in text


def test_metadata_names_versions_and_tensors(tmp_path):
    write_version(tmp_path, number=1, shape=(8, 8, 3))
    write_version(tmp_path, number=3, shape=(8, 8, 3))
    client = Client(create_app(Settings(model_store=tmp_path, default_model="fake"), open_fake))
    image = {"name": "image", "datatype": "FP32", "shape": [-1, 8, 8, 3]}
    code = {"name": "z", "datatype": "FP32", "shape": [-1, 2]}
    expected = {
        "encoder": ([image | {"name": "images"}], [code | {"name": "z_mean"}, code | {"name": "z_log_var"}]),
        "decoder": ([code], [image]),
        "draw": ([code, image | {"name": "noise"}], [image]),
    }
    for part, (inputs, outputs) in expected.items():
        for version in ("", "/versions/1", "/versions/3"):
            assert client.get(f"/v2/models/fake.{part}{version}").json() == {
                "name": f"fake.{part}",
                "versions": ["1", "3"],
                "platform": "tensorflow_savedmodel",
                "inputs": inputs,
                "outputs": outputs,
            }
    for version, answers in (("", "3"), ("/versions/1", "1")):
        response = client.post(f"/v2/models/fake.decoder{version}/infer", json=asking(Z))
        assert outputs_of(response)[1] == {"model_name": "fake.decoder", "model_version": answers}
        assert response.headers["x-model"] == f"fake@{answers}"
    client.close()


@pytest.mark.tensorflow
def test_tensors_of_the_shipped_model_are_what_its_pictures_are_drawn_from(shipped):
    """The image's own rows of a computation, so that nothing but the rounding to levels lies between them."""
    model = shipped.app.service.models.opened["fashion-dense@7"]
    z = model.prior.draw(42, 0, 40)
    url = "/v2/models/fashion-dense.{}/versions/7/infer"
    request = asking(z, parameters={"binary_data_output": True})
    image = outputs_of(shipped.post(url.format("decoder"), json=request))[0]["image"]
    np.testing.assert_array_equal(image, model.decoding.unrounded.whole(z))
    picture = pixels_of(
        shipped.get("/samples?n=40&columns=1&seed=42&ink=light&model=fashion-dense@7").content
    )
    np.testing.assert_array_equal(to_pixels(image).reshape(picture.shape), picture)
    images = model.examples.astype(np.float32) / np.float32(255)
    found, _ = outputs_of(shipped.post(url.format("encoder"), json=asking(images, "images")))
    np.testing.assert_array_equal(found["z_mean"], model.encoding.whole(images))
    assert ((found["z_log_var"] > -12) & (found["z_log_var"] < 1)).all()  # variances of a trained posterior
    assert np.ptp(found["z_log_var"]) > 1
