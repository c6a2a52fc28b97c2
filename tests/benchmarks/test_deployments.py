import re
import types

import numpy as np
import pytest

from app.main import create_app
from app.settings import Settings
from benchmarks import deployments
from tests.conftest import SHIPPED_STORE
from tests.serving import serving_in_a_thread

MODELS = ["fashion@8", "fashion-dense@7"]


def drawn(count):
    return deployments.mixed(MODELS, count, np.random.default_rng(1))


def test_addresses_are_of_means_draws_walks_formats_and_several_models_and_mostly_small():
    targets = drawn(2000)
    assert targets == drawn(2000)
    assert len(set(targets)) == 2000
    for part in ("render=mean", "render=draw", "/interpolate?", ".webp?", ".npy?", ".json?", *MODELS):
        assert 60 < sum(part in target for target in targets) < 1800, part
    sizes = [int(found[1]) for target in targets if (found := re.search(r"[?&]n=(\d+)", target))]
    assert np.median(sizes) <= 2
    assert max(sizes) > 10


@pytest.mark.process
def test_every_kind_of_address_is_a_picture_and_the_same_twice():
    targets = drawn(60)
    app = create_app(Settings(model_store=SHIPPED_STORE, cache_bytes=0))
    with serving_in_a_thread(app) as port:
        found = [deployments.uvloop.run(deployments.asked(port, targets)) for _ in range(2)]
    assert None not in found[0]
    assert found[0] == found[1]


def test_what_differs_from_the_first_deployment_and_what_never_came_is_told_apart():
    found = {"one process": [b"1", b"2", b"3"], "nginx": [b"1", b"x", None]}
    first, other = deployments.compared(found, ["/a", "/b", "/c"])
    assert first == {"deployment": "one process", "addresses": 3, "absent": 0, "differing": []}
    assert other == {"deployment": "nginx", "addresses": 3, "absent": 1, "differing": ["/b"]}


def test_what_the_machine_lacks_is_named(monkeypatch):
    monkeypatch.setattr(deployments.shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(deployments.importlib.util, "find_spec", lambda _: None)
    assert deployments.missing("nginx") == "nginx is not installed"
    assert deployments.missing("ray serve") == "ray is not installed"
    assert deployments.missing("container") == "podman is not installed"
    assert deployments.missing("two workers") == ""


def test_an_image_that_podman_does_not_have_is_named(monkeypatch):
    monkeypatch.setattr(deployments.shutil, "which", lambda *_, **__: "podman")
    monkeypatch.setattr(deployments.subprocess, "run", lambda *_, **__: types.SimpleNamespace(returncode=1))
    assert deployments.missing("container") == "podman has no image localhost/vitrine-test"
