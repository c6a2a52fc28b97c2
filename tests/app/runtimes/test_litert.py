"""LiteRT on the model that the project ships."""

import hashlib
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.runtimes import LITERT_DECODER
from app.runtimes.litert import UNUSED_SECONDS, LiteRTRuntime, _Interpreters
from tests.conftest import FASHION_VERSION, PROJECT, SHIPPED_VERSION

RNG = np.random.default_rng(5)
Z = RNG.standard_normal((32, 10), np.float32)
NOISE = RNG.uniform(0.001, 0.999, (32, 28, 28)).astype(np.float32)
IMAGES = RNG.random((32, 28, 28), np.float32)


def outputs(runtime):
    return [*runtime.encode(IMAGES), runtime.decode(Z), runtime.draw(Z, NOISE)]


@pytest.fixture(scope="module")
def runtime():
    return LiteRTRuntime(SHIPPED_VERSION, threads=1)


@pytest.mark.tensorflow
def test_it_computes_what_tensorflow_does(runtime):
    from app.runtimes.tensorflow import TensorFlowRuntime

    # The same float32 sums in another order: a few units of the last place of numbers near 1, or near 4 where
    # the draw's noise is.
    for found, expected in zip(outputs(runtime), outputs(TensorFlowRuntime(SHIPPED_VERSION, 1)), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_it_returns_stays_when_it_is_called_again(runtime):
    first = runtime.decode(Z)
    kept = first.copy()
    runtime.decode(-Z)
    assert np.array_equal(first, kept)
    assert first.flags.owndata or first.base.flags.owndata


CODES = RNG.standard_normal((12, 36), np.float32)


def test_parameters_are_the_same_in_any_number_of_rows_and_in_many_threads():
    runtime = LiteRTRuntime(FASHION_VERSION, threads=1)
    expected = runtime.with_parameters(CODES, np.copy)
    assert expected.shape == (12, 28, 28, 21)
    for rows in (3, 3, 4, 3, 12):
        assert np.array_equal(runtime.with_parameters(CODES[-rows:], np.copy), expected[-rows:])

    def many_times(k):
        return [runtime.with_parameters(CODES[k : k + 2], np.copy) for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        for k, found in enumerate(pool.map(many_times, range(8))):
            assert all(np.array_equal(each, expected[k : k + 2]) for each in found)


def test_parameters_are_lent_without_a_copy_and_to_one_caller_at_a_time():
    runtime = LiteRTRuntime(FASHION_VERSION, threads=1)
    places = [runtime.with_parameters(CODES[:3], lambda lent: lent.ctypes.data) for _ in range(2)]
    assert places[0] == places[1]

    def use(parameters):
        before = parameters.copy()
        runtime.with_parameters(-CODES[:3], np.copy)  # by another interpreter
        return np.array_equal(parameters, before)

    assert runtime.with_parameters(CODES[:3], use)
    assert runtime._decoders._running == 0


def test_what_fails_with_the_parameters_in_hand_is_raised_and_the_next_call_is_answered():
    runtime = LiteRTRuntime(FASHION_VERSION, threads=1)
    with pytest.raises(ZeroDivisionError):
        runtime.with_parameters(CODES[:3], lambda _: 1 / 0)
    assert runtime.with_parameters(CODES[:3], np.shape) == (3, 28, 28, 21)


def test_a_row_does_not_depend_on_the_others(runtime):
    other = -Z
    other[7] = Z[7]
    assert np.array_equal(runtime.decode(other)[7], runtime.decode(Z)[7])


DIGEST = """
import hashlib, sys, tests.app.runtimes.test_litert as t
runtime = t.LiteRTRuntime(t.SHIPPED_VERSION, threads=int(sys.argv[1]))
print(hashlib.sha256(b"".join(array.tobytes() for array in t.outputs(runtime))).hexdigest())
"""


def test_the_bytes_are_the_same_with_any_number_of_threads_and_in_another_process(runtime):
    here = hashlib.sha256(b"".join(array.tobytes() for array in outputs(runtime))).hexdigest()
    for threads in (1, 2, 3):
        done = subprocess.run(
            [sys.executable, "-c", DIGEST, str(threads)],
            capture_output=True,
            text=True,
            cwd=PROJECT,
            check=True,
        )
        assert done.stdout.split() == [here]


def test_many_threads_at_once_get_each_their_own_rows(runtime):
    codes = [np.float32(Z * scale) for scale in np.linspace(-2, 2, 64)]
    expected = [runtime.decode(z) for z in codes]
    with ThreadPoolExecutor(8) as pool:
        for found, right in zip(pool.map(runtime.decode, codes * 4), expected * 4, strict=True):
            assert np.array_equal(found, right)


@pytest.mark.parametrize("rows", [1, 2, 11, 31, 32, 33])
def test_any_number_of_rows_gives_each_row_the_same_bytes(runtime, rows):
    z, noise = np.tile(Z, (2, 1))[-rows:], np.tile(NOISE, (2, 1, 1))[-rows:]
    assert runtime.rows is None
    assert np.array_equal(runtime.decode(z)[-rows:], np.tile(runtime.decode(Z), (2, 1, 1))[-rows:])
    assert np.array_equal(runtime.draw(z, noise), np.tile(runtime.draw(Z, NOISE), (2, 1, 1))[-rows:])


def test_a_caller_gets_an_interpreter_allocated_for_its_rows_if_one_is_idle():
    interpreters = LiteRTRuntime(SHIPPED_VERSION, threads=1)._decoders
    one, other = interpreters._take("decode", 3, 1), interpreters._take("decode", 5, 1)
    for interpreter, rows in ((one, 3), (other, 5)):
        interpreter.run("decode", rows, {"z": Z[:rows]})
    interpreters._idle[:] = [one, other]
    assert interpreters._take("decode", 5, 1) is other
    interpreters._idle[:] = [other, one]
    assert interpreters._take("decode", 7, 1) is other  # the one that came back first
    assert interpreters._take("decode", 7, 1) is one
    assert interpreters._take("decode", 7, 1) not in (one, other)


@pytest.mark.tensorflow
def test_a_flatbuffer_of_one_number_of_rows_takes_no_other():
    import tensorflow as tf

    class Twice(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((32, 10), tf.float32, name="z")])
        def decode(self, z):
            return {"image": 2 * z}

    twice = Twice()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([twice.decode.get_concrete_function()], twice)
    interpreters = _Interpreters(converter.convert(), ("serving_default",), 1)
    assert interpreters.rows == 32
    assert np.array_equal(interpreters.run("serving_default", z=Z)["image"], 2 * Z)
    for rows in (1, 31, 33):
        with pytest.raises(ValueError, match=f"32 rows. Received: {rows}"):
            interpreters.run("serving_default", z=np.zeros((rows, 10), np.float32))


@pytest.mark.tensorflow
def test_a_version_of_before_log_prob_says_so_and_draws_all_the_same(tmp_path):
    from training.publish import litert

    version = shutil.copytree(SHIPPED_VERSION, tmp_path / "1")
    (version / LITERT_DECODER).write_bytes(litert.convert(SHIPPED_VERSION / "decoder", ["decode", "draw"]))
    runtime = LiteRTRuntime(version, threads=1)
    assert not runtime.scores
    with pytest.raises(ValueError, match="log_prob"):
        runtime.log_prob(Z, IMAGES)
    assert runtime.decode(Z).shape == (32, 28, 28)


@pytest.mark.tensorflow
def test_its_log_probability_is_that_of_tensorflow(runtime):
    from app.runtimes.tensorflow import TensorFlowRuntime

    expected = TensorFlowRuntime(SHIPPED_VERSION, 1).log_prob(Z, IMAGES)
    assert runtime.scores
    # Nats of a pixel, near 1, by the same sums in another order.
    np.testing.assert_allclose(runtime.log_prob(Z, IMAGES), expected, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 7, 8, 21, 32])
