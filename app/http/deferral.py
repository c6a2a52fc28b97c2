"""FastAPI's models of OpenAPI, most of whose validators are made when they are first used: at /openapi.json.

Made while FastAPI is imported, they take a twentieth of the start. So this is imported before FastAPI.
"""

from pydantic import BaseModel

BaseModel.model_config["defer_build"] = True  # a class takes this from its bases as it is defined
try:
    import fastapi.openapi.models  # noqa: F401
finally:
    del BaseModel.model_config["defer_build"]
