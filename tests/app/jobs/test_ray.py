"""Shards by Ray Data. Ray is large, so these tests run where it is installed."""

import sys
from functools import partial

import numpy as np
import pytest

from app.jobs.job import InvalidJob
from app.jobs.ray import by_ray
from app.jobs.run import run
from app.rendering.drawer import Drawing
from app.tabulating.job import TableJob
from app.tabulating.places import Place
from app.tabulating.task import Tabulating
from tests.app.jobs.test_run import files_in
from tests.app.rendering.test_drawer import JOB
from tests.conftest import SHIPPED_STORE
from tests.fakes import png_bytes


def test_without_ray_it_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InvalidJob, match=r"vitrine-vae\[ray\]"):
        by_ray("local", Drawing(JOB, "out", "store"))


@pytest.fixture(scope="module")
def cluster():
    """Starts two nodes of one core each on this machine."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "node_ip_address": "127.0.0.1"})
    nodes.add_node(num_cpus=1, node_ip_address="127.0.0.1")
    yield nodes.address
    ray.shutdown()
    nodes.shutdown()


@pytest.mark.timeout(900)  # two nodes start in half a minute, on a busy machine in several
def test_two_nodes_draw_the_files_of_one_process(cluster, tmp_path):
    from app.jobs.run import by_processes

    job = JOB.model_copy(update={"count": 120, "shard_images": 10})
    here, there = str(tmp_path / "here"), str(tmp_path / "there")
    run(job, here, {}, by_processes(1, Drawing(job, here, str(SHIPPED_STORE))), lambda _: None)
    run(job, there, {}, by_ray(cluster, Drawing(job, there, str(SHIPPED_STORE))), lambda _: None)
    assert files_in(tmp_path / "there") == files_in(tmp_path / "here")


@pytest.mark.timeout(900)
def test_two_nodes_score_as_one_process(cluster, tmp_path):
    from app.jobs.run import by_processes

    (tmp_path / "photos").mkdir()
    for number in range(9):
        pixels = np.full((28, 28), 20 * number, np.uint8)
        (tmp_path / "photos" / f"{number}.png").write_bytes(png_bytes(pixels))
    (tmp_path / "photos" / "broken.png").write_bytes(b"no picture")
    place = Place(str(tmp_path / "photos"), 10_000)
    images = place.open()
    about = {"count": images.count, "images_sha256": images.fingerprint, "shard_images": 3, "format": "npz"}
    job = TableJob(model=JOB.model, digest=JOB.digest, kind="score", k=4, seed=1, **about)
    for name, by in (("here", partial(by_processes, 1)), ("there", partial(by_ray, cluster))):
        out = str(tmp_path / name)
        shards = run(job, out, {}, by(Tabulating(job, place, out, str(SHIPPED_STORE))), lambda _: None)
        assert sum(shard.unread for shard in shards) == 1
    assert files_in(tmp_path / "there") == files_in(tmp_path / "here")
