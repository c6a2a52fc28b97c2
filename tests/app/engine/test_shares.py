from app.engine import shares
from app.engine.shares import Shares


def test_a_client_that_is_alone_may_have_everything_and_more():
    held = Shares(10)
    held.add("a", 10)
    assert not held.exceeds("a", 100)


def test_a_share_is_as_many_parts_as_clients_have_something():
    held = Shares(12)
    held.add("a", 5)
    held.add("b", 1)
    assert not held.exceeds("a", 1)
    assert held.exceeds("a", 2)
    assert not held.exceeds("b", 5)
    held.add("c", 1)
    assert held.exceeds("a", 0)
    assert not held.exceeds("d", 3)  # who comes is one more


def test_what_is_given_back_makes_the_others_share_larger():
    held = Shares(10)
    for _ in range(10):
        held.add("a", 0.1)
    held.add("b", 9)
    assert held.exceeds("b", 1)
    for _ in range(10):
        held.add("a", -0.1)  # whose sum is not nothing to the bit
    assert not held.exceeds("b", 1)


def test_a_client_that_was_refused_counts_for_some_seconds():
    now = [100.0]
    held = Shares(10, clock=lambda: now[0])
    held.add("a", 10)
    held.refused("b")
    assert held.exceeds("a", 1)
    assert not held.exceeds("b", 5)
    now[0] += shares.WAITS_SECONDS
    assert not held.exceeds("a", 1)


def test_a_client_that_cannot_be_told_from_others_is_not_counted():
    held = Shares(10)
    held.add(None, 10)
    held.refused(None)
    held.add("a", 1)
    assert not held.exceeds("a", 10)
    assert not held.exceeds(None, 100)


def test_no_more_clients_are_remembered_than_a_bound():
    held = Shares(10)
    for number in range(shares.MAX_WAITING + 10):
        held.refused(number)
    assert len(held._waiting) == shares.MAX_WAITING
