import csv
import hashlib
import io
import tarfile

import numpy as np
import pytest

from app.jobs import parquet
from app.jobs.job import InvalidJob
from app.jobs.storage import Folder
from app.rendering.shards import check_format, draw_shard
from tests.fakes import pixels_of


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "out")


def test_a_shard_holds_the_image_and_class_of_each_of_its_seeds(job, maker, folder):
    shard = draw_shard(job, 2, maker, folder)
    assert (shard.number, shard.images) == (2, 5)
    drawn = maker.first_of(range(110, 115))
    with tarfile.open(fileobj=io.BytesIO(folder.get("00002.tar"))) as file:
        assert file.getnames() == [f"{seed}.{end}" for seed in range(110, 115) for end in ("png", "cls")]
        for seed, pixels, label in zip(range(110, 115), drawn.pixels, drawn.classes, strict=True):
            assert np.array_equal(pixels_of(file.extractfile(f"{seed}.png").read()), pixels)
            assert file.extractfile(f"{seed}.cls").read() == b"%d" % label


def test_the_index_has_seed_label_and_digest_of_every_image(job, maker, folder):
    draw_shard(job, 0, maker, folder)
    rows = list(csv.DictReader(io.StringIO(folder.get("index/00000.csv").decode())))
    with tarfile.open(fileobj=io.BytesIO(folder.get("00000.tar"))) as file:
        expected = [
            {
                "seed": str(seed),
                "label": file.extractfile(f"{seed:03d}.cls").read().decode(),
                "sha256": hashlib.sha256(file.extractfile(f"{seed:03d}.png").read()).hexdigest(),
            }
            for seed in range(90, 100)
        ]
    assert rows == expected


def test_png_files_lie_in_a_folder_for_each_shard(job, maker, folder, tmp_path):
    draw_shard(job.model_copy(update={"format": "png"}), 2, maker, folder)
    assert sorted(path.name for path in (tmp_path / "out" / "00002").iterdir()) == [
        f"{seed}.png" for seed in range(110, 115)
    ]
    assert np.array_equal(pixels_of(folder.get("00002/112.png")), maker.first_of([112]).pixels[0])


def test_parquet_has_the_same_images(job, maker, folder):
    pyarrow_parquet = pytest.importorskip("pyarrow.parquet")
    draw_shard(job.model_copy(update={"format": "parquet"}), 0, maker, folder)
    table = pyarrow_parquet.read_table(io.BytesIO(folder.get("00000.parquet"))).to_pydict()
    drawn = maker.first_of(range(90, 100))
    assert table["seed"] == [*range(90, 100)]
    assert table["label"] == drawn.classes.tolist()
    assert np.array_equal(pixels_of(table["image"][3]["bytes"]), drawn.pixels[3])


@pytest.mark.parametrize("kind", ["webdataset", "png", "parquet"])
def test_a_shard_drawn_again_is_the_same_bytes(job, maker, tmp_path, kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    shards = [
        draw_shard(job.model_copy(update={"format": kind}), 1, maker, Folder(tmp_path / name))
        for name in "ab"
    ]
    assert shards[0] == shards[1]
    for path in (path for path in (tmp_path / "a").rglob("*") if path.is_file()):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_parquet_without_pyarrow_is_refused_with_what_to_install(job, monkeypatch):
    monkeypatch.setattr(parquet, "is_installed", lambda: False)
    with pytest.raises(InvalidJob, match=r"vitrine-vae\[parquet\]"):
        check_format(job.model_copy(update={"format": "parquet"}))
    check_format(job)
