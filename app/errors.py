"""What a request, a model or the machine can do wrong.

* VitrineError              500, unless a kind below says otherwise
  * AddressNotFound         404
  * MethodNotAllowed        405
  * InvalidParameter        422  a query parameter, or a limit it ran into
    * InvalidInference      400  a request of the Open Inference Protocol
    * MalformedImageRequest 400  a part of an address of the IIIF Image API
    * ImageNotFound         404  an identifier of the IIIF Image API that names no plane
    * UploadError           422  a file that cannot be used
      * UndecodableUpload   422  a file at which its decoder failed
      * MalformedUpload     400  the request body is not what its headers say
      * UploadTooLarge      413
      * UnsupportedUpload   415
        * UnsupportedPicture  415  an image format, in a variety that is not decoded
  * ModelNotFound           404
    * ModelGone             410  a version that was published and has been deleted
  * UnsupportedFormat       406  a picture format that is not offered
  * Overloaded              503  more work than the machine takes on
  * DeadlinePassed          504  admitted, but not done in time
  * NotReady                503  no model is warm, or none computes
  * DecoderUnavailable      503  what decodes uploads was ended, is stuck, or cannot be started
  * OutOfResources          503  the system gave no memory or no thread
  * MetricsUnavailable      503  counters that would not tell the truth
  * ModelError              500  a model that does not do what its manifest says
    * ModelUnavailable      404  a version that is in the store and cannot run here
    * ScoringUnavailable    404  a version that is served, and was published without what scores need
    * MapUnavailable        404  a version that is served, and was published without a map of its test set
  * StoreError              500  the model store cannot be served; ends the start
  * kinds of app/protocol_errors.py: what is wrong before any endpoint sees the request

Each error carries its HTTP status as a plain integer; nothing here knows HTTP otherwise.
"""

import dataclasses
from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Self

from app.faults import Fault as Fault
from app.faults import VitrineError as VitrineError
from app.faults import echo as echo


class AddressNotFound(VitrineError):
    """No such path."""

    status = 404
    kind = "not-found"
    title = "There is nothing at this address"


