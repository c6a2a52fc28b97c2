"""The deployment of Ray Serve. Ray is large, so what needs it runs where it is installed."""

import asyncio
import contextlib
import http.client
import os
import signal
import socket
import sys
import threading
import types
from pathlib import Path

import pytest
import yaml

from app.errors import NotReady
from app.main import create_app
from app.ray_serve import Multiplexed, Replica, application, settings_for
from benchmarks import processes
from tests.conftest import PROJECT, skip
from tests.fakes import open_fake

RECIPE = yaml.safe_load((PROJECT / "deploy" / "ray" / "serve.yaml").read_text())


async def get(app, target):
    """Status and body of an answer, asked within a lifespan that has begun."""
    path, _, query = target.partition("?")
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        **{"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "root_path": ""},
        **{"path": path, "raw_path": path.encode(), "query_string": query.encode(), "headers": []},
        **{"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)},
    }
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def answers_of_a_replica(settings, asked, target):
    """What a replica answers, what the application answers alone, and the models that Serve was told of."""
    told = []

    async def used(name):
        told.append(name)
        return name

    async def ask():
        plain = create_app(settings, open_fake)
        async with plain.router.lifespan_context(plain):
            replica = Multiplexed(plain, lambda: asked, used)
            await replica.check()
            return await get(replica, target), await get(plain, target)

    return (*asyncio.run(ask()), told)


def test_a_replica_answers_with_the_bytes_of_the_application_and_tells_serve_of_the_model(settings):
    ours, plain, told = answers_of_a_replica(settings, "fake", "/samples?n=4&seed=7&model=fake")
    assert ours == plain
    assert ours[0] == 200
    assert ours[1].startswith(processes.SIGNATURE)
    assert told == ["fake"]


@pytest.mark.parametrize("asked", ["", "invented"])
def test_serve_is_not_told_of_a_model_that_nobody_named_or_that_does_not_exist(settings, asked):
    ours, plain, told = answers_of_a_replica(settings, asked, "/samples?n=1&seed=7&model=fake")
    assert ours == plain
    assert ours[0] == 200
    assert told == []


def test_a_replica_that_has_not_started_is_not_healthy(settings):
    replica = Replica()
    replica.app = Multiplexed(create_app(settings, open_fake), lambda: "", None)
    with pytest.raises(NotReady):
        asyncio.run(replica.check_health())


@pytest.mark.parametrize(("cpus", "threads"), [(0.5, 1), (1, 1), (3, 3)])
def test_a_replica_computes_on_the_cores_that_ray_gave_it(cpus, threads):
    assert settings_for(cpus).worker_threads == threads


def test_worker_threads_that_are_set_stay(monkeypatch):
    monkeypatch.setenv("VITRINE_WORKER_THREADS", "2")
    assert settings_for(1).worker_threads == 2


class FakeServe(types.ModuleType):
    """What ray.serve has of what is used of it; it builds the application at once."""

    def __init__(self):
        super().__init__("ray.serve")
        self.most = None

    def ingress(self, build):
        def decorate(kind):
            return type("Ingress", (kind,), {"app": build()})

        return decorate

    def multiplexed(self, max_num_models_per_replica):
        self.most = max_num_models_per_replica
        return lambda load: load

    def deployment(self, name):
        return lambda kind: types.SimpleNamespace(bind=lambda: (name, kind))

    @staticmethod
    def get_multiplexed_model_id():
        return ""


@pytest.fixture
def serve(monkeypatch, settings):
    ray, serve = types.ModuleType("ray"), FakeServe()
    context = types.SimpleNamespace(get_assigned_resources=lambda: {"CPU": 1.0})
    ray.get_runtime_context, ray.serve = lambda: context, serve
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.serve", serve)
    return serve


@pytest.mark.parametrize(("arguments", "most"), [({}, 8), ({"models_per_replica": "3"}, 3)])
def test_what_is_deployed_is_the_application_with_as_many_models_as_were_asked_for(serve, arguments, most):
    name, kind = application(arguments)
    assert name == "vitrine"
    assert issubclass(kind, Replica)
    assert isinstance(kind.app, Multiplexed)
    assert serve.most == most


def test_the_recipe_deploys_this_application_and_its_deployment():
    (found,) = RECIPE["applications"]
    assert found["import_path"] == f"{application.__module__}:{application.__name__}"
    assert [each["name"] for each in found["deployments"]] == ["vitrine"]
    scaling = found["deployments"][0]["autoscaling_config"]
    assert scaling["target_ongoing_requests"] < found["deployments"][0]["max_ongoing_requests"]


def test_serve_reads_the_recipe():
    schema = pytest.importorskip("ray.serve.schema")
    read = schema.ServeDeploySchema.model_validate(RECIPE)
    assert read.applications[0].deployments[0].autoscaling_config["min_replicas"] == 2


@pytest.fixture(scope="module", params=["proxy", "haproxy"])
def replicas(request):
    """Two replicas on this machine, behind Serve's proxy or HAProxy."""
    pytest.importorskip("ray")
    command = [sys.executable, "-m", "benchmarks.ray_replicas", "{port}", "--replicas", "2"]
    if request.param == "haproxy":
        if {name for _, name in socket.if_nameindex()} != {"lo"}:
            skip("HAProxy listens on every interface: give it a network of its own (unshare --net)")
        command.append("--haproxy")
    settings = {"PYTHONPATH": str(PROJECT), "VITRINE_DEFAULT_MODEL": processes.MODEL}
    with processes.running(processes.Program(command, environment=settings, render="mean")) as server:
        yield server


def asked(port, target):
    connection = http.client.HTTPConnection(processes.HOST, port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


@pytest.mark.timeout(900)  # Ray starts in half a minute, on a busy machine in several
def test_two_replicas_answer_with_the_bytes_of_one_process(replicas):
    targets = [
        f"/samples?model={name}&n={n}&seed={n}&render=draw"
        for name in ("fashion", "fashion-dense")
        for n in (1, 5)
    ]
    with processes.running(processes.vitrine()) as alone:
        for target in targets:
            one, other = asked(alone.port, target), asked(replicas.port, target)
            assert one[0] == other[0] == 200
            assert one[2] == other[2], target


@pytest.mark.timeout(900)
def test_a_replica_killed_under_load_costs_none_but_its_own_requests_and_those_are_told_when_to_ask_again(
    replicas,
):
    picture = asked(replicas.port, replicas.target(3, seed=1))[2]
    others, done, wrong = [], threading.Event(), []

    def ask():
        while not done.is_set():
            try:
                status, headers, body = asked(replicas.port, replicas.target(3, seed=1))
            except (http.client.HTTPException, OSError) as error:
                wrong.append(f"no whole answer: {error!r}")
                continue
            if status == 200 and body == picture:
                continue
            (others if status == 503 and headers["Retry-After"] else wrong).append(status)

    crowd = [threading.Thread(target=ask) for _ in range(16)]
    for each in crowd:
        each.start()
    done.wait(2)
    victims = [
        pid
        for pid in replicas.processes()
        if b"ServeReplica:vitrine" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    assert len(victims) == 2
    os.kill(victims[0], signal.SIGKILL)
    done.wait(5)
    done.set()
    for each in crowd:
        each.join()
    assert wrong == []
    assert len(others) <= 16  # what was on the replica that died
