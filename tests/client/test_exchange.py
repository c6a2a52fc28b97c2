import email.utils
import time

import httpx
import pytest

from vitrine_client import ServiceFailed, UnexpectedAnswer, Unreachable
from vitrine_client.errors import Overloaded
from vitrine_client.exchange import LONGEST_WAIT, Memory, Send, Wait, exchange
from vitrine_client.requests import Answer, Request

BASE = "http://service"
ASKED = Request("/samples", lambda answer: answer.content)
BUSY = {"type": "/problems/overloaded", "detail": "busy"}


def answered(status=200, content=b"", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, content=content)


def busy(retry_after):
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return httpx.Response(503, headers={"Content-Type": "application/problem+json"} | headers, json=BUSY)


def run(responses, request=ASKED, memory=None, retries=2):
    """What an exchange wanted to be sent and waited for, and what it ended in."""
    steps, responses = (
        exchange(request, BASE, Memory() if memory is None else memory, retries),
        iter(responses),
    )
    done = [next(steps)]
    try:
        while True:
            done.append(next(steps) if isinstance(done[-1], Wait) else steps.send(next(responses)))
    except StopIteration as end:
        assert next(responses, None) is None
        return done, end.value


def test_an_answer_is_read():
    steps, content = run([answered(content=b"picture")])
    assert steps == [Send("GET", "http://service/samples", {})]
    assert content == b"picture"


def test_a_busy_service_is_asked_again_after_the_time_that_it_says():
    steps, content = run([busy("2"), busy("0"), answered(content=b"at last")])
    assert [step.seconds for step in steps if isinstance(step, Wait)] == [2, 0]
    assert content == b"at last"


def test_a_date_to_come_back_at_is_waited_for():
    steps, _ = run([busy(email.utils.formatdate(time.time() + 5, usegmt=True)), answered()])
    assert 3.5 < steps[1].seconds <= 5  # the date has whole seconds


def test_a_service_that_stays_busy_is_given_up():
    with pytest.raises(Overloaded) as caught:
        run([busy("1")] * 3)
    assert caught.value.retry_after == 1


@pytest.mark.parametrize("retry_after", [None, "soon", str(LONGEST_WAIT + 1)])
def test_without_a_time_or_with_a_long_one_nothing_is_waited_for(retry_after):
    with pytest.raises(Overloaded):
        run([busy(retry_after)])


def test_no_other_failure_is_tried_again():
    problem = httpx.Response(504, headers={"Retry-After": "1"}, json={"type": "/problems/deadline-passed"})
    with pytest.raises(ServiceFailed):
        run([problem])


def test_an_answer_with_an_entity_tag_is_asked_for_anew_by_the_tag_alone():
    memory = Memory()
    run([answered(content=b"picture", etag='"1"', x_model="fake@1")], memory=memory)
    steps, content = run([answered(304, etag='"1"')], memory=memory)
    assert steps[0].options == {"headers": {"If-None-Match": '"1"'}}
    assert content == b"picture"
    _, content = run([answered(content=b"another", etag='"2"')], memory=memory)
    assert content == b"another"
    steps, _ = run([answered(304)], memory=memory)
    assert steps[0].options == {"headers": {"If-None-Match": '"2"'}}


def test_images_are_sent_anew_with_every_attempt_and_their_names_say_nothing():
    sending = Request("/reconstruct", lambda answer: answer.content, (("file", b"one"), ("mask", b"two")))
    memory = Memory()
    steps, _ = run([busy("0"), answered(etag='"1"')], sending, memory)
    assert steps[0] == steps[2]
    assert steps[0].method == "POST"
    sent = [(field, file[0]) for field, file in steps[0].options["files"]]
    assert sent == [("file", "image-0"), ("mask", "image-1")]
    assert memory.find("http://service/reconstruct") is None


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadTimeout(""), httpx.InvalidURL("long")]
)
def test_without_an_answer_the_service_is_unreachable(error):
    steps = exchange(ASKED, BASE, Memory(), 2)
    next(steps)
    with pytest.raises(Unreachable, match=f"{BASE}: ({error}|{type(error).__name__})"):
        steps.throw(error)


@pytest.mark.parametrize("status", [204, 301, 304])
def test_a_status_that_no_vitrine_gives_is_unexpected(status):
    with pytest.raises(UnexpectedAnswer, match=f"status {status}"):
        run([answered(status, location="http://elsewhere/")])


def answer(number, size=1, etag=True):
    return Answer(f"http://service/{number}", {"etag": '"x"'} if etag else {}, size * b".")


def test_the_memory_is_bounded_in_number_and_the_least_used_goes_first():
    memory = Memory(most=2)
    memory.keep(answer(1))
    memory.keep(answer(2))
    memory.find(answer(1).url)
    memory.keep(answer(3))
    assert [memory.find(answer(number).url) is not None for number in (1, 2, 3)] == [True, False, True]


def test_the_memory_is_bounded_in_bytes():
    memory = Memory(most_bytes=10)
    memory.keep(answer(1, 6))
    memory.keep(answer(2, 6))
    assert memory.find(answer(1).url) is None
    memory.keep(answer(2, 4))
    memory.keep(answer(1, 6))
    assert memory.find(answer(2).url) is not None
    memory.keep(answer(1, 11))  # alone too large: nothing is kept of it, the old answer neither
    assert memory.find(answer(1).url) is None
    memory.keep(answer(2, etag=False))
    assert memory.find(answer(2).url) is None
