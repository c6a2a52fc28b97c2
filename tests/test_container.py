"""The image that the Dockerfile makes, run as an operator who trusts nobody would run it.

Needs buildah and podman with a runc that may start containers, and the base image, or a network to pull it.
"""

import json
import shutil
import subprocess
import time
import uuid

import pytest

from tests.conftest import PROJECT, skip

pytestmark = [pytest.mark.container, pytest.mark.timeout(900)]

TOOLS = ("buildah", "podman", "runc")
IMAGE = "localhost/vitrine-test"
BASE = (PROJECT / "Dockerfile").read_text().split()[1]

ASK = """
import json, struct, urllib.request
found = {}
for path in ("/samples?n=21", "/interpolate?axis=3", "/reconstruct"):
    png = urllib.request.urlopen("http://127.0.0.1:8000" + path).read()
    found[path] = struct.unpack(">II", png[16:24])
example = open("/srv/model_store/fashion-dense/4/examples/0.png", "rb").read()
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
    return subprocess.run(command, capture_output=True, text=True, check=check, cwd=PROJECT)


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
        *("--cap-drop", "ALL", "--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096", IMAGE),
    )
    yield name
    podman("rm", "--force", name, check=False)


@pytest.fixture(scope="module")
def ready(container):
    deadline = time.monotonic() + 90
    while run("podman", "--runtime", "runc", "healthcheck", "run", container, check=False).returncode:
        assert time.monotonic() < deadline, podman("logs", container, check=False)
        time.sleep(0.5)
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


def test_it_runs_as_a_user_without_rights_on_a_disk_it_cannot_write(ready):
    uid, writable, interfaces, capabilities = json.loads(podman("exec", ready, "python", "-c", LOOK_AROUND))
    assert uid == 10001
    assert not writable
    assert interfaces == ["lo"]
    assert capabilities == 0


def test_its_bytecode_is_compiled(ready):
    count = "import pathlib, app; print(len(list(pathlib.Path(app.__file__).parent.rglob('*.pyc'))))"
    assert int(podman("exec", ready, "python", "-c", count)) >= len(list((PROJECT / "app").rglob("*.py")))


def test_it_stops_within_five_seconds_of_sigterm(ready):
    started = time.monotonic()
    podman("stop", "--time", "20", ready)
    assert time.monotonic() - started < 5
    assert json.loads(podman("inspect", ready))[0]["State"]["ExitCode"] == 0


def test_it_adds_at_most_two_hundred_megabytes_to_its_base(container):
    sizes = [int(podman("image", "inspect", "--format", "{{.Size}}", image)) for image in (IMAGE, BASE)]
    assert sizes[0] - sizes[1] < 200_000_000
