import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from benchmarks import unusual  # noqa: E402
from tests.linear import VARIANCE, LinearRuntime, images_of, linear_model  # noqa: E402


@pytest.fixture
def measured(tmp_path):
    """A model, its version's folder, and images that it is exact for."""
    runtime = LinearRuntime()
    bounds = {"log_p_x": [{"k": 100, "nats": -1.0, "standard_error": 0.5}]}
    model = linear_model(tmp_path, runtime, metrics={"bounds": bounds})
    levels, pixels = images_of(runtime, 40)
    return (
        model,
        tmp_path / "fake" / "1",
        (levels / np.float32(255)).astype(np.float32),
        runtime.log_p(pixels),
    )


def test_images_of_other_kinds_are_found_and_the_bound_stands_beside_the_cards(measured, capsys):
    model, folder, images, exact = measured
    unusual.print_scores(model, folder, images)
    printed = capsys.readouterr().out
    rows = {line.split("|")[1].strip(): line for line in printed.splitlines() if line.startswith("| ")}
    # As far from what a linear model of some greys draws as levels go.
    assert rows["black"] == "| black | 1.000 | 1.000 |"
    assert {"inverted", "uniform noise", "shuffled patches", "flat grey", "digits", "upside down"} <= set(
        rows
    )
    assert f"L_100 of the test images: {exact.mean():.1f} +- " in printed
    assert "-1.0 +- 0.5 by the card" in printed


def test_hidden_halves_are_told_by_their_error_beside_the_mean_images(measured, capsys):
    model, _, images, _ = measured
    unusual.print_completions(model, images, images.mean(axis=0))
    rows = {}
    for line in capsys.readouterr().out.splitlines():
        if line.startswith("| ") and line.endswith("% |"):
            name, error, _ = (cell.strip() for cell in line.strip("|").split("|"))
            rows[name] = float(error)
    # No less than the noise, which nothing can tell; a completion that is drawn errs more than the mean of all.
    noise = VARIANCE * (1 - 4 / np.sqrt(40 * 8 / 2))
    assert noise < rows["mean completion"] < rows["one completion"]
    assert rows["mean completion"] < rows["mean training image"]
