"""Stores of objects in the memory of the test's process."""

import uuid

import fsspec

from app import store
from app.registry.pushing import push


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
