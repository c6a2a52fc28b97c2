"""Stores of objects in the memory of the test's process."""

import uuid

import fsspec
import pytest

from app import store
from app.registry.pushing import push
from tests.fakes import write_version


def empty():
    """Return the address of a place in memory that nothing else uses."""
    return f"memory://{uuid.uuid4().hex}/models"


def publish(folder, address, *references):
    """Push versions of the store in a folder to an address."""
    for reference in references:
        push(store.scan(folder).find(reference), folder, address)


def write(address, path, content):
    """Write an object as somebody's hand does, past all rules."""
    files, root = fsspec.core.url_to_fs(address)
    files.pipe_file(f"{root}/{path}", content)


def read(address, path):
    """Return the content of an object."""
    files, root = fsspec.core.url_to_fs(address)
    return files.cat_file(f"{root}/{path}")


def remove(address, path):
    """Remove an object, or all below a path."""
    files, root = fsspec.core.url_to_fs(address)
    files.rm(f"{root}/{path}", recursive=True)


@pytest.fixture
def address(tmp_path):
    """A store of objects with ``fake`` 1 and 2, pushed from the folder ``ours``."""
    for number in (1, 2):
        write_version(tmp_path / "ours", number=number, walk={"axis": 0, "steps": number + 1})
    found = empty()
    publish(tmp_path / "ours", found, "fake@1", "fake@2")
    return found
