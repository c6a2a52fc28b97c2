import json

import pydantic
import pytest

from tests.conftest import FASHION_VERSION, SHIPPED_STORE, SHIPPED_VERSION

pytestmark = pytest.mark.tensorflow

from training.evaluation.schema import Report  # noqa: E402

VERSIONS = [path.parent for path in sorted(SHIPPED_STORE.glob("*/*/manifest.json"))]


def published(version):
    """The parts of a version's manifest that a report holds."""
    manifest = json.loads((version / "manifest.json").read_text())
    weights = {"weights_sha256": manifest["training"]["weights_sha256"]}
    return weights | manifest["metrics"] | {"axes": manifest["axes"]}


@pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.parent.name)
def test_a_published_report_is_read_and_written_again_with_the_same_keys_and_numbers(version):
    metrics = published(version)
    assert Report.model_validate(metrics).as_dict() == metrics


def test_a_key_that_no_section_has_is_refused():
    metrics = published(VERSIONS[0]) | {"extra": 1}
    with pytest.raises(pydantic.ValidationError, match="extra"):
        Report.model_validate(metrics)


def test_what_was_not_measured_is_left_out_of_the_file():
    metrics = published(VERSIONS[0])
    for key in ("quality", "fair_score", "axes_match"):
        metrics.pop(key, None)
    report = Report.model_validate(metrics)
    assert report.quality is None
    assert set(report.as_dict()) == set(metrics)


def test_what_is_told_first_says_where_information_cannot_be_measured():
    # fashion-dense carries 6.58 of at most 10.92 nats; fashion all of them, so that the rest is KL less log N.
    told = {
        version.parent.name: list(Report.model_validate(published(version)).in_brief())
        for version in (SHIPPED_VERSION, FASHION_VERSION)
    }
    assert (
        "KL to standard_normal: 7.39 nats = 6.58 information + 0.80 KL(q(z) || p(z))" in told["fashion-dense"]
    )
    most = "of which information cannot be measured: it is at log N = 10.92, the most there is"
    assert f"KL to gaussian_mixture: 58.19 nats {most}" in told["fashion"]
    assert "47.27" not in "".join(told["fashion"])


def test_a_reference_lies_in_the_store_or_is_a_run():
    found = Report.model_validate(published(FASHION_VERSION)).quality.reference
    assert found.folder == "model_store/fashion-dense/7"
    assert found.model_copy(update={"name": "other@3"}).folder == "model_store/other/3"
