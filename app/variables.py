"""Variables whose names begin like our settings: which are a platform's own, and which are misspelt."""

import difflib
import re
from collections.abc import Collection, Mapping

PREFIX = "VITRINE_"
OTHERS = frozenset(
    {
        "VITRINE_URL",  # of the commands that ask a service
        "VITRINE_DATA",  # of vitrine-train
        "VITRINE_TEST_EVERYTHING",  # of the tests
    }
)
URL = re.compile(r"(tcp|udp|sctp)://\S+:\d+", re.IGNORECASE)

# What Kubernetes, and Docker's links, write into every container for a Service that is called vitrine, or
# vitrine-something: its address, once as a host and a port, once for each port as a URL and its parts.
_OF_A_SERVICE = re.compile(
    rf"{PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)"
)
_OF_A_LINK = re.compile(rf"{PREFIX}(\w+_)?ENV_\w+")  # Docker's, beside those


def of_a_service(name: str, value: str) -> bool:
    """Say whether a variable tells of a Kubernetes Service or a Docker link, and is no setting."""
    if _OF_A_SERVICE.fullmatch(name) or _OF_A_LINK.fullmatch(name):
        return True
    if not name.startswith(PREFIX):
        return False
    return bool(name.endswith("PORT") and URL.fullmatch(value.strip())) or (
        name.endswith("_NAME") and value.startswith("/")
    )


def misspelt(variables: Mapping[str, str], known: Collection[str]) -> list[str]:
    """Return a line for each variable that begins like ours, is none of ours and is not blank.

    Args:
        variables: values by name.
        known: the variables of all settings.
    """
    lines = []
    for name, value in sorted(variables.items()):
        meant = name.upper()  # settings are found in any case
        if not meant.startswith(PREFIX) or not value.strip() or meant in known or meant in OTHERS:
            continue
        if not of_a_service(meant, value):
            near = difflib.get_close_matches(meant, known, n=1, cutoff=0.7)
            hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(sorted(known))}"
            lines.append(f"{name}: there is no such setting; {hint}")
    return lines
