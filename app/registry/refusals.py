"""Why a change to a model store is not made."""


class Refused(Exception):
    """The store is left as it was; says why in one line, with a remedy."""


class NotAllowed(Refused):
    """What was asked for contradicts itself, or needs ``--force``."""


class NotThere(Refused):
    """The store that was asked has no such model or version."""


class Unreachable(Refused):
    """The other store does not answer, or not as a store does."""
