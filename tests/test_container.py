"""The image that the Dockerfile makes, run as an operator who trusts nobody would run it.

Needs buildah and podman with a runc that may start containers, and the base image, or a network to pull it.
"""

import json
import re
import shutil
import subprocess
import time
import uuid

import pytest
import yaml

from tests.conftest import PROJECT, skip
from tests.fakes import seal, write_version

pytestmark = [pytest.mark.container, pytest.mark.timeout(900)]

TOOLS = ("buildah", "podman", "runc")
IMAGE = "localhost/vitrine-test"
LIMITS = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096")
BASE = re.search(r"^ARG BASE=(\S+)", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)[1]

ASK = """
import json, struct, urllib.request
found = {}
for path in ("/samples?n=21", "/interpolate?axis=3", "/reconstruct"):
    png = urllib.request.urlopen("http://127.0.0.1:8000" + path).read()
    found[path] = struct.unpack(">II", png[16:24])
example = open("/srv/model_store/fashion-dense/7/examples/0.png", "rb").read()
request = urllib.request.Request(
    "http://127.0.0.1:8000/reconstruct", data=example, headers={"Content-Type": "image/png"}
)
found["POST"] = struct.unpack(">II", urllib.request.urlopen(request).read()[16:24])
print(json.dumps(found))
"""

LOOK_AROUND = """
import json, os
try:
    open("/srv/model_store/x", "w")
    writable = True
except OSError:
    writable = False
interfaces = [line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line]
capabilities = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff"))
print(json.dumps([os.getuid(), writable, interfaces, int(capabilities, 16)]))
"""


def run(*command, check=True):
    return subprocess.run(command, capture_output=True, text=True, check=check, cwd=PROJECT, timeout=240)


def podman(*arguments, check=True):
    return run("podman", "--runtime", "runc", *arguments, check=check).stdout.strip()


@pytest.fixture(scope="module")
def container():
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        skip(f"not installed: {', '.join(missing)}")
    if run("podman", "image", "exists", BASE, check=False).returncode:
        skip(f"the base image {BASE} is not here: podman pull {BASE}")
    built = run(
        *("buildah", "bud", "--format", "docker", "--isolation", "chroot", "--layers"),
        *("--pull-never", "--network", "host", "-t", IMAGE, "."),
        check=False,
    )
    assert built.returncode == 0, built.stderr[-3000:]
    name = f"vitrine-{uuid.uuid4().hex[:8]}"
    podman(
        *("run", "--detach", "--name", name, "--network", "none", "--read-only", "--tmpfs", "/tmp"),  # noqa: S108
        *("--cap-drop", "ALL", *LIMITS, IMAGE),
    )
    yield name
    podman("rm", "--force", name, check=False)


def wait_until_ready(name, healthcheck=True):
    asked = ("healthcheck", "run", name) if healthcheck else ("exec", name, "vitrine", "health")
    deadline = time.monotonic() + 90
    while run("podman", "--runtime", "runc", *asked, check=False).returncode:
        assert time.monotonic() < deadline, podman("logs", name, check=False)
        time.sleep(0.5)


@pytest.fixture(scope="module")
def ready(container):
    wait_until_ready(container)
    return container


def test_it_is_healthy_by_its_own_check(ready):
    check = json.loads(podman("inspect", ready))[0]["Config"]["Healthcheck"]
    assert check["Test"] == ["CMD", "vitrine", "health"]
    assert podman("exec", ready, "vitrine", "health").startswith('{"status":"ready"')


def test_it_answers_all_three_requests_without_a_network(ready):
    found = json.loads(podman("exec", ready, "python", "-c", ASK))
    assert found == {
        "/samples?n=21": [196, 84],
        "/interpolate?axis=3": [196, 28],
        "/reconstruct": [140, 56],
        "POST": [28, 56],
    }


@pytest.mark.fault(18)
def test_it_runs_as_a_user_without_rights_on_a_disk_it_cannot_write(ready):
    uid, writable, interfaces, capabilities = json.loads(podman("exec", ready, "python", "-c", LOOK_AROUND))
    assert uid == 10001
    assert not writable
    assert interfaces == ["lo"]
    assert capabilities == 0


def test_it_remembers_the_versions_that_were_deleted(ready):
    assert "fashion@3-0720d171dac0  deleted" in podman("exec", ready, "vitrine", "models").splitlines()


def test_its_bytecode_is_compiled(ready):
    count = "import pathlib, app; print(len(list(pathlib.Path(app.__file__).parent.rglob('*.pyc'))))"
    assert int(podman("exec", ready, "python", "-c", count)) >= len(list((PROJECT / "app").rglob("*.py")))


def test_its_draws_are_made_by_compiled_code(ready):
    code = "from app.native.library import library; print(library() is not None)"
    assert podman("exec", ready, "python", "-c", code) == "True"


OF_A_SERVICE = {  # that Kubernetes knows by the name vitrine, and what compose writes of unset variables
    "VITRINE_SERVICE_HOST": "10.96.12.7",
    "VITRINE_SERVICE_PORT": "8000",
    "VITRINE_PORT": "tcp://10.96.12.7:8000",
    "VITRINE_PORT_8000_TCP": "tcp://10.96.12.7:8000",
    "VITRINE_PORT_8000_TCP_PROTO": "tcp",
    "VITRINE_PORT_8000_TCP_PORT": "8000",
    "VITRINE_PORT_8000_TCP_ADDR": "10.96.12.7",
    "VITRINE_MODEL_STORE": "",
    "VITRINE_DEFAULT_MODEL": "",
}


