"""The two clients. Each method is a function of ``vitrine_client.requests``, sent."""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
import typing
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from vitrine_client import requests
from vitrine_client.errors import WrongAddress
from vitrine_client.exchange import Memory, Send, exchange
from vitrine_client.requests import Request
from vitrine_client.version import __version__

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:8000"
TIMEOUT = httpx.Timeout(30, connect=5)  # seconds; a service gives up on a picture after 10


def _sent(build: Callable[P, Request[T]]) -> Callable[Concatenate[Client, P], T]:
    """Return the method of ``Client`` that sends what a function returns."""

    @functools.wraps(build)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.send(build(*args, **kwargs))

    return _described(method, build)


def _awaited(
    build: Callable[P, Request[T]],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    """Return the method of ``AsyncClient`` that sends what a function returns."""

    @functools.wraps(build)
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.send(build(*args, **kwargs))

    return _described(method, build)


Method = TypeVar("Method", bound=Callable[..., Any])


def _described(method: Method, build: Callable[..., Request[Any]]) -> Method:
    """Give a method the signature that notebooks and ``help`` show: every parameter by its name."""
    hints = typing.get_type_hints(build)
    parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)]
    for parameter in inspect.signature(build).parameters.values():
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            parameters.append(parameter.replace(annotation=hints[parameter.name]))
            continue
        (query,) = typing.get_args(hints[parameter.name])
        for name, hint in typing.get_type_hints(query).items():
            default = inspect.Parameter.empty if name in query.__required_keys__ else None
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(inspect.Parameter(name, kind, default=default, annotation=hint))
    (returned,) = typing.get_args(hints["return"])
    method.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        parameters, return_annotation=returned
    )
    return method


class Client:
    """Asks a service, and waits for its answer. Threads may share one.

    Args:
        base_url: where the service is, with the path under which a proxy offers it.
        timeout: seconds that one attempt may take.
        retries: how often a busy service is asked again, after as long as it says, 10 s at most.
        headers: sent with every request, for a proxy that wants to know who asks.
        transport: how requests are sent, instead of over the network.

    Raises:
        WrongAddress: the base is no address of a service.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        timeout: float | httpx.Timeout = TIMEOUT,
        retries: int = 2,
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base_url = _checked(base_url)
        self._retries, self._memory = retries, Memory()
        self._http = httpx.Client(timeout=timeout, headers=_headers(headers), transport=transport)

    def send(self, request: Request[T]) -> T:
        """Send a request and return what is read of its answer.

        Raises:
            VitrineError: see ``vitrine_client.errors``.
        """
        steps = exchange(request, self.base_url, self._memory, self._retries)
        try:
            step = next(steps)
            while True:
                if not isinstance(step, Send):
                    time.sleep(step.seconds)
                    step = next(steps)
                    continue
                try:
                    response = self._http.request(step.method, step.url, **step.options)
                except (httpx.RequestError, httpx.InvalidURL) as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(response)
        except StopIteration as end:
            answer: T = end.value
            return answer

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    samples = _sent(requests.samples)
    interpolate = _sent(requests.interpolate)
    decode = _sent(requests.decode)
    reconstruct = _sent(requests.reconstruct)
    axes = _sent(requests.axes)
    manifold = _sent(requests.manifold)
    latent_map = _sent(requests.latent_map)
    directions = _sent(requests.directions)
    compare = _sent(requests.compare)
    encode = _sent(requests.encode)
    score = _sent(requests.score)
    surprise = _sent(requests.surprise)
    complete = _sent(requests.complete)
    render = _sent(requests.render)
    inspect = _sent(requests.inspect)
    version = _sent(requests.version)
    models = _sent(requests.models)


class AsyncClient:
    """As ``Client``, for ``async`` code: every method is awaited. Requests may be sent side by side."""

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        timeout: float | httpx.Timeout = TIMEOUT,
        retries: int = 2,
        headers: Mapping[str, str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.base_url = _checked(base_url)
        self._retries, self._memory = retries, Memory()
        self._http = httpx.AsyncClient(timeout=timeout, headers=_headers(headers), transport=transport)

    async def send(self, request: Request[T]) -> T:
        """Send a request and return what is read of its answer; see ``Client.send``."""
        steps = exchange(request, self.base_url, self._memory, self._retries)
        try:
            step = next(steps)
            while True:
                if not isinstance(step, Send):
                    await asyncio.sleep(step.seconds)
                    step = next(steps)
                    continue
                try:
                    response = await self._http.request(step.method, step.url, **step.options)
                except (httpx.RequestError, httpx.InvalidURL) as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(response)
        except StopIteration as end:
            answer: T = end.value
            return answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.aclose()

    samples = _awaited(requests.samples)
    interpolate = _awaited(requests.interpolate)
    decode = _awaited(requests.decode)
    reconstruct = _awaited(requests.reconstruct)
    axes = _awaited(requests.axes)
    manifold = _awaited(requests.manifold)
    latent_map = _awaited(requests.latent_map)
    directions = _awaited(requests.directions)
    compare = _awaited(requests.compare)
    encode = _awaited(requests.encode)
    score = _awaited(requests.score)
    surprise = _awaited(requests.surprise)
    complete = _awaited(requests.complete)
    render = _awaited(requests.render)
    inspect = _awaited(requests.inspect)
    version = _awaited(requests.version)
    models = _awaited(requests.models)


def _checked(base_url: str) -> str:
    """Return a service's URL without a slash at its end."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise WrongAddress(f"{base_url!r} is no address of a service; write it like {DEFAULT_URL}")
    return base_url.rstrip("/")


def _headers(own: Mapping[str, str] | None) -> dict[str, str]:
    return {"User-Agent": f"vitrine-client/{__version__}", **(own or {})}
