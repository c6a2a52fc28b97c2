import pytest

from app import labels
from app.choices import Choice, choose, read_labels
from app.labels import Labels
from app.store import scan
from tests.fakes import write_version


@pytest.fixture
def versions(tmp_path):
    for number in (1, 2, 3, 4):
        write_version(tmp_path, number=number)
    return scan(tmp_path).versions["fake"]


def chosen(versions, said=None, passed_over=(), before=None):
    found = choose(versions, said or Labels(), {f"fake@{number}" for number in passed_over}, before)
    return found and (found.stable.number, found.canary and found.canary.number, found.share)


def test_without_labels_a_bare_name_means_the_newest_version_that_can_be_served(versions):
    assert chosen(versions) == (4, None, 0.0)
    assert chosen(versions, passed_over=[4, 3]) == (2, None, 0.0)
    assert chosen(versions, passed_over=[1, 2, 3, 4]) is None


def test_a_stable_label_counts_more_than_a_newer_version(versions):
    assert chosen(versions, Labels(stable=2)) == (2, None, 0.0)


def test_where_the_stable_version_cannot_be_served_the_one_of_now_goes_on(versions):
    said = Labels(stable=3, previous=(1,))
    assert chosen(versions, said, [3], before=Choice(versions[1])) == (2, None, 0.0)
    assert chosen(versions, said, [3, 2], before=Choice(versions[1])) == (1, None, 0.0)
    assert chosen(versions, said, [3, 2, 1], before=Choice(versions[1])) == (4, None, 0.0)
    assert chosen(versions, Labels(stable=9)) == (4, None, 0.0)


def test_a_canary_that_cannot_be_served_or_has_no_share_is_left_out(versions):
    said = Labels(stable=2, canary=3, canary_share=0.25)
    assert chosen(versions, said) == (2, 3, 0.25)
    assert chosen(versions, said, [3]) == (2, None, 0.0)
    assert chosen(versions, Labels(stable=2, canary=3)) == (2, None, 0.0)
    assert chosen(versions, said, [2], before=Choice(versions[2])) == (3, None, 0.0)  # it is stable itself


@pytest.mark.parametrize(
    ("share", "of_thousand"), [(0.0, 0), (0.1, 100), (1 / 3, 333), (0.999, 999), (1.0, 1000)]
)
def test_a_canary_gets_its_share_exactly_and_evenly(versions, share, of_thousand):
    choice = Choice(versions[0], versions[1], share)
    drawn = [choice.draw().number == 2 for _ in range(1000)]
    assert sum(drawn) == of_thousand
    for count in range(1, 1001):  # never more than one away from its share
        assert abs(sum(drawn[:count]) - count * share) <= 1


def test_a_choice_that_stays_the_same_goes_on_counting(versions):
    said = Labels(stable=1, canary=2, canary_share=0.5)
    first = choose(versions, said, ())
    assert first.draw().number == 1
    assert choose(versions, said, (), first).draw().number == 2
    assert choose(versions, Labels(stable=1, canary=2, canary_share=0.75), (), first).draw().number == 1
    assert [each.number for each in first.versions] == [1, 2]


def test_labels_that_cannot_be_used_leave_those_that_were_known_and_say_why(tmp_path):
    write_version(tmp_path)
    write_version(tmp_path, "other")
    versions = scan(tmp_path).versions
    labels.write(tmp_path / "fake", Labels(stable=1))
    known, faults = read_labels(versions, {})
    assert (known, faults) == ({"fake": Labels(stable=1), "other": Labels()}, {})
    (tmp_path / "fake" / "labels.json").write_text("{")
    found, faults = read_labels(versions, known)
    assert found == known
    assert list(faults) == ["fake"]
    assert "labels.json: Invalid JSON" in faults["fake"]


def test_labels_that_name_a_version_that_is_not_there_are_told(tmp_path):
    write_version(tmp_path)
    labels.write(tmp_path / "fake", Labels(stable=7))
    found, faults = read_labels(scan(tmp_path).versions, {})
    assert found == {"fake": Labels(stable=7)}
    assert faults == {"fake": "labels.json names versions that cannot be served: [7]"}
