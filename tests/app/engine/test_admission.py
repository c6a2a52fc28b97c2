import math

import pytest

from app.engine.admission import Admission, smoothed
from app.errors import Overloaded
from app.metrics import Metrics


def new_admission(max_images=100, max_seconds=math.inf, threads=1):
    return Admission(max_images, max_seconds, threads, Metrics())


def test_one_request_is_let_in_however_large_and_the_next_once_it_has_gone():
    admission = new_admission(max_images=10)
    admission.admit(50)
    with pytest.raises(Overloaded, match="50 images are waiting"):
        admission.admit(1)
    admission.release(50)
    admission.admit(1)
    assert admission.images == 1


def test_the_wait_is_predicted_from_images_heavy_steps_and_threads():
    admission = new_admission(threads=2)
    admission.admit(40)
    admission.computed(seconds=0.32, images=32)  # 10 ms an image
    assert admission.predicted_seconds() == pytest.approx(40 * 0.01 / 2)
    admission.heavy_begun()
    admission.heavy_ended(0.5)
    assert admission.predicted_seconds() == pytest.approx(0.2)  # none waits any more
    for _ in range(3):
        admission.heavy_begun()
    assert admission.predicted_seconds() == pytest.approx(0.2 + 3 * 0.5 / 2)


def test_what_would_wait_too_long_is_refused_with_the_seconds_until_the_queue_is_empty():
    admission = new_admission(max_images=10**6, max_seconds=1.5)
    admission.admit(1000)
    admission.computed(seconds=0.0032, images=1)
    with pytest.raises(Overloaded) as caught:
        admission.admit(1)
    assert caught.value.headers["Retry-After"] == "4"  # 3.2 s


def test_an_average_moves_by_a_tenth_of_the_newest_difference():
    assert smoothed(0.0, 5.0) == 5.0
    assert smoothed(5.0, 15.0) == pytest.approx(6.0)
