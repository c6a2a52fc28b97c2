"""What a request without access is answered with. None of it repeats a key or a signature.

* VitrineError              see app/errors.py
  * AccessRefused           403
    * KeyRequired           401  no API key, or one that is not known
    * ModelNotAllowed       403  a key for other models
    * BudgetSpent           429  a key whose images of this minute have been computed
    * SignatureInvalid      403
    * SignatureExpired      403
    * SignatureRequired     403  the service answers signed addresses alone
"""

from collections.abc import Iterable

from app.errors import Fault, VitrineError


class AccessRefused(VitrineError):
    """Base of the refusals for want of access."""

    status = 403
    kind = "access-refused"
    title = "Access to this is not allowed"

    def __init__(self, fault: Fault, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{fault.parameter}: {fault.summary} {fault.remedy}", fault, headers=headers)


class KeyRequired(AccessRefused):
    """No API key came, or one that is not known."""

    status = 401
    kind = "key-required"
    title = "This address needs an API key"

    def __init__(self, given: bool) -> None:
        received = "a key that is not known, or no more" if given else "no key"
        remedy = "Ask the operator for a key, and send it as: Authorization: Bearer KEY."
        challenge = 'Bearer realm="Vitrine"' + (', error="invalid_token"' if given else "")
        super().__init__(
            Fault("Authorization", "an API key", received, remedy, "key_unknown" if given else "key_missing"),
            {"WWW-Authenticate": challenge},
        )


class ModelNotAllowed(AccessRefused):
    """The API key is for other models."""

    kind = "model-not-allowed"
    title = "This API key is not for this model"

    def __init__(self, received: str, allowed: Iterable[str]) -> None:
        names = ", ".join(sorted(allowed))
        remedy = "Name one of these, or ask the operator for another key."
        super().__init__(Fault("model", f"one of {names}", received, remedy, "model_not_allowed"))


class BudgetSpent(AccessRefused):
    """The API key's images of this minute have been computed."""

    status = 429
    kind = "budget-spent"
    title = "This API key has no images left for now"

    def __init__(self, images: int, budget: dict[str, str], retry_after_seconds: int) -> None:
        fewer = "fewer images, or of scores, bounds and completions for fewer draws (k, elbo)"
        remedy = f"Try again in {retry_after_seconds} s, or ask for {fewer}."
        headers = {"Retry-After": str(retry_after_seconds), **budget}
        if images > int(budget["RateLimit-Limit"]):
            remedy = f"This key has {budget['RateLimit-Limit']} a minute: ask for {fewer}."
            headers = budget  # no time will do
        expected = f"at most {budget['RateLimit-Remaining']} images and draws computed"
        received = f"a request that computes {images}"
        super().__init__(Fault("Authorization", expected, received, remedy, "budget_spent"), headers)


class SignatureInvalid(AccessRefused):
    """An address has a signature that nobody has made for it."""

    kind = "signature-invalid"
    title = "The signature is not this address'"

    def __init__(self) -> None:
        expected = "an address exactly as it was signed"
        remedy = "Use it unchanged, all parameters included, or ask whoever gave it to you for another."
        super().__init__(
            Fault("signature", expected, "another address or signature", remedy, "signature_invalid")
        )


class SignatureExpired(AccessRefused):
    """A signed address is no longer good."""

    kind = "signature-expired"
    title = "This signed address has expired"

    def __init__(self, expires: int) -> None:
        remedy = "Ask whoever gave it to you for a new one."
        super().__init__(Fault("expires", "a time to come", str(expires), remedy, "signature_expired"))


class SignatureRequired(AccessRefused):
    """The service has no API keys, only signed addresses, and this is none."""

    kind = "signature-required"
    title = "This service answers signed addresses alone"

    def __init__(self) -> None:
        remedy = "Ask the operator for a signed address."
        super().__init__(Fault("signature", "a signed address", "none", remedy, "signature_missing"))
