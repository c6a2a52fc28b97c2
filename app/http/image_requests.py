"""The parts of an image request of the IIIF Image API 3.0 -> a view of the full image, and back.

The specification: https://iiif.io/api/image/3.0/, sections 4.1 to 4.8. All of compliance level 2 is read,
and beyond it mirroring, scaling to more pixels than a region has (``^``), and WebP.
"""

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from app.errors import MalformedImageRequest
from app.explore.pyramid import Pyramid, Region, View
from app.pictures.regions import FORMATS

PARTS = ("region", "size", "rotation", "quality", "format")
QUALITIES = ("default", "color", "gray")
TURNS = (0, 90, 180, 270)

_WHOLE = r"[0-9]{1,20}"
_NUMBER = r"(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})"
_PIXELS = re.compile(",".join([f"({_WHOLE})"] * 4))
_PERCENT = re.compile("pct:" + ",".join([f"({_NUMBER})"] * 4))
_SIZE = re.compile(
    rf"(?P<up>\^)?(?:(?P<max>max)|pct:(?P<pct>{_NUMBER})"
    rf"|(?P<confined>!)?(?P<both>{_WHOLE},{_WHOLE})|(?P<one>{_WHOLE},|,{_WHOLE}))"
)
_ROTATION = re.compile(rf"(!?)({_NUMBER})")
# What the parts look like, as regular expressions for documents.
SHAPES = {
    "region": f"full|square|{_PIXELS.pattern}|{_PERCENT.pattern}".replace("(?:", "("),
    "size": re.sub(r"\?(P<\w+>|:)", "", _SIZE.pattern),
    "rotation": r"!?(0{0,17}(0|90|180|270|360)(\.0{0,20})?|\.0{1,20})",
}


class ImageRequest(NamedTuple):
    """A view, and what its address is.

    Args:
        view: what is to be seen.
        canonical: the last parts of its address in the specification's canonical form (section 4.8).
        permanent: the same, its size in numbers: ``max`` depends on what an operator allows.
        limited: whether the size that was asked for depends on that.
    """

    view: View
    canonical: str
    permanent: str
    limited: bool


def read(parts: Mapping[str, str], pyramid: Pyramid) -> ImageRequest:
    """Return what the parts of an image request, by their names in ``PARTS``, ask for.

    Raises:
        MalformedImageRequest: one of them is malformed, not offered, or more than is allowed.
    """
    region = _region(parts["region"], pyramid)
    size, limited = _size(parts["size"], region, pyramid)
    mirrored, rotation = _rotation(parts["rotation"])
    quality, kind = parts["quality"], parts["format"]
    for name, value, offered in (("quality", quality, QUALITIES), ("format", kind, tuple(FORMATS))):
        if value not in offered:
            raise _refusal(name, f"one of {', '.join(offered)}", value, "Name one of these.", "not_offered")
    grey = quality == "gray" and len(pyramid.image.shape) == 3
    view = View(region, size, mirrored, rotation, grey, kind)
    whole = region == (0, 0, pyramid.width, pyramid.height)
    enlarged = size[0] > region.width or size[1] > region.height
    where = "full" if whole else ",".join(map(str, region))
    scaled = f"{'^' if enlarged else ''}{size[0]},{size[1]}"
    behind = f"{'!' if mirrored else ''}{rotation}/{'gray' if grey else 'default'}.{kind}"
    usual = "max" if size == pyramid.largest(region) else scaled
    return ImageRequest(view, f"{where}/{usual}/{behind}", f"{where}/{scaled}/{behind}", limited)


def _refusal(part: str, expected: str, received: object, remedy: str, code: str) -> MalformedImageRequest:
    return MalformedImageRequest.of(part, expected, received, remedy, code)


