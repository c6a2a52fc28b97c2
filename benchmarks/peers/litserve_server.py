"""The same pictures by LitServe, which answers POST alone: the parameters come as JSON.

    python litserve_server.py PORT

Batching as its documentation has it: `max_batch_size` requests, or as many as come within `batch_timeout`;
``fast_queue`` (ZeroMQ) is its advice above a hundred requests a second. One worker, one API server.
"""

import sys
from typing import Any

import litserve
import numpy as np
import numpy.typing as npt
from drawing import BATCHING, MAX_BATCH, Decoder, draw, png
from fastapi import Response

WAIT_SECONDS = 0.005  # a few decodings long; at zero the worker would spin, on a core that it shares


class Samples(litserve.LitAPI):
    """One request: codes; its answer: a PNG."""

    def setup(self, device: str) -> None:  # noqa: ARG002  the only device is the processor
        """Load the decoder, in the worker's process."""
        self.decoder = Decoder()

    def decode_request(self, request: dict[str, Any]) -> npt.NDArray[np.float32]:
        """Return the codes that a request asks for."""
        return draw(request.get("n", 21), request.get("seed"))

    def batch(self, inputs: list[Any]) -> list[Any]:
        """Keep the requests' codes as they are: they differ in number."""
        return inputs

    def unbatch(self, output: list[Any]) -> list[Any]:
        """Return the images of each request."""
        return output

    def predict(self, x: Any) -> Any:
        """Decode one request's codes, or those of several."""
        return self.decoder.many(x) if BATCHING else self.decoder(x)

    def encode_response(self, output: npt.NDArray[np.float32]) -> Response:
        """Answer with the picture."""
        return Response(png(output), media_type="image/png")


if __name__ == "__main__":
    batching = {"max_batch_size": MAX_BATCH, "batch_timeout": WAIT_SECONDS} if BATCHING else {}
    api = Samples(api_path="/samples", **batching)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        generate_client_file=False,
    )
