"""Shards by Ray Data. Ray is large, so these tests run where it is installed."""

import sys

import pytest

from app.jobs.job import InvalidJob
from app.jobs.ray import by_ray
from app.jobs.run import run
from app.rendering.drawer import Drawing
from tests.app.jobs.test_run import files_in
from tests.app.rendering.test_drawer import JOB
from tests.conftest import SHIPPED_STORE


def test_without_ray_it_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InvalidJob, match=r"vitrine-vae\[ray\]"):
        by_ray("local", Drawing(JOB, "out", "store"))


@pytest.fixture
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
