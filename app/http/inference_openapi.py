"""The Open Inference Protocol in the API documentation."""

from typing import Any

from app.http.examples import Known

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
PARAMETERS: Schema = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean"]},
    "description": "`binary_data_output`, of a request; `binary_data_size`, of a tensor; `binary_data`, of a "
    "requested output. Others have no effect.",
}


def _object(required: list[str], **properties: Schema) -> Schema:
    return {"type": "object", "required": required, "properties": properties}


def _list(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items} | more


SHAPE = _list({"type": "integer"}, description="The first is the number of rows; -1: any.")
DATATYPE: Schema = {"type": "string", "enum": ["FP32"]}
DATA = _list({}, description="Numbers in row-major order, nested as the shape is or in one list.")
TENSOR = _object(["name", "datatype", "shape"], name=TEXT, datatype=DATATYPE, shape=SHAPE)
FILLED = _object(
    ["name", "datatype", "shape"], name=TEXT, datatype=DATATYPE, shape=SHAPE, parameters=PARAMETERS, data=DATA
)
ASKED = _object(["name"], name=TEXT, parameters=PARAMETERS)
REQUEST = _object(
    ["inputs"], id=TEXT, parameters=PARAMETERS, inputs=_list(FILLED, minItems=1), outputs=_list(ASKED)
)
RESPONSE = _object(
    ["model_name", "model_version", "outputs"],
    model_name=TEXT,
    model_version=TEXT,
    id=TEXT,
    outputs=_list(FILLED),
)
SERVER = _object(["name", "version", "extensions"], name=TEXT, version=TEXT, extensions=_list(TEXT))
MODEL = _object(
    ["name", "versions", "platform", "inputs", "outputs"],
    name=TEXT,
    versions=_list(TEXT),
    platform=TEXT,
    inputs=_list(TENSOR),
    outputs=_list(TENSOR),
)
FLAG: Schema = {"type": "boolean"}
LIVE = _object(["live"], live=FLAG)
READY = _object(["live", "ready"], live=FLAG, ready=FLAG)
MODEL_READY = _object(["name", "ready"], name=TEXT, ready=FLAG)

BINARY: Schema = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
ERROR = _object(["error"], error=TEXT)
# What addresses may refuse, by status.
STATUSES = {
    405: "The address does not take this method.",
    500: "Something went wrong inside the service, or the model gave what is no number.",
    503: "Not ready, or there is more work than the service takes on; see Retry-After.",
}
OF_MODELS = {404: "There is no such model, or it cannot run here.", 410: "The version was deleted."}
OF_BODIES = {
    400: "The request cannot be used; the message says where.",
    413: "The body is too large.",
    415: "The body is compressed.",
    504: "Not computed in time.",
}
LENGTH: Schema = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "required": False,
    "schema": {"type": "integer", "minimum": 0},
    "description": "Bytes of the JSON, if tensors follow it as bytes; 0: the body is the only input's bytes.",
}
PLACES: dict[str, Schema] = {
    "model": {
        "description": "`NAME.encoder`, `NAME.decoder` or `NAME.draw` of a model NAME.",
        "schema": TEXT,
    },
    "version": {
        "description": "A version of it; if not given, the newest.",
        "schema": TEXT,
    },
}


def example(known: Known) -> Schema:
    """Return a request that decodes two codes."""
    codes = known.codes
    shape = [len(codes), known.latent_dim]
    return {
        "id": "42",
        "inputs": [{"name": "z", "datatype": "FP32", "shape": shape, "data": codes}],
        "outputs": [{"name": "image"}],
    }


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _operation(path: str, method: str, summary: str, description: str, schema: Schema) -> Schema:
    places = [
        {"name": name, "in": "path", "required": True} | place
        for name, place in PLACES.items()
        if f"{{{name}}}" in path
    ]
    statuses = STATUSES if "{model}" not in path else STATUSES | OF_MODELS
    if method == "post":
        statuses = statuses | OF_BODIES
    errors = {
        str(status): {"description": told, "content": _json(ERROR)}
        for status, told in sorted(statuses.items())
    }
    answer: Schema = {"description": summary, "content": _json(schema)}
    parts = [part.strip("{}") for part in path.split("/") if part]
    operation: Schema = {
        "tags": ["Open Inference Protocol"],
        "summary": summary,
        "description": description,
        "operationId": "_".join([method, *parts]),
        "parameters": places,
        "responses": {"200": answer, **errors},
    }
    if method == "post":
        operation["parameters"] = [*places, LENGTH]
        operation["requestBody"] = {"required": True, "content": _json(REQUEST) | BINARY}
        answer["content"] = _json(schema) | BINARY
        about = "Bytes of the JSON, if tensors follow it."
        answer["headers"] = {LENGTH["name"]: {"description": about, "schema": {"type": "integer"}}}
    return {path: {method: operation}}


def paths(known: Known) -> dict[str, Schema]:
    """Return the protocol's addresses as OpenAPI has them, with examples of what is `known`."""
    found = {
        **_operation("/v2", "get", "Server metadata", "Name, version, extensions.", SERVER),
        **_operation("/v2/health/live", "get", "Server live", "Is the process alive?", LIVE),
        **_operation("/v2/health/ready", "get", "Server ready", "Does the default model compute?", READY),
    }
    for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        found |= _operation(path, "get", "Model metadata", "Versions, inputs and outputs of a model.", MODEL)
        about = "Is the model opened? One that nobody has asked for yet is opened now."
        found |= _operation(f"{path}/ready", "get", "Model ready", about, MODEL_READY)
        about = "Compute a model's outputs. Tensors are JSON, or bytes behind it."
        found |= _operation(f"{path}/infer", "post", "Inference", about, RESPONSE)
    for operations in found.values():
        for operation in operations.values():
            operation["parameters"] = known.in_parameters(operation["parameters"])
            if "requestBody" in operation:
                operation["requestBody"]["content"]["application/json"]["example"] = example(known)
    return found
