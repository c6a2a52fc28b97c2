"""The Helm chart of deploy/, rendered by Helm's own engine; `python -m tests.helm_templates` writes deploy/kubernetes/.

The engine is that of the package helm-python-sdk, which needs neither the program `helm` nor a cluster.
"""

import functools
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import EVERYTHING, PROJECT

CHART = PROJECT / "deploy" / "helm" / "vitrine"
MANIFESTS = PROJECT / "deploy" / "kubernetes"
HEADER = "# Made from deploy/helm/vitrine and its values by: python -m tests.helm_templates\n"
needs_helm = pytest.mark.skipif(
    importlib.util.find_spec("helm_python") is None and not EVERYTHING, reason="needs helm-python-sdk"
)

FILES = {name: {"secret": "vitrine-access"} for name in ("apiKeys", "urlKey", "adminKey")}
RULES = {"from": [{"podSelector": {}}], "egress": [{"ports": [{"port": 443, "protocol": "TCP"}]}]}
SETS = {
    "the chart's own": {},
    "a volume": {"models": {"from": "volume", "volume": {"claim": "store", "subPath": "vitrine"}}},
    "an OCI image": {"models": {"from": "oci", "oci": {"reference": "models:7"}}},
    "a remote store": {
        "models": {"from": "remote", "remote": {"url": "s3://pictures/store", "secret": "s3"}},
        "serviceAccountName": "pictures",
        "networkPolicy": {"enabled": True, **RULES},
    },
    "KEDA": {
        "autoscaling": {"kind": "keda", "keda": {"serverAddress": "http://prometheus.monitoring:9090"}},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    },
    "API keys": {
        "access": FILES,
        "serviceMonitor": {"enabled": True, "authorization": {"secret": "prometheus"}},
        "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "pictures"},
        "networkPolicy": {"enabled": True},
    },
    "everything else": {
        "name": "pictures",
        "image": {"digest": "sha256:" + "0" * 64, "pullSecrets": [{"name": "registry"}]},
        "autoscaling": {"kind": "queue"},
        "disruption": {"maxUnavailable": "25%"},
        "podLabels": {"team": "pictures"},
        "podAnnotations": {"team": "pictures"},
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "pictures", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "priorityClassName": "high",
        "service": {"annotations": {"team": "pictures"}},
    },
    "a fixed number": {"autoscaling": {"kind": "none"}, "replicas": 1, "disruption": {"maxUnavailable": 0}},
}


def rendered(values: Mapping[str, Any] | None = None, release: str = "vitrine") -> dict[str, str]:
    """Return the text that each template gives, by its file's name; `values` lie over those of the chart.

    Raises:
        helm_python.HelmError: the values are not of the schema, or a template fails.
    """
    from helm_python import Chart

    with Chart.load(CHART) as chart:
        chart.validate_schema(chart.merge_values(dict(values or {})))
        found = chart.render(dict(values or {}), name=release, namespace="pictures")
    return {Path(name).name: text for name, text in found.items()}


def objects(values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return the objects that a cluster would be given, each of one file."""
    files = rendered(values)
    loaded = [yaml.safe_load(text) for name, text in sorted(files.items()) if name.endswith(".yaml")]
    return [each for each in loaded if each]


@functools.cache
def objects_of(name: str) -> dict[str, dict[str, Any]]:
    """Return the objects of a set of values, by their kinds."""
    return {each["kind"]: each for each in objects(SETS[name])}


def manifests() -> dict[str, str]:
    """Return the plain manifests, by their files' names: the chart's objects with its own values."""
    files = rendered().items()
    return {
        name: HEADER + text.strip() + "\n" for name, text in files if name.endswith(".yaml") and text.strip()
    }


def schema() -> dict[str, Any]:
    """Return the schema of the chart's values."""
    found: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
    return found


def main() -> None:
    """Write the plain manifests in the place of those that are there."""
    MANIFESTS.mkdir(exist_ok=True)
    for path in MANIFESTS.glob("*.yaml"):
        path.unlink()
    for name, text in manifests().items():
        (MANIFESTS / name).write_text(text)


if __name__ == "__main__":
    main()
