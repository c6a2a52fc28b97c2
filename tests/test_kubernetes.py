"""deploy/: the Helm chart and the plain manifests, held to the schemas of Kubernetes and of the values."""

import functools
import json
import re
import tomllib

import kubernetes_validate
import pytest
import yaml

from tests.conftest import PROJECT
from tests.helm_templates import CHART, MANIFESTS, SETS, manifests, needs_helm, objects_of, rendered, schema

VERSIONS = [f"1.{minor}" for minor in range(30, 38)]
EXTENSIONS = {"ScaledObject", "ServiceMonitor"}  # kinds whose schemas are not Kubernetes' own


@functools.cache
def _validated(text, version):
    return kubernetes_validate.validate(json.loads(text), version, strict=True)


def validated(found, version):
    """Hold an object to the strict schema of a version; return which one that was."""
    return _validated(json.dumps(found, sort_keys=True), version)


# The plain manifests


@pytest.mark.parametrize("version", VERSIONS)
def test_the_plain_manifests_are_of_the_strict_schemas_of(version):
    found = [yaml.safe_load(path.read_text()) for path in sorted(MANIFESTS.glob("*.yaml"))]
    kinds = [each["kind"] for each in found]
    assert kinds == ["ConfigMap", "Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Service"]
    assert [validated(each, version) for each in found] == [version] * 5


@needs_helm
def test_the_plain_manifests_are_those_of_the_chart():
    assert {path.name: path.read_text() for path in MANIFESTS.iterdir()} == manifests()


def test_a_misspelt_field_is_found():
    found = yaml.safe_load((MANIFESTS / "deployment.yaml").read_text())
    found["spec"]["template"]["spec"]["terminationGracePeriod"] = 27
    with pytest.raises(kubernetes_validate.ValidationError, match="terminationGracePeriod"):
        validated(found, "1.30")


# The chart


@needs_helm
def test_helm_finds_no_fault_with_the_chart():
    from helm_python import lint

    found = lint(CHART, strict=True)
    assert found["total_charts_linted"] == 1
    assert found["errors"] == []
    assert [each for each in found["messages"] if each["severity"] > 1] == []


@needs_helm
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", SETS)
def test_every_set_of_values_gives_objects_of_the_strict_schemas(name, version):
    if name == "an OCI image" and version == "1.30":
        with pytest.raises(kubernetes_validate.ValidationError, match="image"):
            validated(objects_of(name)["Deployment"], version)
        return
    own = [each for kind, each in objects_of(name).items() if kind not in EXTENSIONS]
    assert len(own) >= 3
    assert {validated(each, version) for each in own} == {version}


# What of the two kinds of others is used, by their documentation: KEDA 2, and the Prometheus operator's v1.
FIELDS = {
    "ScaledObject": {
        "apiVersion": "keda.sh/v1alpha1",
        "spec.scaleTargetRef.name": str,
        "spec.minReplicaCount": int,
        "spec.maxReplicaCount": int,
        "spec.pollingInterval": int,
        "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds": int,
        "spec.triggers.type": "prometheus",
        "spec.triggers.metricType": "AverageValue",
        "spec.triggers.metadata.serverAddress": str,
        "spec.triggers.metadata.query": str,
        "spec.triggers.metadata.threshold": str,
    },
    "ServiceMonitor": {
        "apiVersion": "monitoring.coreos.com/v1",
        "spec.jobLabel": "app.kubernetes.io/name",
        "spec.selector.matchLabels": dict,
        "spec.endpoints.port": "http",
        "spec.endpoints.path": "/metrics",
        "spec.endpoints.interval": str,
        "spec.endpoints.authorization.type": "Bearer",
        "spec.endpoints.authorization.credentials.name": str,
        "spec.endpoints.authorization.credentials.key": str,
    },
}


def leaves(found, allowed, path=""):
    """Every field with its value, by its path; lists are passed through."""
    if isinstance(found, list):
        for each in found:
            yield from leaves(each, allowed, path)
    elif isinstance(found, dict) and path not in allowed:
        for key, value in found.items():
            yield from leaves(value, allowed, f"{path}.{key}".lstrip("."))
    else:
        yield path, found


@needs_helm
@pytest.mark.parametrize(
    ("name", "kind"), [("KEDA", "ScaledObject"), ("KEDA", "ServiceMonitor"), ("API keys", "ServiceMonitor")]
)
def test_the_kinds_of_others_have_only_fields_that_their_documentation_has(name, kind):
    found = {key: value for key, value in objects_of(name)[kind].items() if key not in ("kind", "metadata")}
    for path, value in leaves(found, FIELDS[kind]):
        expected = FIELDS[kind][path]
        assert isinstance(value, expected) if isinstance(expected, type) else value == expected, path


@needs_helm
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"replica": 3}, "'replica' not allowed"),
        ({"replicas": -1}, "/replicas"),
        ({"models": {"from": "volume"}}, "/models/volume/claim"),
        ({"models": {"from": "oci"}}, "/models/oci/reference"),
        ({"models": {"from": "remote"}}, "/models/remote/url"),
        ({"models": {"from": "disk"}}, "/models/from"),
        ({"autoscaling": {"kind": "keda"}}, "/autoscaling/keda/serverAddress"),
        ({"settings": {"VITRINE_WORKERS": 2}}, "/settings/VITRINE_WORKERS"),
        ({"settings": {"VITRINE_DRAIN_SECONDS": "9"}}, "VITRINE_DRAIN_SECONDS"),
        ({"settings": {"WORKERS": "9"}}, "WORKERS"),
        ({"image": {"digest": "sha256:0"}}, "/image/digest"),
    ],
)
def test_values_that_make_no_sense_are_refused_by_their_name(values, message):
    from helm_python import HelmValuesError

    with pytest.raises(HelmValuesError, match=re.escape(message)):
        rendered(values)


def test_the_chart_is_of_the_versions_of_the_project_and_of_kubernetes_that_are_tried():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert chart["appVersion"] == project["version"]
    assert chart["kubeVersion"] == f">={VERSIONS[0]}.0-0"


def test_every_value_has_a_comment_above_it():
    lines = (CHART / "values.yaml").read_text().splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r"\s*[A-Za-z_]+:", line)]
    bare = {
        lines[number].strip()
        for number in keys
        if not lines[number - 1].strip().startswith("#")
        and not (lines[number].endswith(":") and lines[number + 1].strip().startswith("#"))
    }
    # Of these the comment above their group speaks.
    assert bare == {'cpu: "1"', "memory: 384Mi", 'cpu: "2"', "memory: 512Mi", "type: RuntimeDefault"}


def test_the_schema_has_every_value_and_no_other():
    def compare(described, values):
        if "properties" in described:
            assert not described["additionalProperties"]
            assert set(described["properties"]) - {"global"} == set(values)
            for name in values:
                compare(described["properties"][name], values[name])

    compare(schema(), yaml.safe_load((CHART / "values.yaml").read_text()))
