import itertools
import math

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training import figures  # noqa: E402
from training.errors import RunError  # noqa: E402
from training.evaluation import evaluate, final_phases  # noqa: E402
from training.evaluation.schema import FinalPhases  # noqa: E402
from training.metrics import bounds  # noqa: E402


@pytest.fixture
def found(tiny_phases):
    return tiny_phases


def test_every_objective_is_trained_on_with_every_seed_and_measured_as_time_passes(found):
    told = [(phase.objective, phase.seed) for phase in found.phases]
    assert told == [(name, seed) for seed in (0, 1) for name in ("textbook", "iwae", "dreg")]
    for phase in found.phases:
        minutes = [measured.minutes for measured in phase.measured]
        np.testing.assert_allclose(minutes, [0, 0.001, 0.002, 0.003, 0.004])
        steps = [measured.steps for measured in phase.measured]
        assert steps[0] == 0
        assert all(later > before for before, later in itertools.pairwise(steps))
        # A turn is one epoch of 128 images here: eight steps.
        assert all(number % 8 == 0 for number in steps)


def test_all_begin_with_the_bounds_of_the_trained_model(found, tiny_model, tiny_dataset):
    rows = bounds.bounds(tiny_model, tiny_dataset.validation, ((32, (1, 5, 100)),)).log_p_x
    for phase in found.phases:
        for row in rows:
            # The same draws, under another program: sums of 30 pixels in float32.
            assert phase.measured[0].nats(row.k) == pytest.approx(row.nats, abs=1e-3)


def test_training_goes_on_to_higher_bounds(found):
    """The model had two epochs: some dozens of steps more raise its own bound, whichever objective it is."""
    for name in found.by_objective:
        assert found.spread(name, 5)[0] > found.spread(name, 5, point=0)[0]


def test_more_draws_never_lower_a_bound(found):
    for phase in found.phases:
        end = phase.measured[-1]
        assert end.nats(1) <= end.nats(5) <= end.nats(100)


def test_the_spread_is_that_over_seeds(found):
    values = [phase.measured[-1].nats(5) for phase in found.phases if phase.objective == "iwae"]
    assert found.spread("iwae", 5) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    single = found.model_copy(update={"phases": found.phases[:3]})
    assert single.spread("iwae", 5) == (values[0], 0.0)


def test_who_has_trained_least_takes_the_next_turn(monkeypatch):
    class Slow:
        def __init__(self, cost):
            self.seconds, self.cost, self.turns = 0.0, cost, 0

        def take_turn(self, images):
            self.seconds += self.cost
            self.turns += 1

    quick, slow = Slow(1.0), Slow(4.0)
    final_phases.in_turns([quick, slow], None, 8.0)
    assert (quick.turns, slow.turns) == (8, 2)


def test_turns_pass_over_every_image_and_begin_anew(tiny_config):
    given = final_phases.turns(tiny_config, 16 * 20)
    first = [next(given) for _ in range(2)]
    assert [turn.shape for turn in first] == [(10, 16)] * 2
    assert sorted(np.concatenate(first).ravel()) == list(range(320))
    assert not np.array_equal(next(given), first[0])
    few = final_phases.turns(tiny_config, 40)  # two steps an epoch
    assert next(few).shape == (2, 16)


def test_the_report_keeps_them_and_a_new_evaluation_too(found, tiny_model, tiny_dataset, tmp_path):
    report = evaluate.evaluate(tiny_model, tiny_dataset, tmp_path)
    evaluate.write_report(tmp_path, report.model_copy(update={"final_phases": found}))
    assert evaluate.load_report(tmp_path, tiny_model.weights_sha256).final_phases == found
    assert evaluate.evaluate(tiny_model, tiny_dataset, tmp_path).final_phases == found
    assert FinalPhases.model_validate(found.as_dict()) == found


def test_the_picture_has_a_panel_for_each_bound(found, tmp_path, monkeypatch):
    import matplotlib.figure
    import matplotlib.image

    monkeypatch.setattr(figures, "Figure", matplotlib.figure.Figure)  # as users see it
    final_phases.draw(found, "tiny", tmp_path)
    picture = matplotlib.image.imread(tmp_path / final_phases.FIGURE)
    height, width, _ = picture.shape
    assert math.isclose(width / height, 9 / 3.4, rel_tol=0.01)
    for half in (picture[:, : width // 2], picture[:, width // 2 :]):
        assert np.ptp(half[..., :3], axis=2).max() > 0.3  # lines in colour


def test_a_folder_without_weights_is_refused(tiny_model, tiny_dataset, tmp_path):
    with pytest.raises(RunError):
        final_phases.compare(tmp_path, tiny_model, tiny_dataset, minutes=0.001, seeds=1, k=2)
