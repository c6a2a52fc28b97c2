"""The same pictures by BentoML: GET comes from a FastAPI application mounted on the service.

    bentoml serve bentoml_service:Samples --host 127.0.0.1

Without batching, the service decodes by itself. With it, decoding is a service of its own, as the
documentation composes them: BentoML's dispatcher lies between the two, and only calls that pass it are
batched, adaptively.
"""

import bentoml
import numpy as np
import numpy.typing as npt
from drawing import BATCHING, MAX_BATCH, draw, png
from fastapi import FastAPI, Response
from starlette.concurrency import run_in_threadpool

app = FastAPI()


@bentoml.service(workers=1, traffic={"timeout": 60})
class Decoding:
    """Decodes codes."""

    def __init__(self) -> None:
        from drawing import Decoder

        self.decoder = Decoder()

    # The size is in rows: MAX_BATCH requests for 21 images.
    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=MAX_BATCH * 21, max_latency_ms=60_000)
    def decode(self, z: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the images of codes."""
        return self.decoder(z)


if BATCHING:

    @bentoml.service(workers=1, traffic={"timeout": 60})
    @bentoml.asgi_app(app, path="/")
    class Samples:
        """Answers with pictures; another process decodes."""

        decoding = bentoml.depends(Decoding)

        @app.get("/samples")
        async def samples(self, n: int = 21, seed: int | None = None) -> Response:
            """Answer with `n` generated images."""
            images = await self.decoding.to_async.decode(draw(n, seed))
            return Response(png(images), media_type="image/png")

else:

    @bentoml.service(workers=1, traffic={"timeout": 60})
    @bentoml.asgi_app(app, path="/")
    class Samples:  # type: ignore[no-redef]
        """Decodes, and answers with pictures."""

        def __init__(self) -> None:
            from drawing import Decoder

            self.decoder = Decoder()

        @app.get("/samples")
        async def samples(self, n: int = 21, seed: int | None = None) -> Response:
            """Answer with `n` generated images."""
            return Response(
                await run_in_threadpool(lambda: png(self.decoder(draw(n, seed)))), media_type="image/png"
            )
