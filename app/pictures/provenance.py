"""What a picture says of how it was made: an XMP packet and a comment, for every format that has place.

The packet (XMP, ISO 16684-1) holds IPTC's digital source type, which says that a model generated the picture,
and the recipe as JSON: the model, its digest, the parameters and the permanent address, all that it takes to
draw the picture again. The address is written without the path under which a proxy offers the service, and
no version of this program is named: a copy of the model elsewhere draws the same file. A picture of images
that no model made has the recipe alone, as nobody knows how they came to be.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

RECIPE_NAMESPACE = "urn:x-vitrine:recipe"
# IPTC NewsCodes, digital source type: made by a model, and images of another origin beside such.
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED = "trainedAlgorithmicMedia"
COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
CREATOR = "Vitrine"

_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:vitrine="{namespace}"
 {source_type}xmp:CreatorTool="{creator}">
<vitrine:recipe>{recipe}</vitrine:recipe>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""

_SEED_TO_COME = "<the seed>"  # in no address: it would be escaped there


class Provenance(NamedTuple):
    """The two texts of one picture.

    Args:
        xmp: an XMP packet, UTF-8.
        comment: one line of ASCII for readers that know no XMP.
    """

    xmp: bytes
    comment: bytes


class Recipe(NamedTuple):
    """How a picture is drawn again.

    Args:
        model: NAME@VERSION.
        digest: of the version, 64 hexadecimal digits.
        path: of the endpoint, like ``/samples``.
        parameters: of the query, defaults included, without the model.
        address: permanent, from the path on; None: it has none, as uploads are not kept.
        source_type: a word of IPTC's, ``GENERATED`` or ``COMPOSITE``; None: nothing in it is generated.
        image: the number of the one image of that address' that is meant; None: the whole picture.
    """

    model: str
    digest: str
    path: str
    parameters: Mapping[str, Any]
    address: str | None
    source_type: str | None = GENERATED
    image: int | None = None

    def as_json(self) -> str:
        """Return the recipe as JSON in ASCII, its keys sorted."""
        parameters = {name: self.parameters[name] for name in sorted(self.parameters)}
        content = {
            "address": self.address,
            "digest": self.digest,
            "image": self.image,
            "model": self.model,
            "parameters": parameters,
            "path": self.path,
        }
        return json.dumps({name: value for name, value in content.items() if value is not None})

    def seeded(self, seed: Any) -> "Recipe":
        """Return the recipe of a seed, of one that has none: it stands at the end of the address."""
        return self._replace(
            parameters={**self.parameters, "seed": seed}, address=f"{self.address}&seed={seed}"
        )

    @property
    def provenance(self) -> Provenance:
        """What a file of the picture holds."""
        known, told = self.source_type, "Drawn"
        source_type = ""
        if known is not None:
            source_type, told = f'Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPES}{known}" ', "Generated"
        packet = _PACKET.format(
            namespace=RECIPE_NAMESPACE,
            source_type=source_type,
            creator=CREATOR,
            recipe=escape(self.as_json()),
        )
        made = self.address or f"{self.path} of what was sent, by {self.model}"
        return Provenance(packet.encode(), f"{told} by {CREATOR}: {made}".encode("ascii"))


class SeededProvenance:
    """The provenance of pictures that differ in their seeds alone, without anything made anew but the seed.

    Args:
        recipe: with neither a seed among its parameters nor in its address, to whose end it is appended.
    """

    def __init__(self, recipe: Recipe) -> None:
        mark, told = _SEED_TO_COME, recipe.as_json()
        while mark in told:  # a class may be called anything
            mark = f"<{mark}>"
        marked = recipe.seeded(mark).provenance
        xmp, comment = (text.replace(b"%", b"%%") for text in marked)
        self._xmp = xmp.replace(escape(f'"{mark}"').encode(), b"%(seed)d").replace(
            escape(mark).encode(), b"%(seed)d"
        )
        self._comment = comment.replace(mark.encode(), b"%(seed)d")

    def of(self, seed: int) -> Provenance:
        """Return what the picture of a seed says."""
        seeded = {b"seed": seed}
        return Provenance(self._xmp % seeded, self._comment % seeded)
