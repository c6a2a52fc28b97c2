import pytest

from benchmarks import plan
from benchmarks.plan import ASSUMED, INPUTS, Plan, changed, tables, written
from tests.conftest import PROJECT

DOCUMENT = (PROJECT / "docs" / "scale.md").read_text()


def test_the_document_has_the_tables_that_follow_from_the_inputs():
    assert written(DOCUMENT, Plan(INPUTS)) == DOCUMENT, "python -m benchmarks.plan --write docs/scale.md"
    worth = Plan(INPUTS).draws_worth_a_month()
    assert f"costs what {worth:.0f} drawings of it cost" in DOCUMENT


@pytest.mark.parametrize("name", INPUTS)
def test_what_is_measured_stands_in_the_document_that_it_is_taken_from(name):
    found = INPUTS[name]
    if found.source != ASSUMED:
        assert found.quoted
        assert found.quoted in (PROJECT / found.source).read_text()


def test_every_input_changes_the_sums():
    before = tables(Plan(INPUTS))[1:]
    for name, each in INPUTS.items():
        factor = 0.1 if name in ("used", "node_gbits", "active_models") else 3.0
        assert tables(Plan(changed([f"{name}={each.value * factor}"])))[1:] != before, name


def test_the_sums_are_those_of_a_hand():
    given = Plan(
        changed(["pictures_machine=2000", "machine_cores=2", "picture_bytes=10000", "core_hour=0.036"])
    )
    # 10^9 pictures at 1,000 a second of a core are 10^6 core-seconds.
    assert given.draw_all("mean") == pytest.approx((10**6 / 3600, 10.0))
    assert given.store_all() == pytest.approx((10.0, 10_000 * INPUTS["gb_month"].value))
    assert given.draws_worth_a_month() == pytest.approx(20)
    assert given.cores(1e5, 1000) == pytest.approx(100 / INPUTS["used"].value)
    # 10^5 x 10 kB x 8 bits; 730 hours of it.
    assert given.traffic()[:2] == pytest.approx((8.0, 2628.0))


def test_machines_have_what_is_scarcest():
    few = Plan(changed(["node_cores=8", "node_gb=32", "node_gbits=10", "used=0.5"]))
    assert few.machines(17) == 3
    assert few.machines(1, gigabytes=100) == 4
    assert few.machines(1, gbits=20) == 4
    assert few.machines(0) == 1


@pytest.mark.parametrize("word", ["nonsense=1", "used=0", "used=-1", "used=nan"])
def test_an_input_that_is_none_is_refused(word):
    with pytest.raises(ValueError, match="above 0"):
        changed([word])


def test_a_document_without_one_of_the_tables_is_refused():
    with pytest.raises(ValueError, match="expected one table"):
        written("# Past one machine\n", Plan(INPUTS))


def test_the_command_prints_and_writes(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("sys.argv", ["plan", "--set", "hit_share=0.5"])
    plan.main()
    assert "| `hit_share` | 0.5 |" in capsys.readouterr().out
    copy = tmp_path / "scale.md"
    copy.write_text(DOCUMENT)
    monkeypatch.setattr("sys.argv", ["plan", "--set", "hit_share=0.5", "--write", str(copy)])
    plan.main()
    assert "| `hit_share` | 0.5 |" in copy.read_text()
    monkeypatch.setattr("sys.argv", ["plan", "--set", "hit_share=often"])
    with pytest.raises(SystemExit):
        plan.main()
