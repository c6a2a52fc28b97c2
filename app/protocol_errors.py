"""What can be wrong with a request's head, mostly before any endpoint sees it, and how often a client asks.

* VitrineError              see app/errors.py
  * MalformedRequest        400  not HTTP, or no Host that can be read
  * HostNotAllowed          400  a Host that is none of ours
  * RequestTimeout          408  a head or a body that is not complete in time
  * AddressTooLong          414
  * RangeNotSatisfiable     416  bytes that a file has not
  * HeadTooLarge            431
  * Overloaded              503
    * TooManyRequests       429  more than a client's share, while others wait
"""

from app.errors import Overloaded, VitrineError, echo


class MalformedRequest(VitrineError):
    """What was received is not HTTP, or has not the one Host header that HTTP/1.1 asks for."""

    status = 400
    kind = "malformed-request"
    title = "The request is not HTTP as it should be"


class HostNotAllowed(VitrineError):
    """The request is for a host name that the operator has not named."""

    status = 400
    kind = "host-not-allowed"
    title = "The service does not answer by this host name"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"Host: expected a name that VITRINE_ALLOWED_HOSTS lists, or an address. Received: {echo(host)}. "
            "The operator can add it there."
        )


class RequestTimeout(VitrineError):
    """A request's head or body did not come in time."""

    status = 408
    kind = "request-timeout"
    title = "The request was not complete in time"


class AddressTooLong(VitrineError):
    """The request line is over its limit."""

    status = 414
    kind = "address-too-long"
    title = "The address is too long"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"At most {most} bytes, half of VITRINE_MAX_HEAD_BYTES. Send points in the body of a POST."
        )


class RangeNotSatisfiable(VitrineError):
    """A static file has none of the bytes that ``Range`` asks for."""

    status = 416
    kind = "range-not-satisfiable"
    title = "The file has no such bytes"

    def __init__(self, content_range: str) -> None:
        size = content_range.rpartition("/")[2]
        super().__init__(
            f"The file has {size} bytes. Ask for some of these, or leave Range out.",
            headers={"Content-Range": content_range},
        )


class HeadTooLarge(VitrineError):
    """The headers are over a limit."""

    status = 431
    kind = "head-too-large"
    title = "The headers are too many, or too long"

    def __init__(self, most_bytes: int, most_headers: int) -> None:
        super().__init__(
            f"At most {most_bytes} bytes (VITRINE_MAX_HEAD_BYTES) and {most_headers} headers "
            "(VITRINE_MAX_HEADERS). Send fewer or shorter headers, cookies most of all."
        )


class TooManyRequests(Overloaded):
    """A client has more under way than its share, and others wait."""

    status = 429
    kind = "too-many-requests"
    title = "Others wait, and this client has more than its share"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            "Others wait, and this client has more than its share under way.", retry_after_seconds
        )
