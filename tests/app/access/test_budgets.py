import pytest

from app.access.budgets import Budget
from app.access.refusals import BudgetSpent


class Clock:
    seconds = 100.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


def test_a_minutes_images_may_be_taken_at_once_and_come_back_evenly(clock):
    budget = Budget(60, clock)
    budget.take(60)
    with pytest.raises(BudgetSpent):
        budget.take(1)
    clock.seconds += 10
    budget.take(10)
    with pytest.raises(BudgetSpent):
        budget.take(1)


def test_a_refusal_takes_nothing_and_says_when_there_is_enough_again(clock):
    budget = Budget(120, clock)
    budget.take(110)
    with pytest.raises(BudgetSpent) as refused:
        budget.take(21)
    assert refused.value.headers == {
        "Retry-After": "6",  # 11 images at two a second
        "RateLimit-Limit": "120",
        "RateLimit-Remaining": "10",
        "RateLimit-Reset": "55",
    }
    budget.take(10)
    clock.seconds += 10.5
    budget.take(21)


def test_what_no_minute_brings_is_refused_without_a_time(clock):
    with pytest.raises(BudgetSpent, match="This key has 5 a minute") as refused:
        Budget(5, clock).take(21)
    assert "Retry-After" not in refused.value.headers


def test_no_more_collects_than_a_minute_brings(clock):
    budget = Budget(5, clock)
    clock.seconds += 3600
    budget.take(5)
    with pytest.raises(BudgetSpent):
        budget.take(1)


def test_what_was_never_computed_is_given_back(clock):
    budget = Budget(5, clock)
    budget.take(5)
    budget.give_back(3)
    budget.take(3)
    budget.give_back(100)
    assert budget.headers() == {"RateLimit-Limit": "5", "RateLimit-Remaining": "5", "RateLimit-Reset": "0"}


def test_a_picture_larger_than_the_budget_is_told_what_it_may_be(clock):
    with pytest.raises(BudgetSpent, match="This key has 5 a minute: ask for fewer images"):
        Budget(5, clock).take(6)
