"""What OpenAPI says of API keys, where requests need one."""

from typing import Any

from app.access import refusals
from app.errors import VitrineError
from app.http.guard import is_open

SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key of the operator's."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same."},
}
KINDS: set[type[VitrineError]] = {*refusals.AccessRefused.__subclasses__()}


def with_keys(schema: dict[str, Any], answers: dict[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI document that says which operations need a key, and what refuses those without.

    Args:
        schema: the document.
        answers: the refusals of ``KINDS``, as responses by status.
    """
    paths = {path: _operations(path, found, answers) for path, found in schema["paths"].items()}
    components = schema["components"] | {"securitySchemes": SCHEMES}
    return schema | {"paths": paths, "components": components}


def _operations(path: str, operations: dict[str, Any], answers: dict[str, Any]) -> dict[str, Any]:
    if is_open(path):
        return operations
    secured: dict[str, Any] = {"security": [{name: []} for name in SCHEMES]}
    return {
        method: operation | secured | {"responses": operation["responses"] | answers}
        for method, operation in operations.items()
    }