@pytest.mark.parametrize("threads", [2, 3])
def test_what_is_decoded_by_more_threads_has_the_same_bytes(runtime, rows, threads):
    assert runtime.widens
    assert runtime.decode_wide(Z[:rows], threads).tobytes() == runtime.decode(Z)[:rows].tobytes()


def threads_of_idle(interpreters):
    return sorted(each.threads for each in interpreters._idle)


def test_an_interpreter_of_more_threads_is_another_one_and_is_let_go_alone():
    runtime = LiteRTRuntime(SHIPPED_VERSION, threads=1)
    interpreters = runtime._decoders
    runtime.decode_wide(Z, 2)
    runtime.decode(Z)
    runtime.decode_wide(-Z, 2)
    assert threads_of_idle(interpreters) == [1, 2]
    runtime.rest_wide()
    assert threads_of_idle(interpreters) == [1]


def test_interpreters_that_a_crowd_or_a_lone_caller_does_not_use_give_way(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("app.runtimes.litert.time.monotonic", lambda: clock[0])
    runtime = LiteRTRuntime(SHIPPED_VERSION, threads=1)
    interpreters = runtime._decoders

    def crowd():
        for each in [interpreters._take("decode", 32, 1) for _ in range(3)]:
            interpreters._put_back(each)

    runtime.decode_wide(Z, 2)
    clock[0] += UNUSED_SECONDS
    crowd()
    assert threads_of_idle(interpreters) == [1, 1, 1, 2]  # not yet
    clock[0] += 1
    runtime.decode(Z)
    assert threads_of_idle(interpreters) == [1, 1, 1, 2]  # nobody else computes: no crowd
    crowd()
    assert threads_of_idle(interpreters) == [1, 1, 1]
    clock[0] += UNUSED_SECONDS + 1
    assert np.array_equal(runtime.decode_wide(Z, 2), runtime.decode(Z))
    assert threads_of_idle(interpreters) == [1, 2]


def test_a_call_that_fails_leaves_neither_its_interpreter_nor_its_count_behind():
    interpreters = LiteRTRuntime(SHIPPED_VERSION, threads=1)._decoders
    with pytest.raises(ValueError, match="nonsense"):
        interpreters.run("decode", nonsense=Z)
    assert interpreters._idle == []
    assert interpreters._running == 0
    assert interpreters.run("decode", z=Z)["image"].shape == (32, 28, 28)


def test_after_a_rest_it_computes_the_same_bytes(runtime):
    before = outputs(runtime)
    runtime.rest()
    assert not runtime._decoders._idle
    for found, expected in zip(outputs(runtime), before, strict=True):
        assert np.array_equal(found, expected)


def test_a_runtime_that_rests_but_stays_ready_keeps_one_interpreter_with_the_usual_threads():
    runtime = LiteRTRuntime(SHIPPED_VERSION, threads=1)
    expected = runtime.decode(Z)
    runtime.decode_wide(Z, 2)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(runtime.decode, [Z] * 40))
    runtime.rest(ready=True)
    (kept,) = runtime._decoders._idle
    assert kept.threads == 1
    assert np.array_equal(runtime.decode(Z), expected)
    assert runtime._decoders._idle == [kept]
    runtime.rest()
    assert runtime._decoders._idle == []
