import argparse
import shutil
import subprocess
from pathlib import Path

import pytest

from app.main import create_app
from app.settings import Settings
from benchmarks import caches
from benchmarks.processes import Program, Server
from tests.conftest import skip
from tests.fakes import open_fake, write_version
from tests.nginx import NGINX
from tests.serving import serving_in_a_thread

GIVEN = argparse.Namespace(n=3, connections=4, seconds=1, rounds=1, share=0.9, popular=5, workers=1)


@pytest.fixture
def server(tmp_path):
    """A service of the fake model, as the program has it."""
    write_version(tmp_path)
    with serving_in_a_thread(
        create_app(Settings(model_store=tmp_path, default_model="fake"), open_fake)
    ) as port:
        yield Server(None, Program([]), port, None)


def test_the_address_that_is_loaded_is_permanent_but_for_the_seeds_number(server):
    address = caches.permanent(server, 3)
    assert address.startswith("/samples?model=fake@1-")
    assert address.endswith("&seed=")
    assert address.count("seed") == 1
    assert "&n=3" in address


def test_requests_that_reach_the_service_are_counted(server):
    before = caches.asked(server)
    for _ in range(3):
        server.picture(3, 1)
    assert caches.asked(server) == before + 3


def test_the_recipe_that_is_measured_has_no_limits_and_the_cache_of_deploy():
    text = caches.nginx_configuration(Path("/x"), 81, 82, workers=3, root=False)
    assert "limit_req " not in text
    assert "limit_conn " not in text
    assert "proxy_cache_path /x/vitrine " in text
    assert "listen 127.0.0.1:81;" in text
    assert "server 127.0.0.1:82;" in text
    assert "worker_processes 3;" in text
    assert '.port = "82";' in caches.varnish_configuration(82)


def test_a_short_run_finds_that_kept_pictures_are_hits(server, monkeypatch):
    if NGINX is None or shutil.which("wrk") is None:
        skip("needs nginx and wrk")
    monkeypatch.setattr(caches, "CACHES", ("nginx",))
    monkeypatch.setattr(caches, "WAYS", ("drawn", "nginx"))
    rows = caches.measure(server, GIVEN)
    assert [(row["kind"], row["way"]) for row in rows] == [
        ("one", "drawn"),
        ("one", "nginx"),
        ("mixed", "nginx"),
    ]
    drawn, one, mixed = rows
    assert all(row["rate"] > 0 and row["refused"] == row["broken"] == 0 for row in rows)
    assert drawn["hit_share"] < 0.05 < 0.95 < one["hit_share"]
    assert mixed["hit_share"] == pytest.approx(0.9, abs=0.08)
    assert [line.split(" | ")[:2] for line in caches.table(rows).splitlines()[2:]] == [
        ["| one", "drawn"],
        ["| one", "nginx"],
        ["| mixed", "nginx"],
    ]


def test_nginx_takes_the_configuration(tmp_path):
    if NGINX is None:
        skip("needs nginx")
    (tmp_path / "conf").write_text(caches.nginx_configuration(tmp_path, 81, 82, 1, root=True))
    done = subprocess.run([NGINX, "-t", "-c", tmp_path / "conf"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
