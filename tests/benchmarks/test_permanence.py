import collections
import re

import numpy as np

from benchmarks import permanence, processes
from benchmarks.memory import growth
from benchmarks.permanence import ARRANGEMENTS, Arrangement, Found, Part, report
from tests.conftest import PROJECT


def found(*digests):
    return Found(list(digests), 1.0, 0, 0)


def address(number, render="mean"):
    return f"/samples?model=fashion@6&n=1&seed={number}&render={render}"


def test_bytes_that_differ_or_never_came_are_counted_and_named(capsys):
    targets = [address(1), address(2), address(3, "draw"), address(4)]
    crowd, alone = found(b"1", b"2", None, None), found(b"1", b"3", b"4", None)
    parts = [
        Part(targets, Arrangement(1, 1, 1), Arrangement(1, 1, 2), crowd, alone),
        Part([address(5)], Arrangement(2, 2, 1), Arrangement(2, 2, 2), found(b"5"), found(b"5")),
    ]
    assert report("litert", parts) == 3
    shown = capsys.readouterr().out
    assert "5 addresses, 3 differ" in shown
    assert f"differs: {address(2)}" in shown
    assert f"differs: {address(1)}" not in shown
    assert "| fashion@6 | draw | 1 | 1 |" in shown
    assert "| fashion@6 | mean | 4 | 2 |" in shown
    assert "| 1 x 1 x 1 | 1 x 1 x 2 | 4 | 3 |" in shown
    assert "| 2 x 2 x 1 | 2 x 2 x 2 | 1 | 0 |" in shown


def test_one_and_two_of_everything_are_compared_with_each_other_and_never_with_themselves():
    targets = [str(number) for number in range(100)]
    parts = list(permanence.dealt(targets))
    assert sorted((target for part, _, _ in parts for target in part), key=int) == targets
    assert {crowded for _, crowded, _ in parts} == {single for _, _, single in parts} == set(ARRANGEMENTS)
    assert len(set(ARRANGEMENTS)) == 8
    assert all(set(values) == {1, 2} for values in zip(*ARRANGEMENTS, strict=True))
    following = {crowded: single for _, crowded, single in parts}
    reached, at = set(), ARRANGEMENTS[0]
    while at not in reached:  # whoever differs from the others differs from the next
        reached.add(at)
        at = following[at]
    assert reached == set(ARRANGEMENTS)


def test_a_server_is_started_as_the_arrangement_says_and_keeps_no_pictures():
    environment = Arrangement(2, 1, 2).program("litert").environment
    expected = {"WORKERS": "2", "WORKER_THREADS": "1", "INFERENCE_THREADS": "2", "CACHE_BYTES": "0"}
    assert environment.items() >= {f"VITRINE_{name}": value for name, value in expected.items()}.items()


def test_every_model_has_its_addresses_of_both_renders_mixed():
    models = sorted(
        f"{path.parent.name}@{path.name}" for path in (PROJECT / "model_store").glob("*/*") if path.is_dir()
    )
    targets = permanence.mixed(models, 50, np.random.default_rng(1))
    named = [re.search(r"model=([^&]+)", target)[1] for target in targets]
    assert collections.Counter(named) == dict.fromkeys(models, 50)
    assert len(set(named[:20])) == len(models)
    for model in models:
        renders = {target.split("render=")[1][:4] for target in targets if f"model={model}&" in target}
        assert renders == {"mean", "draw"}


def test_every_target_is_asked_for_in_a_crowd_of_one_server_and_alone_of_another(monkeypatch):
    started = []

    def asked(runtime, arrangement, ask):
        started.append((runtime, arrangement))
        return found(*[b"one" if len(started) == 1 else b"other"] * 3)

    monkeypatch.setattr(permanence, "asked", asked)
    first, second = ARRANGEMENTS[:2]
    part = permanence.compared("litert", ["/a", "/b", "/c"], first, second, np.random.default_rng(1), 0.05)
    assert started == [("litert", first), ("litert", second)]
    assert part.differing() == ["/a", "/b", "/c"]
    assert processes.RUNTIMES == ("litert", "tensorflow")


def test_growth_is_the_slope_of_the_second_half():
    # The first half is a warm-up that levels off; then 1 MiB for every 50,000 pictures.
    rows = [(50_000, 90.0), (100_000, 120.0), (150_000, 130.0)]
    rows += [(200_000, 131.0), (250_000, 132.0), (300_000, 133.0)]
    assert abs(growth(rows) - 2.0) < 1e-6
    assert growth(rows[:1]) == 0.0