class MethodNotAllowed(VitrineError):
    """The path exists, but does not take this method."""

    status = 405
    kind = "method-not-allowed"
    title = "This address does not take this method"

    def __init__(self, methods: Collection[str]) -> None:
        allowed = ", ".join(sorted({*methods, "OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))
        super().__init__(f"Use one of: {allowed}.", headers={"Allow": allowed})


class InvalidParameter(VitrineError):
    """A query parameter is malformed, unknown, given twice or out of range."""

    status = 422
    kind = "invalid-parameter"
    title = "A parameter cannot be used"

    def __init__(self, *faults: Fault) -> None:
        each = (f"{fault.parameter}: {fault.summary} {fault.remedy}" for fault in faults)
        super().__init__(" ".join(each), *faults)

    @classmethod
    def of(cls, parameter: str, expected: str, received: object, remedy: str, code: str) -> Self:
        """Return the error of one parameter, what was received escaped and cut."""
        return cls(Fault(parameter, expected, echo(received), remedy, code))


class InvalidInference(InvalidParameter):
    """A request of the Open Inference Protocol is malformed, or not what the model takes."""

    status = 400  # as the protocol has it
    kind = "invalid-inference"
    title = "An inference request cannot be used"


class MalformedImageRequest(InvalidParameter):
    """A region, size, rotation, quality or format of the IIIF Image API that cannot be answered."""

    status = 400
    kind = "malformed-image-request"
    title = "The IIIF Image API knows no such request, or its limits do not allow it"


class ImageNotFound(InvalidParameter):
    """An identifier of the IIIF Image API that names no plane of a model's latent space."""

    status = 404
    kind = "image-not-found"
    title = "There is no such image of the IIIF Image API"


class UploadError(InvalidParameter):
    """A file that is a picture by its first bytes but cannot be decoded, or breaks a limit."""

    kind = "unusable-upload"
    title = "An uploaded image cannot be used"


class UndecodableUpload(UploadError):
    """A file that ended the process that decoded it, or took too much time or memory there."""

    kind = "undecodable-upload"
    title = "The decoder failed at an uploaded image"


class MalformedUpload(UploadError):
    """The request body does not parse."""

    status = 400
    kind = "malformed-upload"
    title = "The request body cannot be read"


class UploadTooLarge(UploadError):
    """The request body is over the limit."""

    status = 413
    kind = "upload-too-large"
    title = "The request body is too large"


class UnsupportedUpload(UploadError):
    """Not a kind of file, or of request body, that is understood."""

    status = 415
    kind = "unsupported-upload"
    title = "This kind of upload is not understood"


class UnsupportedPicture(UnsupportedUpload):
    """A file of a known format, in a variety that the decoder does not support. Names what it is."""

    kind = "unsupported-picture"
    title = "The image's format is known, but not this variety of it (such as 12-bit JPEG)"


class ModelNotFound(VitrineError):
    """No such model or version in the store."""

    status = 404
    kind = "model-not-found"
    title = "There is no such model"

    def __init__(self, received: object, known: list[str], remedy: str | None = None) -> None:
        fault = self._fault(received, known, "model_not_found", remedy)
        super().__init__(f"model: {fault.summary}", fault)

    def name_parameter(self, name: str) -> None:
        """Say that another parameter than ``model``, which cannot be left out, names the model."""
        remedy = self.faults[0].remedy.replace(", or leave model out for the default", "")
        self.faults = (dataclasses.replace(self.faults[0], parameter=name, remedy=remedy),)
        self.detail = self.detail.replace("model:", f"{name}:", 1)

    @staticmethod
    def _fault(received: object, known: list[str], code: str, remedy: str | None = None) -> Fault:
        expected = f"one of {', '.join(known)}" if known else "a model, but the store has none"
        remedy = remedy or "Name one of these, or leave model out for the default."
        return Fault("model", expected, echo(received), remedy, code)


class ModelGone(ModelNotFound):
    """A version that was published and has been deleted. Names every digest that its number had."""

    status = 410
    kind = "model-gone"
    title = "This version of a model was deleted, and no other takes its place"

    def __init__(self, received: object, version: str, digests: Collection[str], known: list[str]) -> None:
        fault = self._fault(received, known, "model_gone")
        was = f"{version} was published as digest {' and '.join(digests)}, and has been deleted."
        instead = f" Ask for one of {', '.join(known)}." if known else ""
        VitrineError.__init__(self, was + instead, fault)


class UnsupportedFormat(VitrineError):
    """A picture was asked for in a format that is not offered."""

    status = 406
    kind = "unsupported-format"
    title = "This picture format is not offered"

    def __init__(self, received: object, offered: Iterable[str]) -> None:
        formats = ", ".join(offered)
        fault = Fault("format", formats, echo(received), f"Ask for one of: {formats}.", "unsupported_format")
        super().__init__(f"format: {fault.summary}", fault)


class Overloaded(VitrineError):
    """The queue is full, or too long.

    Args:
        waiting: images that wait already, or what else is the reason.
        retry_after_seconds: when to try again.
        refused: counts the same refusal of another client, who is named to it.
        holds: says whether one more like it would be refused now too, behind so many that are let in.
    """

    status = 503
    kind = "overloaded"
    title = "The service has more work than it can take"

    def __init__(
        self,
        waiting: int | str,
        retry_after_seconds: int,
        refused: Callable[[Hashable], None] = lambda _: None,
        holds: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self.retry_after_seconds = retry_after_seconds
        self.refused = refused
        self.holds = holds
        reason = waiting if isinstance(waiting, str) else f"{waiting} images are waiting already."
        super().__init__(
            f"{reason} Try again in {retry_after_seconds} s.",
            headers={"Retry-After": str(retry_after_seconds)},
        )


class DeadlinePassed(VitrineError):
    """A request waited for as long as one may take."""

    status = 504
    kind = "deadline-passed"
    title = "The picture was not ready in time"

    def __init__(self, seconds: float, retry_after_seconds: int) -> None:
        super().__init__(
            f"Not ready within {seconds:g} s. Try again in {retry_after_seconds} s, or ask for less, like a "
            "smaller n or k. VITRINE_DEADLINE_SECONDS sets the limit.",
            headers={"Retry-After": str(retry_after_seconds)},
        )


class NotReady(VitrineError):
    """No model has been opened, or none computes."""

    status = 503
    kind = "not-ready"
    title = "The service is not ready"

    def __init__(self, reason: str) -> None:
        super().__init__(reason, headers={"Retry-After": "2"})


class DecoderUnavailable(VitrineError):
    """The process that decodes uploads was ended by the system, does not answer, or cannot be started."""

    status = 503
    kind = "decoder-unavailable"
    title = "Uploaded images cannot be decoded just now"

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} Try again in 2 s.", headers={"Retry-After": "2"})


class OutOfResources(VitrineError):
    """The system had no memory, or no thread, for a request."""

    status = 503
    kind = "out-of-resources"
    title = "The service lacks memory for this request"

    def __init__(self) -> None:
        super().__init__(
            "The system gave no memory or no thread for it. Try again in 2 s, or ask for less at once.",
            headers={"Retry-After": "2"},
        )


class MetricsUnavailable(VitrineError):
    """Worker processes cannot add up what they count; pictures are served all the same."""

    status = 503
    kind = "metrics-unavailable"
    title = "The counters cannot be read"


class ModelError(VitrineError):
    """A model gave something that its manifest rules out."""

    kind = "model-error"
    title = "The model does not do what its manifest says"


class ModelUnavailable(ModelError):
    """A version is in the store, and this installation cannot serve it; the detail says why."""

    status = 404
    kind = "model-unavailable"
    title = "This model cannot be served here"

    @classmethod
    def of(cls, reference: str, reason: str, others: Collection[str] = ()) -> Self:
        """Return the error of a version, with those that a request may ask for in its place."""
        instead = f" Ask for one of {', '.join(others)}." if others else ""
        return cls(f"{reference} is in the store, and cannot be served here: {reason}.{instead}")


class ScoringUnavailable(ModelError):
    """A version is served, and its files for this runtime have no log-probability."""

    status = 404
    kind = "scoring-unavailable"
    title = "This model cannot score or complete images"

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"{reference} was published without the log-probability that scores and completions need. Ask "
            "for a newer version: vitrine-train convert publishes one. VITRINE_RUNTIME=tensorflow needs none."
        )


class MapUnavailable(ModelError):
    """A version is served, and has no map of its test set."""

    status = 404
    kind = "map-unavailable"
    title = "This model has no map of its test set"

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"{reference} was published without a map of its test set. Ask for a newer version: "
            "vitrine-train convert, with the data at hand, publishes one."
        )


class StoreError(VitrineError):
    """The model store has nothing to serve. Says where it looked and the command that makes a model."""

    kind = "no-model"
    title = "There is no model to serve"
