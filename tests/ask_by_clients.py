"""Asks a server of the fake model by the two clients, unchanged; tests/test_inference_clients.py runs it.

It runs where these are installed, and nothing of the project: python ask_by_clients.py HOST:PORT
"""

import asyncio
import sys

import httpx
import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput
from tritonclient.utils import InferenceServerException

Z = np.array([[0.5, -1], [2, 0]], np.float32)
IMAGES = np.repeat((0.5 + Z / 10).astype(np.float32), 4, axis=1)[:, :, None].repeat(8, axis=2)  # (2, 8, 8)
NOISE = np.full((2, 8, 8), 0.25, np.float32)


def triton_input(name, array, binary):
    tensor = triton.InferInput(name, array.shape, "FP32")
    return tensor.set_data_from_numpy(array, binary_data=binary)


def ask_by_triton(address):
    with triton.InferenceServerClient(address) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("fake.decoder")
        assert client.is_model_ready("fake.decoder", "1")
        assert not client.is_model_ready("fake.decoder", "2")
        assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
        metadata = client.get_model_metadata("fake.draw", "1")
        assert [each["name"] for each in metadata["inputs"]] == ["z", "noise"]
        for binary in (True, False):
            codes = triton_input("z", Z, binary)
            np.testing.assert_array_equal(client.infer("fake.decoder", [codes]).as_numpy("image"), IMAGES)
            asked = [triton.InferRequestedOutput("image", binary_data=binary)]
            answer = client.infer(
                "fake.decoder", [codes], "1", asked, request_id="7", priority=1, timeout=5_000_000
            )
            np.testing.assert_array_equal(answer.as_numpy("image"), IMAGES)
            assert (answer.get_response()["id"], answer.get_response()["model_version"]) == ("7", "1")
            answer = client.infer("fake.draw", [triton_input("noise", NOISE, binary), codes])
            np.testing.assert_allclose(answer.as_numpy("image"), IMAGES - 0.025, atol=1e-6)
            answer = client.infer("fake.encoder", [triton_input("images", IMAGES, binary)])
            np.testing.assert_allclose(answer.as_numpy("z_mean"), Z, atol=1e-5)
            np.testing.assert_array_equal(answer.as_numpy("z_log_var"), np.zeros((2, 2)))
        answer = client.async_infer("fake.decoder", [codes]).get_result()
        np.testing.assert_array_equal(answer.as_numpy("image"), IMAGES)
        refused(
            client,
            "fake.decoder",
            triton_input("z", Z * np.float32("nan"), True),
            "400",
            "z[0,0]: expected a finite",
        )
        refused(
            client,
            "fake.decoder",
            triton_input("noise", NOISE, True),
            "400",
            "inputs[0].name: expected one of z",
        )
        refused(client, "other.decoder", codes, "404", "model: expected one of fake.encoder (versions: 1)")


def refused(client, model, tensor, status, said):
    caught = None
    try:
        client.infer(model, [tensor])
    except InferenceServerException as error:
        caught = error
    assert (caught.status(), said in caught.message()) == (status, True), caught


async def ask_by_triton_aio(address):
    async with triton_aio.InferenceServerClient(address) as client:
        assert await client.is_model_ready("fake.decoder")
        answer = await client.infer("fake.decoder", [triton_input("z", Z, True)])
        np.testing.assert_array_equal(answer.as_numpy("image"), IMAGES)


async def ask_by_kserve(url):
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        assert await client.is_server_live(url) is True
        assert await client.is_server_ready(url) is True
        assert await client.is_model_ready(url, "fake.decoder") is True
        assert await client.is_model_ready(url, "other.decoder") is False

        async def infer(array, binary, binary_answer):
            codes = InferInput("z", list(array.shape), "FP32")
            codes.set_data_from_numpy(array, binary_data=binary)
            asked = [RequestedOutput("image", {"binary_data": binary_answer})]
            request = InferRequest("fake.decoder", [codes], request_id="7", request_outputs=asked)
            return await client.infer(url, request, model_name="fake.decoder")

        for binary in (True, False):
            for binary_answer in (True, False):
                answer = await infer(Z, binary, binary_answer)
                np.testing.assert_array_equal(answer.outputs[0].as_numpy(), IMAGES)
                assert (answer.id, answer.model_name, answer.outputs[0].shape) == (
                    "7",
                    "fake.decoder",
                    [2, 8, 8],
                )
        plain = {"inputs": [{"name": "z", "shape": [2, 2], "datatype": "FP32", "data": Z.tolist()}]}
        answer = await client.infer(url, plain, model_name="fake.decoder/versions/1")
        np.testing.assert_array_equal(answer.outputs[0].as_numpy(), IMAGES)
        caught = None
        try:
            await infer(Z * 100, True, True)
        except httpx.HTTPStatusError as error:
            caught = error
        assert caught.response.status_code == 400
        assert "z[0,0]: expected numbers from -8 to 8. Received: 50." in str(caught)


if __name__ == "__main__":
    ask_by_triton(sys.argv[1])
    asyncio.run(ask_by_triton_aio(sys.argv[1]))
    asyncio.run(ask_by_kserve(f"http://{sys.argv[1]}"))
    sys.stdout.write("every answer was right\n")
