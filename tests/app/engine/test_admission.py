import math

import pytest

from app.engine.admission import Admission
from app.engine.work import BATCH_ROWS, Operation, Work
from app.errors import Overloaded
from app.metrics import Metrics
from app.protocol_errors import TooManyRequests


def new_admission(max_images=100, max_seconds=math.inf, threads=1):
    return Admission(max_images, max_seconds, threads, Metrics())


def work(count, seconds=0.0):
    """Return work whose batches take `seconds`."""
    operation = Operation("double", lambda rows: rows * 2)
    operation.alike = (0,) * BATCH_ROWS
    operation.elapsed_seconds[BATCH_ROWS] = seconds
    return Work(lambda: iter(()), count, (operation,))


def test_one_request_is_let_in_however_large_and_the_next_once_it_has_gone():
    admission, large = new_admission(max_images=10), work(50)
    seconds = admission.admit(large)
    with pytest.raises(Overloaded, match="50 images are waiting"):
        admission.admit(work(1))
    admission.release(large, seconds)
    admission.admit(work(1))
    assert admission.images == 1


def test_the_wait_is_what_operations_take_for_what_is_under_way_by_all_threads():
    admission = new_admission(max_images=1000, threads=2)
    first, second = work(64, seconds=0.1), work(320, seconds=0.03)
    admission.admit(first)
    seconds = admission.admit(second)
    assert admission.predicted_seconds() == pytest.approx((2 * 0.1 + 10 * 0.03) / 2)
    admission.release(second, seconds)
    assert admission.predicted_seconds() == pytest.approx(0.1)


def test_a_request_of_few_rows_waits_for_its_own_turn_and_not_for_all_of_the_large_ones():
    admission = new_admission(max_images=10**6, max_seconds=1.0)
    for _ in range(2):
        admission.admit(work(320, seconds=0.1))  # a second each
    with pytest.raises(Overloaded):
        admission.admit(work(33))
    assert admission.predicted_seconds(few=True) == 0.0
    admission.admit(work(32, seconds=0.4))
    assert admission.predicted_seconds(few=True) == pytest.approx(
        2 * 0.4
    )  # as much of the large ones between
    admission.admit(work(1))


def test_one_place_in_eight_is_kept_for_requests_of_few_rows():
    admission = new_admission(max_images=800)
    admission.admit(work(400))
    with pytest.raises(Overloaded):
        admission.admit(work(301))
    admission.admit(work(300))
    for _ in range(3):
        admission.admit(work(32))
    with pytest.raises(Overloaded):
        admission.admit(work(5))  # of them there are 800 places, and 796 are taken


def test_what_would_wait_too_long_is_refused_with_the_seconds_until_it_would_not():
    admission = new_admission(max_images=10**6, max_seconds=1.5)
    admission.admit(work(320, seconds=0.32))
    with pytest.raises(Overloaded) as caught:
        admission.admit(work(33))
    assert caught.value.headers["Retry-After"] == "4"  # 3.2 s


@pytest.mark.fault(23)
def test_a_refusal_says_how_many_like_it_would_be_let_in_by_now():
    admission = new_admission(max_images=10**6, max_seconds=1.5)
    held = [admission.admit(work(32, seconds=0.4)) for _ in range(4)]
    with pytest.raises(Overloaded) as by_time:
        admission.admit(work(32, seconds=0.4))
    assert by_time.value.holds(0)
    admission.release(work(32, seconds=0.4), held.pop())
    assert [by_time.value.holds(before) for before in range(3)] == [False, True, True]
    full = new_admission(max_images=100)
    places = [full.admit(work(32)) for _ in range(3)]
    with pytest.raises(Overloaded) as by_places:
        full.admit(work(32))
    assert by_places.value.holds(0)
    full.release(work(32), places.pop())
    assert [by_places.value.holds(before) for before in range(2)] == [False, True]
    for seconds in places:
        full.release(work(32), seconds)
    assert not by_places.value.holds(0)


def test_waiting_for_a_thread_of_its_own_steps_counts_for_the_request_that_needs_one():
    admission = new_admission(max_seconds=1.5)
    admission.admit(work(1))
    admission.admit(work(1), step_seconds=1.4)
    with pytest.raises(Overloaded):
        admission.admit(work(1), step_seconds=1.6)
    admission.admit(work(1))


def test_a_check_of_the_engine_is_always_let_in():
    admission = new_admission(max_images=1, max_seconds=0.1)
    admission.admit(work(320, seconds=1.0))
    assert admission.admit(work(0)) == 0.0
    assert admission.images == 320


def test_a_client_that_is_alone_is_refused_only_where_everybody_would_be():
    admission = new_admission(max_images=10**6, max_seconds=1.5)
    while admission.predicted_seconds() <= 1.5:
        admission.admit(work(320, seconds=0.02), client="a")
    with pytest.raises(Overloaded) as refusal:
        admission.admit(work(320, seconds=0.02), client="a")
    assert refusal.value.status == 503


def test_a_client_with_more_than_its_share_is_told_so_as_soon_as_another_was_refused():
    admission = new_admission(max_images=10**6, max_seconds=1.5)
    held = []
    while admission.predicted_seconds() <= 1.5:
        held.append(admission.admit(work(320, seconds=0.02), client="a"))
    for client, status in (("b", 503), ("a", 429), ("b", 503)):
        with pytest.raises(Overloaded) as refusal:
            admission.admit(work(320, seconds=0.02), client=client)
        assert refusal.value.status == status
    for _ in range(3):
        admission.release(work(320, seconds=0.02), held.pop(), client="a")
    with pytest.raises(TooManyRequests):
        admission.admit(work(320, seconds=0.02), client="a")
    admission.admit(work(320, seconds=0.02), client="b")  # in the place that is free
    assert len(held) == 5


def test_where_little_waits_nobody_has_a_share():
    admission = new_admission(max_images=1000, max_seconds=1.5)
    admission.admit(work(64, seconds=0.01), client="b")
    for _ in range(3):
        admission.admit(work(100, seconds=0.01), client="a")


def test_places_have_shares_as_time_has():
    admission = new_admission(max_images=100)
    admission.admit(work(10), client="b")
    admission.admit(work(40), client="a")
    with pytest.raises(TooManyRequests):
        admission.admit(work(20), client="a")
    admission.admit(work(20), client="b")


def test_clients_that_nobody_can_tell_apart_have_no_shares():
    admission = new_admission(max_images=100)
    admission.admit(work(10))
    admission.admit(work(60))
    admission.admit(work(20))
