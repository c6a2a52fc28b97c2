"""Which media type a request's ``Accept`` prefers (RFC 9110, section 12.5.1)."""

import re

_QUALITY = re.compile(r"q=(0(\.[0-9]{0,3})?|1(\.0{0,3})?)")


def preference(offered: str, accept: bytes) -> float:
    """Return the weight of a media type, 0 to 1, by the most specific range that it is in; 0: in none.

    Args:
        offered: the media type.
        accept: the header's value.
    """
    weights = {}
    for each in accept.decode("latin-1").lower().split(","):
        name, *parameters = (part.strip() for part in each.split(";"))
        found = next((quality for part in parameters if (quality := _QUALITY.fullmatch(part))), None)
        weights[name] = float(found[1]) if found else 1.0
    specific_first = (offered, f"{offered.partition('/')[0]}/*", "*/*")
    return next((weights[name] for name in specific_first if name in weights), 0.0)
