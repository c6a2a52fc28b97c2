"""Four images, two classes, and two files that are no images; as a folder, and a job about them."""

import numpy as np
import pytest

from app import store
from app.models import Models
from app.tabulating.job import TableJob
from app.tabulating.places import Place
from tests.fakes import open_fake, png_bytes, write_version

MOST_BYTES = 10_000
FILES = {
    "alone.png": png_bytes(np.full((8, 8), 30, np.uint8)),
    "bags/a.png": png_bytes(np.full((8, 8), 60, np.uint8)),
    "bags/broken.png": b"no image",
    "shirts/empty.gif": b"",
    "shirts/summer/b.png": png_bytes(np.full((8, 8), 120, np.uint8)),
    "shirts/summer/c.png": png_bytes(np.full((8, 8), 240, np.uint8)),
}


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_text("hidden")
    return folder


@pytest.fixture
def place(photos):
    return Place(str(photos), MOST_BYTES)


@pytest.fixture
def model(tmp_path):
    write_version(tmp_path / "store")
    found = store.scan(tmp_path / "store")
    return Models(found, open_fake, 1).get(found.find("fake"))


@pytest.fixture
def job(model, place):
    images = place.open()
    return TableJob(
        model=model.version.pinned,
        digest=model.version.manifest.digest,
        count=images.count,
        shard_images=4,
        kind="score",
        images_sha256=images.fingerprint,
        format="csv",
        k=3,
        seed=5,
    )