def _region(text: str, pyramid: Pyramid) -> Region:
    """Return the part of the full image that a text names, cut at its edges."""
    full = pyramid.width, pyramid.height
    if text == "full":
        return Region(0, 0, *full)
    if text == "square":
        side = min(full)
        return Region((full[0] - side) // 2, (full[1] - side) // 2, side, side)
    if found := _PIXELS.fullmatch(text):
        x, y, width, height = map(int, found.groups())
    elif found := _PERCENT.fullmatch(text):
        shares = [Fraction(each) / 100 for each in found.groups()]
        x, y, width, height = (round(share * full[axis % 2]) for axis, share in enumerate(shares))
    else:
        expected = "full, square, x,y,w,h in whole pixels or pct:x,y,w,h"
        raise _refusal("region", expected, text, "Write it like 0,0,512,512.", "malformed_region")
    width, height = min(width, full[0] - x), min(height, full[1] - y)
    if width < 1 or height < 1:
        expected = f"a region that meets the image, which has {full[0]} x {full[1]} pixels"
        raise _refusal("region", expected, text, "Ask for a pixel of it at least.", "empty_region")
    return Region(x, y, width, height)


def _size(text: str, region: Region, pyramid: Pyramid) -> tuple[tuple[int, int], bool]:
    """Return the size to which a region is to be scaled, and whether it is that because of the limits."""
    found = _SIZE.fullmatch(text)
    if found is None:
        expected = "max; w,h; w,; ,h; !w,h or pct:n, each with ^ before it if it may be enlarged"
        raise _refusal("size", expected, text, "Write it like 512,512.", "malformed_size")
    enlarging = found["up"] is not None
    if found["max"] or found["confined"]:
        return _fitted(found, region, pyramid)
    size = _exact(found, region)
    if min(size) < 1:
        raise _refusal("size", "1 pixel or more", text, "Ask for a larger size.", "empty_size")
    if not enlarging and (size[0] > region.width or size[1] > region.height):
        expected = f"at most {region.width},{region.height}, the region's own size"
        remedy = "Write ^ before the size to enlarge the region."
        raise _refusal("size", expected, text, remedy, "larger_than_region")
    if not pyramid.allows(*size):
        most = f"{pyramid.max_width} pixels wide, {pyramid.max_height} high, {pyramid.max_area} in all"
        raise _refusal("size", f"at most {most}", text, "Ask for a smaller size.", "too_large")
    return size, False


def _exact(found: re.Match[str], region: Region) -> tuple[int, int]:
    """Return the size that a text says in numbers; what it leaves out, by the region's own proportions."""
    if found["pct"]:
        share = Fraction(found["pct"]) / 100
        return round(region.width * share), round(region.height * share)
    width, height = (found["both"] or found["one"]).split(",")
    if found["both"]:
        return int(width), int(height)
    share = Fraction(int(width), region.width) if width else Fraction(int(height), region.height)
    other = round((region.height if width else region.width) * share)
    if share:
        other = max(1, other)  # of a region that is much longer than wide
    return (int(width), other) if width else (other, int(height))


def _fitted(found: re.Match[str], region: Region, pyramid: Pyramid) -> tuple[tuple[int, int], bool]:
    """Return the largest size within the limits, and within a width and a height if they are given."""
    enlarging = found["up"] is not None
    if found["max"] and not enlarging:
        size = pyramid.largest(region)
        return size, size != (region.width, region.height)
    bounds = [] if enlarging else [Fraction(1)]
    if found["both"]:
        width, height = map(int, found["both"].split(","))
        if not width or not height:
            raise _refusal("size", "1 pixel or more", found[0], "Ask for a larger size.", "empty_size")
        bounds += [Fraction(width, region.width), Fraction(height, region.height)]
    allowed = min(
        Fraction(pyramid.max_width, region.width),
        Fraction(pyramid.max_height, region.height),
        _by_area(region, pyramid),
    )
    share = min([*bounds, allowed])
    width, height = (max(1, round(length * share)) for length in (region.width, region.height))
    if not pyramid.allows(width, height):  # rounded to one pixel too many
        width, height = (max(1, math.floor(length * share)) for length in (region.width, region.height))
    return (width, height), share == allowed


def _by_area(region: Region, pyramid: Pyramid) -> Fraction:
    """Return a scale by which a region has at most the allowed area, to a millionth."""
    return Fraction(math.isqrt(pyramid.max_area * 10**12 // (region.width * region.height)), 10**6)


def _rotation(text: str) -> tuple[bool, int]:
    """Return whether a rotation mirrors, and by how many degrees it turns."""
    found = _ROTATION.fullmatch(text)
    if found is None or Fraction(found[2]) not in (*TURNS, 360):
        expected = f"one of {', '.join(map(str, TURNS))}, with ! before it to mirror"
        raise _refusal("rotation", expected, text, "Turn by a multiple of 90.", "unsupported_rotation")
    return bool(found[1]), int(Fraction(found[2])) % 360
