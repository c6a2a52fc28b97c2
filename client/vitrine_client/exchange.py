"""How a request becomes an answer, for both clients: a generator that says what is to be sent, or waited for.

``Client`` and ``AsyncClient`` do what it says, each in its own way; retries, entity tags and errors are here.
"""

import collections
import email.utils
import threading
import time
from collections.abc import Generator
from typing import Any, NamedTuple, TypeVar

import httpx

from vitrine_client.errors import UnexpectedAnswer, Unreachable
from vitrine_client.problems import error_of
from vitrine_client.requests import Answer, Request, url_of

T = TypeVar("T")

LONGEST_WAIT = 10.0  # seconds; a service that asks for more has another trouble than a busy moment
MAX_KEPT = 64  # answers
MAX_KEPT_BYTES = 16_777_216


class Send(NamedTuple):
    """To be sent; the response is what the generator expects."""

    method: str
    url: str
    options: dict[str, Any]


class Wait(NamedTuple):
    """To be waited for."""

    seconds: float


Exchange = Generator[Send | Wait, httpx.Response, T]  # after Wait, nothing is to be sent into it


class Memory:
    """Answers that were given with an entity tag: whoever asks again is told whether they still hold.

    The oldest go first. Threads may share it.
    """

    def __init__(self, most: int = MAX_KEPT, most_bytes: int = MAX_KEPT_BYTES) -> None:
        self._kept: collections.OrderedDict[str, Answer] = collections.OrderedDict()
        self._most, self._most_bytes = most, most_bytes
        self._bytes = 0
        self._lock = threading.Lock()

    def find(self, url: str) -> Answer | None:
        """Return the answer that a URL last gave, None if it is not kept."""
        with self._lock:
            if url in self._kept:
                self._kept.move_to_end(url)
            return self._kept.get(url)

    def keep(self, answer: Answer) -> None:
        """Keep an answer that has an entity tag."""
        with self._lock:
            self._forget(answer.url)
            if "etag" not in answer.headers or len(answer.content) > self._most_bytes:
                return
            self._kept[answer.url] = answer
            self._bytes += len(answer.content)
            while len(self._kept) > self._most or self._bytes > self._most_bytes:
                self._forget(next(iter(self._kept)))

    def _forget(self, url: str) -> None:
        if (old := self._kept.pop(url, None)) is not None:
            self._bytes -= len(old.content)


def exchange(request: Request[T], base_url: str, memory: Memory, retries: int) -> Exchange[T]:
    """Send a request, again if the service is busy, and return what is read of the answer.

    Args:
        request: what is asked.
        base_url: of the service.
        memory: what is known already.
        retries: how often a service that answers 503 or 429 with Retry-After is asked again, after that time.

    Raises:
        VitrineError: no answer, a refusal, or an answer that no Vitrine gives.
    """
    url = url_of(base_url, request.address)
    known = memory.find(url) if request.method == "GET" else None
    step = Send(request.method, url, _options(request, known))
    while True:
        try:
            response = yield step
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise Unreachable(f"{base_url}: {error or type(error).__name__}") from error
        wait = _retry_after(response)
        if response.status_code not in (429, 503) or wait is None or wait > LONGEST_WAIT or retries <= 0:
            break
        retries -= 1
        yield Wait(wait)
    if response.status_code == 304 and known is not None:
        return request.read(known)
    headers = {name.lower(): value for name, value in response.headers.items()}
    if response.status_code >= 400:
        raise error_of(url, response.status_code, headers, response.content, wait)
    if response.status_code != 200:
        text = f"{url}: status {response.status_code}, which no Vitrine gives; {headers.get('location', '')}"
        raise UnexpectedAnswer(text.rstrip("; "), status=response.status_code)
    answer = Answer(url, headers, response.content)
    if request.method == "GET":
        memory.keep(answer)
    return request.read(answer)


def _options(request: Request[Any], known: Answer | None) -> dict[str, Any]:
    """Return what httpx is to send beside method and URL."""
    options: dict[str, Any] = {}
    if known is not None:
        options["headers"] = {"If-None-Match": known.headers["etag"]}
    if request.files:  # file names say nothing to the service, and something of whoever sends them
        options["files"] = [
            (field, (f"image-{number}", content, "application/octet-stream"))
            for number, (field, content) in enumerate(request.files)
        ]
    elif request.body is not None:
        options |= {"content": request.body, "headers": {"Content-Type": request.body_type}}
    return options


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds of Retry-After (RFC 9110, section 10.2.3: a number, or a date), None without it."""
    text = response.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
