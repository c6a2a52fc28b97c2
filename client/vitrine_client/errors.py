"""What can go wrong, a class a kind of problem.

* VitrineError
  * WrongAddress          no address of a service, or one of another service; a ValueError too
  * Unreachable           no answer: nothing listens there, or the connection broke
  * UnexpectedAnswer      what answers is no Vitrine
  * RequestRefused        the request cannot be answered as it is
    * AddressNotFound
    * MethodNotAllowed
    * InvalidParameter
      * MalformedImageRequest
      * ImageNotFound
      * UploadError
        * MalformedUpload
        * UploadTooLarge
        * UndecodableUpload
        * UnsupportedUpload
          * UnsupportedPicture
    * ModelNotFound
      * ModelGone
      * ModelUnavailable
    * ScoringUnavailable
    * UnsupportedFormat
    * MapUnavailable
    * MalformedRequest
    * HostNotAllowed
    * RequestTimeout
    * AddressTooLong
    * RangeNotSatisfiable
    * HeadTooLarge
    * TooManyRequests
    * AccessRefused       see ``vitrine_client.access_errors``
  * ServiceFailed         the service cannot answer it, now or at all
    * Overloaded
    * DeadlinePassed
    * NotReady
    * OutOfResources
    * DecoderUnavailable
    * MetricsUnavailable
    * ModelError
"""

from typing import ClassVar, NamedTuple


class Fault(NamedTuple):
    """One thing that is wrong with a request."""

    parameter: str  # its name, or the multipart field, or ``body``
    expected: str  # what would have been right
    received: str  # what came, escaped and cut
    remedy: str  # what to do about it
    code: str  # a stable word for programs


class VitrineError(Exception):
    """Base of all errors of this package.

    Attributes:
        status: of the HTTP answer, None if there was none.
        kind: the last part of the problem's type, like ``invalid-parameter``.
        title: half a sentence on the kind.
        detail: what happened.
        errors: each thing that is wrong with the request.
        request_id: what the service's log knows the request by.
        retry_after: seconds after which it may be tried again, None if the service does not say.
    """

    kind: ClassVar[str] = ""

    def __init__(
        self,
        detail: str,
        *,
        status: int | None = None,
        title: str = "",
        errors: tuple[Fault, ...] = (),
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.title = title
        self.errors = errors
        self.request_id = request_id
        self.retry_after = retry_after

    @property
    def remedy(self) -> str:
        """What to do about it, as far as the service says; empty if it does not."""
        return " ".join(fault.remedy for fault in self.errors if fault.remedy)


class Unreachable(VitrineError):
    """No answer came."""


class WrongAddress(VitrineError, ValueError):
    """What was given is no address of a service, or one of another service."""


class UnexpectedAnswer(VitrineError):
    """What answers at the address is no Vitrine, or another version of it."""


class RequestRefused(VitrineError):
    """The request cannot be answered as it is; a status from 400 to 499."""


class AddressNotFound(RequestRefused):
    """No such address."""

    kind = "not-found"


class MethodNotAllowed(RequestRefused):
    """The address does not take this method."""

    kind = "method-not-allowed"


class InvalidParameter(RequestRefused):
    """A parameter is malformed, unknown, given twice or out of range."""

    kind = "invalid-parameter"


class MalformedImageRequest(InvalidParameter):
    """A region, size, rotation, quality or format of the IIIF Image API that cannot be answered."""

    kind = "malformed-image-request"


class ImageNotFound(InvalidParameter):
    """An identifier of the IIIF Image API that names no plane of a model."""

    kind = "image-not-found"


class UploadError(InvalidParameter):
    """An image cannot be decoded, or breaks a limit."""

    kind = "unusable-upload"


class MalformedUpload(UploadError):
    """The request's body does not parse."""

    kind = "malformed-upload"


class UploadTooLarge(UploadError):
    """The request's body is over the limit."""

    kind = "upload-too-large"


class UndecodableUpload(UploadError):
    """A file that ended the process that decoded it, or took too much time or memory there."""

    kind = "undecodable-upload"


class UnsupportedUpload(UploadError):
    """Not a kind of file that the service understands."""

    kind = "unsupported-upload"


class UnsupportedPicture(UnsupportedUpload):
    """A file of a known format, in a variety that is not decoded."""

    kind = "unsupported-picture"


class ModelNotFound(RequestRefused):
    """No such model or version."""

    kind = "model-not-found"


class ModelGone(ModelNotFound):
    """A version that was published and has been deleted."""

    kind = "model-gone"


class ModelUnavailable(ModelNotFound):
    """A version that is there, and cannot be served by this installation."""

    kind = "model-unavailable"


class ScoringUnavailable(RequestRefused):
    """A version that is served, and was published without what scores and completions need."""

    kind = "scoring-unavailable"


class UnsupportedFormat(RequestRefused):
    """A format that is not offered."""

    kind = "unsupported-format"


class MapUnavailable(RequestRefused):
    """A version that is served, and was published without a map of its test set."""

    kind = "map-unavailable"


class MalformedRequest(RequestRefused):
    """What was received is not HTTP as it should be."""

    kind = "malformed-request"


class HostNotAllowed(RequestRefused):
    """The service does not answer by this host name."""

    kind = "host-not-allowed"


class RequestTimeout(RequestRefused):
    """The request was not complete in time."""

    kind = "request-timeout"


class AddressTooLong(RequestRefused):
    """The address is too long."""

    kind = "address-too-long"


class RangeNotSatisfiable(RequestRefused):
    """A static file has no such bytes."""

    kind = "range-not-satisfiable"


class HeadTooLarge(RequestRefused):
    """The headers are too many, or too long."""

    kind = "head-too-large"


class TooManyRequests(RequestRefused):
    """This client has more than its share under way, while others wait."""

    kind = "too-many-requests"


class ServiceFailed(VitrineError):
    """The service cannot answer the request; a status from 500 on."""

    kind = "internal-error"


class Overloaded(ServiceFailed):
    """More work is waiting than the service takes."""

    kind = "overloaded"


class DeadlinePassed(ServiceFailed):
    """The picture was not ready in time."""

    kind = "deadline-passed"


class NotReady(ServiceFailed):
    """The service is starting or stopping, or no model computes."""

    kind = "not-ready"


class OutOfResources(ServiceFailed):
    """The system gave the service no memory or no thread."""

    kind = "out-of-resources"


class DecoderUnavailable(ServiceFailed):
    """The process that decodes uploads cannot be started, or does not answer."""

    kind = "decoder-unavailable"


class MetricsUnavailable(ServiceFailed):
    """The counters cannot be read."""

    kind = "metrics-unavailable"


class ModelError(ServiceFailed):
    """A model does not do what its manifest says."""

    kind = "model-error"
