"""The same pictures by Ray Serve, one replica behind its own proxy.

    python ray_serve_app.py PORT

Batching as its documentation has it, with `serve.batch` on an async method, and with as many requests let
through to the replica as the test has connections.
"""

import asyncio
import signal
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
from drawing import BATCHING, MAX_BATCH, draw, png
from fastapi import FastAPI, Response
from ray import serve

WAIT_SECONDS = 0.005  # a few decodings long

app = FastAPI()


@serve.deployment(num_replicas=1, max_ongoing_requests=256)
@serve.ingress(app)
class Samples:
    """The only replica."""

    def __init__(self) -> None:
        from drawing import Decoder

        self.decoder = Decoder()

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=WAIT_SECONDS)
    async def decode(self, codes: list[npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float32]]:
        """Decode the codes of several requests at once."""
        return self.decoder.many(codes)

    @app.get("/samples")
    async def samples(self, n: int = 21, seed: int | None = None) -> Response:
        """Answer with `n` generated images."""
        if BATCHING:
            picture = png(await self.decode(draw(n, seed)))
        else:
            picture = await asyncio.to_thread(lambda: png(self.decoder(draw(n, seed))))
        return Response(picture, media_type="image/png")


def stop(*_: Any) -> None:
    """End Ray's processes with this one."""
    serve.shutdown()
    ray.shutdown()
    sys.exit()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, stop)
    ray.init(include_dashboard=False, _node_ip_address="127.0.0.1")
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Samples.bind())
    signal.pause()
