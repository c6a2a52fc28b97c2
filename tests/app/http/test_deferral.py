import subprocess
import sys

from tests.conftest import PROJECT

STATE = """
import app.main
from fastapi.openapi import models
from pydantic import BaseModel
from app.http.queries import Query
print(models.OpenAPI.__pydantic_complete__, Query.__pydantic_complete__, BaseModel.model_config)
models.OpenAPI.model_validate({"openapi": "3.1.0", "info": {"title": "T", "version": "1"}})
print(models.OpenAPI.__pydantic_complete__)
"""


def test_fastapis_models_wait_until_they_are_used_and_our_own_do_not():
    """In a process of its own: here FastAPI may have been imported by other tests."""
    done = subprocess.run(
        [sys.executable, "-c", STATE], capture_output=True, text=True, cwd=PROJECT, check=True
    )
    assert done.stdout.splitlines() == ["False True {}", "True"]
