"""deploy/helm: what the chart's objects say, beside what the service and its image say."""

import re
from pathlib import Path

import pytest

from app.settings import Settings, load_settings, variable
from tests.conftest import PROJECT
from tests.helm_templates import SETS, needs_helm, objects, objects_of, rendered

DOCKERFILE = (PROJECT / "Dockerfile").read_text()


def container_of(name):
    return objects_of(name)["Deployment"]["spec"]["template"]["spec"]["containers"][0]


def environment_of(name):
    return objects_of(name)["ConfigMap"]["data"]


@needs_helm
@pytest.mark.parametrize(("graceful", "drain"), [(20, 5), (0, 0), (300, 30)])
def test_a_pod_has_two_seconds_more_than_the_service_takes_to_end(graceful, drain):
    found = {
        each["kind"]: each for each in objects({"stop": {"gracefulSeconds": graceful, "drainSeconds": drain}})
    }
    assert (
        found["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        == graceful + drain + 2
    )
    assert found["ConfigMap"]["data"]["VITRINE_GRACEFUL_SECONDS"] == str(graceful)
    assert found["ConfigMap"]["data"]["VITRINE_DRAIN_SECONDS"] == str(drain)


@needs_helm
@pytest.mark.parametrize("name", SETS)
def test_pods_keep_to_the_restricted_profile_and_write_to_empty_folders_alone(name):
    pod = objects_of(name)["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert not pod["automountServiceAccountToken"]
    assert not pod["enableServiceLinks"]
    assert container_of(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} == set(container_of(name)["resources"]["limits"])
    volumes = {each["name"]: each for each in pod["volumes"]}
    mounts = container_of(name)["volumeMounts"]
    assert {each["name"] for each in mounts} == set(volumes)
    writable = {each["mountPath"] for each in mounts if not each.get("readOnly")}
    assert all("emptyDir" in volumes[each["name"]] for each in mounts if each["mountPath"] in writable)
    assert writable == {"/tmp"} | ({"/var/cache/vitrine"} if name == "a remote store" else set())  # noqa: S108


@needs_helm
def test_probes_ask_what_operating_says():
    probes = {
        name: container_of("the chart's own")[f"{name}Probe"] for name in ("startup", "readiness", "liveness")
    }
    assert {name: probe["httpGet"]["path"] for name, probe in probes.items()} == {
        "startup": "/readyz",
        "readiness": "/readyz",
        "liveness": "/livez",
    }
    assert {name: probe["timeoutSeconds"] for name, probe in probes.items()} == {
        "startup": 3,
        "readiness": 3,
        "liveness": 5,
    }
    assert probes["startup"]["periodSeconds"] * probes["startup"]["failureThreshold"] == 60
    ports = container_of("the chart's own")["ports"]
    assert [each["containerPort"] for each in ports] == [
        int(re.search(r"^EXPOSE (\d+)", DOCKERFILE, re.M)[1])
    ]


@needs_helm
@pytest.mark.parametrize("name", SETS)
def test_every_variable_is_a_setting_of_the_service(name, monkeypatch, tmp_path):
    environment = environment_of(name)
    known = {variable(field) for field in Settings.model_fields}
    assert set(environment) <= known
    files = {
        "VITRINE_API_KEYS",
        "VITRINE_URL_KEY",
        "VITRINE_ADMIN_KEY",
        "VITRINE_STORE_CACHE",
        "VITRINE_MODEL_STORE",
    }
    for variable_name, value in environment.items():
        if variable_name not in files:
            monkeypatch.setenv(variable_name, value)
    settings = load_settings()
    assert settings.drain_seconds == 5
    assert settings.graceful_seconds == 20
    assert settings.log_format == "json"


@needs_helm
def test_files_of_keys_lie_where_the_settings_say_and_change_with_their_secret():
    pod = objects_of("API keys")["Deployment"]["spec"]["template"]["spec"]
    volume = next(each for each in pod["volumes"] if each["name"] == "access")["projected"]
    mount = next(each for each in container_of("API keys")["volumeMounts"] if each["name"] == "access")
    assert "subPath" not in mount  # by which a changed Secret would not be seen
    assert volume["defaultMode"] == 0o444  # any user may be the one that runs
    paths = {
        item["key"]: Path(mount["mountPath"], item["path"]).as_posix()
        for source in volume["sources"]
        for item in source["secret"]["items"]
    }
    environment = environment_of("API keys")
    assert paths == {
        "keys.txt": environment["VITRINE_API_KEYS"],
        "url.key": environment["VITRINE_URL_KEY"],
        "admin.txt": environment["VITRINE_ADMIN_KEY"],
    }


@needs_helm
def test_models_are_mounted_where_the_image_looks_for_them():
    store = re.search(r"VITRINE_MODEL_STORE=(\S+)", DOCKERFILE)[1]
    for name in ("a volume", "an OCI image"):
        mount = next(each for each in container_of(name)["volumeMounts"] if each["name"] == "models")
        assert (mount["mountPath"], mount["readOnly"]) == (store, True)
    assert environment_of("a remote store")["VITRINE_MODEL_STORE"] == "s3://pictures/store"
    assert container_of("a remote store")["envFrom"][1] == {"secretRef": {"name": "s3"}}


@needs_helm
def test_a_changed_setting_makes_new_pods():
    def checksum(values):
        found = {each["kind"]: each for each in objects(values)}
        return found["Deployment"]["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]

    assert checksum({}) == checksum({"replicas": 7})
    assert checksum({}) != checksum({"settings": {"VITRINE_ACCESS_LOG": "true"}})


@needs_helm
def test_scaling_asks_for_a_metric_that_the_service_has_and_leaves_the_number_of_pods_alone():
    query = objects_of("KEDA")["ScaledObject"]["spec"]["triggers"][0]["metadata"]["query"]
    asked = objects_of("everything else")["HorizontalPodAutoscaler"]["spec"]["metrics"][0]["pods"]["metric"][
        "name"
    ]
    metric = re.search(r"vitrine_\w+", query)[0]
    assert metric == asked
    assert f'_gauge("{metric}"' in (PROJECT / "app" / "metrics.py").read_text()
    service = objects_of("KEDA")["Service"]["metadata"]["name"]
    assert f'service="{service}"' in query
    assert 'namespace="pictures"' in query
    for name in SETS:
        fixed = name == "a fixed number"
        assert ("replicas" in objects_of(name)["Deployment"]["spec"]) is fixed
        assert len({"HorizontalPodAutoscaler", "ScaledObject"} & set(objects_of(name))) == (not fixed)


@needs_helm
@pytest.mark.parametrize("name", SETS)
def test_whatever_selects_pods_selects_these(name):
    found = objects_of(name)
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    selectors = [
        found["Deployment"]["spec"]["selector"]["matchLabels"],
        found["Service"]["spec"]["selector"],
        *(
            found[kind]["spec"]["selector"]["matchLabels"]
            for kind in ["PodDisruptionBudget"]
            if kind in found
        ),
        *(found[kind]["spec"]["podSelector"]["matchLabels"] for kind in ["NetworkPolicy"] if kind in found),
    ]
    assert all(selector.items() <= labels for selector in selectors)
    if "ServiceMonitor" in found:
        selector = found["ServiceMonitor"]["spec"]["selector"]["matchLabels"].items()
        assert selector <= found["Service"]["metadata"]["labels"].items()


@needs_helm
def test_the_notes_say_whether_everybody_may_ask():
    assert "Everybody who reaches it may ask" in rendered()["NOTES.txt"]
    assert "Requests need an API key" in rendered(SETS["API keys"])["NOTES.txt"]


@needs_helm
def test_names_of_digits_stay_text():
    values = {
        "models": {"from": "volume", "volume": {"claim": "7", "subPath": "7"}},
        "access": {"apiKeys": {"secret": "7", "key": "7"}},
        "serviceAccountName": "7",
        "priorityClassName": "7",
        "ingress": {"enabled": True, "className": "7", "tlsSecret": "7"},
    }
    found = {each["kind"]: each for each in objects(values)}
    pod = found["Deployment"]["spec"]["template"]["spec"]
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert volumes["models"]["persistentVolumeClaim"]["claimName"] == "7"
    secret = volumes["access"]["projected"]["sources"][0]["secret"]
    assert (secret["name"], secret["items"][0]["key"]) == ("7", "7")
    assert (pod["serviceAccountName"], pod["priorityClassName"]) == ("7", "7")
    assert found["Ingress"]["spec"]["ingressClassName"] == "7"
    assert found["Ingress"]["spec"]["tls"][0]["secretName"] == "7"