@pytest.mark.parametrize("workers", [1, 2])
def test_as_any_user_and_with_a_services_variables_it_starts_and_answers_where_nothing_can_be_written(
    container, workers
):
    name = f"vitrine-{uuid.uuid4().hex[:8]}"
    variables = OF_A_SERVICE | {"VITRINE_WORKERS": str(workers)}
    podman(
        *("run", "--detach", "--name", name, "--network", "none", "--user", "1000680000:0", "--read-only"),
        *("--read-only-tmpfs=false", "--cap-drop", "ALL", *LIMITS),
        *(part for variable in variables.items() for part in ("--env", "=".join(variable))),
        IMAGE,
    )
    try:
        wait_until_ready(name)
        found = json.loads(podman("exec", name, "python", "-c", ASK))
        assert found["/samples?n=21"] == [196, 84]
        log = run("podman", "logs", name).stderr
        assert "Traceback" not in log
        assert log.count("VITRINE_PORT_8000_TCP_ADDR") == 1
    finally:
        podman("rm", "--force", name, check=False)


def test_a_store_of_ones_own_is_served_from_a_volume_and_its_only_model_is_the_default(container, tmp_path):
    version = tmp_path / "mine" / "1"
    shutil.copytree(PROJECT / "model_store" / "fashion-map" / "5", version)
    manifest = json.loads((version / "manifest.json").read_text())
    seal(version, manifest | {"name": "mine"})
    for path in [tmp_path, *tmp_path.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    tmp_path.parent.chmod(0o755)
    name = f"vitrine-{uuid.uuid4().hex[:8]}"
    podman(
        *("run", "--detach", "--name", name, "--network", "none", "--read-only", *LIMITS),
        *("--volume", f"{tmp_path}:/srv/model_store:ro", IMAGE),
    )
    try:
        wait_until_ready(name)
        assert '"models":["mine@1"]' in podman("exec", name, "vitrine", "health")
    finally:
        podman("rm", "--force", name, check=False)


def test_a_model_that_needs_tensorflow_is_refused_with_a_remedy_that_a_container_can_carry_out(
    container, tmp_path
):
    write_version(tmp_path, "mine")
    for path in [tmp_path, *tmp_path.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    done = run(
        *("podman", "--runtime", "runc", "run", "--rm", "--network", "none", "--read-only", *LIMITS),
        *("--volume", f"{tmp_path}:/srv/model_store:ro", IMAGE),
        check=False,
    )
    assert done.returncode == 3
    assert (
        "mine@1: needs tensorflow, which is not installed: publish it again by vitrine-train" in done.stderr
    )
    assert "make" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def played(container, tmp_path, monkeypatch):
    """The plain manifests of deploy/kubernetes, played by podman for a user that no image knows.

    Podman is given the image of the tests, no network, and so no ports. It would ask the liveness probe by curl, which the
    image has not.
    """
    configuration = tmp_path / "containers.conf"
    configuration.write_text('[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n')
    monkeypatch.setenv("CONTAINERS_CONF", str(configuration))
    folder = PROJECT / "deploy" / "kubernetes"
    settings, deployment = (
        yaml.safe_load((folder / f"{name}.yaml").read_text()) for name in ("configmap", "deployment")
    )
    deployment["metadata"]["name"] = f"vitrine-{uuid.uuid4().hex[:8]}"
    pod = deployment["spec"]["template"]["spec"]
    played = pod["containers"][0]
    played |= {"image": IMAGE, "imagePullPolicy": "Never"}
    played["securityContext"]["runAsUser"] = 1000680000
    del played["livenessProbe"], played["ports"]
    manifests = tmp_path / "manifests.yaml"
    manifests.write_text(yaml.safe_dump_all([settings, deployment]))
    podman("kube", "play", "--network", "none", str(manifests))
    yield f"{deployment['metadata']['name']}-pod-0-vitrine"
    podman("kube", "down", str(manifests), check=False)


def test_podman_plays_the_manifests_with_their_settings_as_any_user_on_a_root_that_it_cannot_write(played):
    wait_until_ready(played, healthcheck=False)
    uid, writable, interfaces, capabilities = json.loads(podman("exec", played, "python", "-c", LOOK_AROUND))
    assert uid == 1000680000
    assert not writable
    assert interfaces == ["lo"]
    assert capabilities == 0
    found = json.loads(podman("inspect", played))[0]["HostConfig"]
    assert found["ReadonlyRootfs"]
    assert (found["Memory"], found["NanoCpus"]) == (512 * 2**20, 2 * 10**9)
    write = "import pathlib; pathlib.Path('/tmp/x').write_text('x')"
    podman("exec", played, "python", "-c", write)  # the empty folder
    assert json.loads(podman("exec", played, "python", "-c", ASK))["/samples?n=21"] == [196, 84]
    lines = [line for line in run("podman", "logs", played).stderr.splitlines() if line.startswith("{")]
    assert "serving fashion@8 from /srv/model_store" in [json.loads(line)["message"] for line in lines]
    podman("stop", "--time", "27", played)
    assert json.loads(podman("inspect", played))[0]["State"]["ExitCode"] == 0


def test_it_stops_within_five_seconds_of_sigterm(ready):
    started = time.monotonic()
    podman("stop", "--time", "20", ready)
    assert time.monotonic() - started < 5
    assert json.loads(podman("inspect", ready))[0]["State"]["ExitCode"] == 0


def test_it_adds_at_most_two_hundred_megabytes_to_its_base(container):
    sizes = [int(podman("image", "inspect", "--format", "{{.Size}}", image)) for image in (IMAGE, BASE)]
    assert sizes[0] - sizes[1] < 200_000_000
