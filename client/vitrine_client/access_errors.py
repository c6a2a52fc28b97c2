"""What can go wrong where a service wants an API key or a signed address.

* AccessRefused
  * KeyRequired
  * ModelNotAllowed
  * BudgetSpent
  * SignatureInvalid
  * SignatureExpired
  * SignatureRequired
"""

from vitrine_client.errors import RequestRefused


class AccessRefused(RequestRefused):
    """Access to this is not allowed."""

    kind = "access-refused"


class KeyRequired(AccessRefused):
    """The service wants an API key, and got none or one that it does not know."""

    kind = "key-required"


class ModelNotAllowed(AccessRefused):
    """The API key is for other models."""

    kind = "model-not-allowed"


class BudgetSpent(AccessRefused):
    """The API key's images of this minute have been computed; ``retry_after`` says when there are more."""

    kind = "budget-spent"


class SignatureInvalid(AccessRefused):
    """The address has a signature that nobody has made for it."""

    kind = "signature-invalid"


class SignatureExpired(AccessRefused):
    """The signed address is no longer good."""

    kind = "signature-expired"


class SignatureRequired(AccessRefused):
    """The service answers signed addresses alone."""

    kind = "signature-required"
