"""Dashboard and alert rules name metrics, labels and values that a service has, and runbooks that are there."""

import json
import re

import numpy as np
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.http import markdown
from tests.conftest import PROJECT
from tests.fakes import png_bytes

DASHBOARD = json.loads((PROJECT / "deploy" / "grafana" / "vitrine.json").read_text())
RULES = [
    rule
    for group in yaml.safe_load((PROJECT / "deploy" / "prometheus" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]] + [
    rule["expr"] for rule in RULES
]

OF_PROMETHEUS = {"up": set()}  # metrics that it makes itself
OF_THE_SCRAPE = {"job", "instance"}  # labels that it adds to all
WORDS = {
    "sum",
    "max",
    "count",
    "rate",
    "increase",
    "changes",
    "deriv",
    "by",
    "time",
    "topk",
    "histogram_quantile",
}
SELECTOR = re.compile(r"([a-z_]+)\{([^}]*)\}")
LABEL = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')


@pytest.fixture(scope="module")
def exported(module_client):
    """Every name that a running service exports, with its labels and their values."""
    module_client.get("/samples?n=3&seed=1")
    module_client.get("/samples?n=0")
    file = {"file": ("a.png", png_bytes(np.full((8, 8), 9, np.uint8)), "image/png")}
    assert module_client.post("/reconstruct", files=file).status_code == 200
    metrics = module_client.app.service.metrics
    for result in ("hit", "shared"):
        metrics.count_cache_request(result)
    for reason in ("queue_full", "predicted_wait", "deadline", "cancelled"):
        metrics.count_refusal(reason)
    metrics.count_decoder_failure("crash")
    for result in ("swapped", "refused", "rolled_back"):
        metrics.count_swap(result)
    metrics.set_model_states({("fake", "1"): "failed"})
    found = {}
    for family in text_string_to_metric_families(module_client.get("/metrics").text):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


@pytest.fixture(scope="module")
def module_client(tmp_path_factory):
    from app.main import create_app
    from app.settings import Settings
    from tests.conftest import Client
    from tests.fakes import open_fake, write_version

    folder = tmp_path_factory.mktemp("store")
    write_version(folder)
    client = Client(create_app(Settings(model_store=folder, default_model="fake"), open_fake))
    yield client
    client.close()


def faults_of(query, exported):
    """What a query names and a service has not: metrics, labels, and values that stand for no pattern."""
    text = re.sub(r"\[[^\]]*\]", "", query)
    for name, inside in SELECTOR.findall(text):
        if name in OF_PROMETHEUS:
            continue
        if name not in exported:
            yield name
            continue
        for label, value in LABEL.findall(inside):
            if label in OF_THE_SCRAPE:
                continue
            if label not in exported[name]:
                yield f"{name}: {label}"
            elif (
                label in ("reason", "result", "state") and not set(value.split("|")) <= exported[name][label]
            ):
                yield f"{name}: {label}={value}"
    labels = {label for name, _ in SELECTOR.findall(text) for label in exported.get(name, ())}
    for grouped in re.findall(r"by \(([^)]*)\)", text):
        yield from (each for each in re.findall(r"\w+", grouped) if each not in labels | OF_THE_SCRAPE)
    bare = re.sub(r"by \([^)]*\)", "by", SELECTOR.sub("", text))
    yield from (
        word
        for word in re.findall(r"[a-z_]{2,}", re.sub(r"\b[0-9.]+(e[0-9]+)?", "", bare))
        if word not in WORDS
    )


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_what_a_service_exports(query, exported):
    assert list(faults_of(query, exported)) == []
    assert query.count("(") == query.count(")")


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ('sum(vitrine_nothing{job="a"})', "vitrine_nothing"),
        ('vitrine_workers{color="a"}', "vitrine_workers: color"),
        ('vitrine_refused_total{reason="bored"}', "vitrine_refused_total: reason=bored"),
        ('sum by (size) (vitrine_refused_total{reason="deadline"})', "size"),
        ("average(vitrine_workers{})", "average"),
    ],
)
def test_a_query_that_names_something_else_is_found(query, fault, exported):
    assert list(faults_of(query, exported)) == [fault]


def test_every_metric_of_the_service_is_on_the_dashboard(exported):
    text = json.dumps(DASHBOARD)
    names = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in exported}
    names -= {"process_virtual_memory_bytes", *(name for name in names if name.endswith("_created"))}
    assert sorted(name for name in names if name not in text) == []


def test_panels_are_numbered_and_do_not_overlap():
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    for panel in PANELS:
        assert panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert [target["refId"] for target in panel["targets"]] == ["A", "B", "C"][: len(panel["targets"])]
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource", "job"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_leads_to_what_to_do(rule):
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"]["summary"].endswith((".", "serves."))
    document, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert anchor == rule["alert"].lower()
    page = markdown.render((PROJECT / document).read_text())
    assert f'id="{anchor}"' in str(page.html)
