"""Examples in the API documentation that the service itself answers: of the models that it has."""

from typing import Any, NamedTuple

from app.errors import VitrineError
from app.http import cards
from app.service import Service

PICTURE = "samples.png?n=3&seed=42"  # of which no model has fewer


class Known(NamedTuple):
    """What examples name.

    Args:
        name: of a model.
        number: of a version of it.
        latent_dim: axes of its codes.
        identifier: of a plane of it; see ``app.http.plane_images``.
        picture: relative address of a picture that may be sent.
    """

    name: str
    number: int
    latent_dim: int
    identifier: str
    picture: str = PICTURE

    @classmethod
    def of(cls, service: Service) -> "Known":
        """Return what a service's default model gives, or names alone before it has started."""
        try:
            version = service.models.find(service.settings.default_model)
        except VitrineError:
            return cls("fashion", 1, 2, "fashion;x=0;y=1")
        examples = (path for path in cards.pictures(version) if path in version.manifest.examples)
        picture = next((f"{cards.address_of(version)}/files/{path}" for path in examples), PICTURE)
        at = "" if version.manifest.latent_dim == 2 else ";at=seed:0/0"
        identifier = f"{version.pinned};x=0;y=1{at}"
        return cls(version.name, version.number, version.manifest.latent_dim, identifier, picture)

    @property
    def parameters(self) -> dict[str, Any]:
        """By name of a parameter that a model must be named for, an example."""
        return {
            "with": f"{self.name}@{self.number}",
            "name": self.name,
            "number": str(self.number),
            "identifier": self.identifier,
            "model": f"{self.name}.decoder",
            "version": str(self.number),
        }

    @property
    def codes(self) -> list[list[float]]:
        """Two codes of the model."""
        return [[0.0] * self.latent_dim, [0.5] * self.latent_dim]

    def in_parameters(self, parameters: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return OpenAPI's parameters, each that must name a model with an example."""
        return [
            each | {"example": self.parameters[each["name"]]}
            if each["required"] and each["name"] in self.parameters
            else each
            for each in parameters
        ]

    def in_body(self, content: dict[str, Any], picture: str | None = None) -> dict[str, Any]:
        """Return OpenAPI's content of a body, each kind that an example can be written of with one.

        A picture is an address from the service's root: what that gives is the body.

        Args:
            content: by media type.
            picture: relative address of the one to send; None: ``picture``.
        """
        sent = {"summary": "What this address gives.", "externalValue": picture or self.picture}
        by_type: dict[str, Any] = {
            "image/*": {"picture": sent},
            "application/json": {
                "points": {"value": {"points": ["centre", "0.5*seed:42/3~0.5*seed:7"]}},
                "codes": {"value": {"codes": self.codes}},
            },
        }
        return {
            kind: shape | ({"examples": by_type[kind]} if kind in by_type else {})
            for kind, shape in content.items()
        }
