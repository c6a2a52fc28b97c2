"""Where a picture endpoint is best routed: three ways to one picture, loaded in turn.

    .venv/bin/python -m benchmarks.routing        two minutes; needs wrk

`front`: a Starlette router before FastAPI's, as the service has it. `inside`: the same endpoint as a route of
a FastAPI application, behind its layers. `function`: a path operation of FastAPI that prepares and computes.
"""

import argparse
import statistics
import sys
from contextlib import ExitStack
from typing import Annotated, Any

from benchmarks.load import require_wrk, wrk
from benchmarks.processes import MODEL, Program, running
from benchmarks.tables import markdown

WAYS = ("front", "inside", "function")
ROUNDS, CONNECTIONS, SECONDS = 5, 16, 3


def application(way: str) -> Any:
    """Return the service, its pictures routed in one of ``WAYS``."""
    from fastapi import FastAPI, Query, Response

    from app.http import pictures
    from app.main import create_app

    if way not in WAYS:
        raise ValueError(f"way: expected one of {', '.join(WAYS)}. Received: {way!r}")
    app = create_app()
    service = app.service
    if way == "front":
        return app
    fastapi = FastAPI(lifespan=app.router.lifespan_context)
    if way == "inside":
        fastapi.router.routes[:0] = pictures.routes(service)
        return fastapi

    @fastapi.get("/samples")
    async def samples(query: Annotated[pictures.SamplesQuery, Query()]) -> Response:
        model = await service.find(query.model)
        prepared = pictures.prepare_samples(query, model, service.settings)()
        picture = await service.engine.run(prepared.work)
        headers = {name.decode(): value.decode() for name, value in prepared.headers_of(picture)}
        return Response(picture.content, headers=headers)

    return fastapi


def main() -> None:
    """Measure each way, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--serve", nargs=2, metavar=("PORT", "WAY"), help="serve by one way alone")
    arguments = parser.parse_args()
    if arguments.serve:
        serve(int(arguments.serve[0]), arguments.serve[1])
        return
    require_wrk()
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    with ExitStack() as stack:
        words = (sys.executable, "-m", "benchmarks.routing", "--serve", "{port}")
        servers = {way: stack.enter_context(running(Program((*words, way), model=MODEL))) for way in WAYS}
        for turn in range(ROUNDS):
            for way in WAYS if turn % 2 == 0 else reversed(WAYS):
                rates[way].append(wrk(servers[way], CONNECTIONS, SECONDS).rate)
    medians = {way: statistics.median(found) for way, found in rates.items()}
    front = medians["front"]
    rows = [[way, f"{rate:.0f}", f"{rate / front:.2f}"] for way, rate in medians.items()]
    print(markdown([["way", "answers/s", "of front"], *rows]))


def serve(port: int, way: str) -> None:
    """Serve pictures routed in one way."""
    import uvicorn

    from app.http.protocol import VitrineProtocol

    uvicorn.run(application(way), port=port, http=VitrineProtocol, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
