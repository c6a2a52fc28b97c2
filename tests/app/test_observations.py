"""Values that wait are counted as the library would have counted them one by one."""

import threading

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from app.observations import MAX_KEPT, Observations


def exposition_of(count):
    registry = CollectorRegistry()
    histogram = Histogram("seconds", "s", buckets=(0.125, 1, 10), registry=registry)
    counter = Counter("images", "i", registry=registry)
    count(histogram, counter)
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if "_created" not in line]


def test_values_counted_together_give_what_each_alone_gives():
    seconds = (0.0, 0.125, 0.25, 1.0, 1.5, 10.0, 99.0, 0.125)  # sums of these are exact

    def together(histogram, counter):
        observations = Observations()
        for value in seconds:
            observations.keep(histogram, value)
            observations.keep(counter, 2)
        observations.count()

    def one_by_one(histogram, counter):
        for value in seconds:
            histogram.observe(value)
            counter.inc(2)

    assert exposition_of(together) == exposition_of(one_by_one)
    assert "images_total 16.0" in exposition_of(together)


def test_no_more_is_kept_than_may_be_although_nobody_reads():
    observations = Observations()
    counter = Counter("images", "i", registry=CollectorRegistry())
    for number in range(10 * MAX_KEPT):
        observations.keep(counter, 1)
        assert len(observations) <= MAX_KEPT, number


def test_values_of_many_threads_are_all_counted_and_once():
    observations = Observations()
    counter = Counter("images", "i", registry=CollectorRegistry())

    def keep():
        for _ in range(4 * MAX_KEPT):
            observations.keep(counter, 1)

    threads = [threading.Thread(target=keep) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        observations.count()
    observations.count()
    assert counter._value.get() == 16 * MAX_KEPT
