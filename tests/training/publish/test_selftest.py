import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from app import models, runtimes  # noqa: E402
from app import selftest as computed  # noqa: E402
from app.errors import ModelError  # noqa: E402
from app.store import scan  # noqa: E402
from training.errors import RunError  # noqa: E402
from training.evaluation.evaluate import evaluate  # noqa: E402
from training.publish import convert, export, litert, selftest  # noqa: E402


@pytest.fixture(scope="module")
def version(tiny_run, tiny_model, tiny_dataset, tmp_path_factory):
    report = evaluate(tiny_model, tiny_dataset, tiny_run)
    return export.export(tiny_model, report, tiny_dataset.validation, tmp_path_factory.mktemp("store"))


@pytest.mark.parametrize("runtime", ["litert", "tensorflow"])
@pytest.mark.parametrize("converted", [False, True])
def test_a_service_computes_again_what_was_exported(version, runtime, converted):
    found = scan(version.parents[1]).find("tiny@1")
    if converted:
        folder = (
            convert.convert(version) if version.name == "1" and not (version.parent / "2").exists() else None
        )
        assert folder is None or (folder / "selftest.npz").is_file()
        found = scan(version.parents[1]).find("tiny@2")
    assert found.manifest.selftest.path == "selftest.npz"
    model = models.Model(found, runtimes.opener(runtime)(found.folder, 1))
    model.warm_up()
    computed.check(model)
    with np.load(found.folder / "selftest.npz") as arrays:
        assert np.ptp(arrays["decode"].astype(int)) > 10  # a test of nothing would be black
        assert len(arrays["z"]) == selftest.ROWS
        np.testing.assert_array_equal(arrays["images"], arrays["decode"])


def test_both_sides_have_the_same_tolerances():
    for name in ("MAX_LEVELS", "MAX_CODE", "MAX_CHANGED", "MAX_CHANGED_DRAWS"):
        assert getattr(selftest, name) == getattr(computed, name)


@pytest.mark.fault(11)
def test_a_program_with_other_weights_fails_the_selftest(version, monkeypatch):
    found = scan(version.parents[1]).find("tiny@1")
    runtime = runtimes.opener("litert")(found.folder, 1)
    decode = runtime.decode
    monkeypatch.setattr(runtime, "decode", lambda z: decode(z) * np.float32(0.9))
    with pytest.raises(ModelError, match="the self-test failed: decode differs"):
        models.Model(found, runtime).warm_up()


@pytest.mark.parametrize("name", ["decode", "encode", "draw"])
def test_a_selftest_that_litert_does_not_pass_is_not_published(version, tmp_path, monkeypatch, name):
    calls = litert.flatbuffer_calls(version)

    def wrong(**arrays):
        return {key: value + np.float32(0.1) for key, value in calls[name](**arrays).items()}

    monkeypatch.setattr(litert, "flatbuffer_calls", lambda _: calls | {name: wrong})
    what = "z_mean" if name == "encode" else name
    with pytest.raises(RunError, match=f"differ in {what} of the self-test .*; nothing was published"):
        selftest.write(version, 2, (6, 5))
