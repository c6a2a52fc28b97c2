from app.mirror.backoff import MAX_SECONDS, Backoff


def test_each_failure_in_a_row_doubles_the_delay_until_there_is_a_longest_one():
    now = [0.0]
    backoff = Backoff(2.0, lambda: now[0])
    assert backoff.is_due("x")
    delays = []
    for _ in range(10):
        delays.append(backoff.failed("x"))
        assert not backoff.is_due("x")
        now[0] += delays[-1]
        assert backoff.is_due("x")
    assert delays[:4] == [2, 4, 8, 16]
    assert delays[-1] == MAX_SECONDS
    backoff.succeeded("x")
    assert backoff.failed("x") == 2


def test_the_first_that_is_due_says_how_long_to_wait_and_all_may_be_made_due_at_once():
    now = [0.0]
    backoff = Backoff(2.0, lambda: now[0])
    assert backoff.seconds is None
    backoff.failed("x")
    now[0] = 1.5
    backoff.failed("y")
    assert backoff.seconds == 0.5
    backoff.clear()
    assert backoff.is_due("x")
    assert backoff.is_due("y")
    assert backoff.failed("x") == 4  # and how often it has failed is not forgotten
