import contextlib
import importlib
import importlib.util
import os
import subprocess
import sys

import pytest

from tests.conftest import PROJECT
from training.quiet import UNUSED_BY_KERAS, without_announcements, without_unused

ANNOUNCED = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795840026.868488    3005 port.cc:153] oneDNN custom operations are on.
W0000 00:00:1795840026.868488    3005 cuda.cc:1] no device
2026-11-28 04:27:06.868488: I tensorflow/core/platform/cpu_feature_guard.cc:210] This TensorFlow binary is
To enable the following instructions: AVX2 FMA, rebuild TensorFlow with the appropriate compiler flags.
"""
ERRORS = """\
E0000 00:00:1795840026.868488    3005 cuda.cc:1] cannot be loaded
2026-11-28 04:27:06.868488: E tensorflow/core/platform/x.cc:1] failed
/lib/libstdc++.so.6: version GLIBCXX_3.4.30 not found
"""


def test_announcements_are_left_out_and_errors_passed_on(capfd):
    with without_announcements():
        os.write(2, (ANNOUNCED + ERRORS).encode())
    assert capfd.readouterr().err == ERRORS


def test_what_was_written_before_an_exception_is_passed_on(capfd):
    with contextlib.suppress(ImportError), without_announcements():
        os.write(2, (ANNOUNCED + ERRORS).encode())
        raise ImportError
    assert capfd.readouterr().err == ERRORS


def run(code, **environment):
    words = [sys.executable, "-c", code]
    return subprocess.run(
        words, env=os.environ | environment, capture_output=True, text=True, cwd=PROJECT, check=False
    )


def test_without_standard_error_or_a_temporary_folder_the_import_goes_on():
    code = (
        "import os; from training import quiet\n{}\nwith quiet.without_announcements(): print('imported')\n"
    )
    for fault in ("os.close(2)", "quiet.tempfile.tempdir = '/nowhere'"):
        assert run(code.format(fault)).stdout == "imported\n"


UNUSED = f"[name for name in {UNUSED_BY_KERAS} if name in sys.modules]"


@pytest.mark.tensorflow
def test_tensorflow_and_keras_are_the_same_modules_as_without_and_import_nothing_for_others():
    code = (
        "import training, sys, tensorflow as tf, keras;"
        "print(type(tf.__loader__).__name__, tf.__spec__.loader is tf.__loader__);"
        f"print(type(keras.__loader__).__name__, keras.__spec__.loader is keras.__loader__, {UNUSED});"
        "import sklearn.metrics, matplotlib.pyplot; print('imported')"
    )
    done = run(code, TF_CPP_MIN_LOG_LEVEL="2")
    assert done.stdout == "SourceFileLoader True\nSourceFileLoader True []\nimported\n", done.stderr
    assert done.stderr == ""


@pytest.mark.tensorflow
def test_tensorflow_announces_if_it_is_asked_to():
    code = (
        "import training, tensorflow as tf;"
        "print(type(tf.__loader__).__name__, tf.__spec__.loader is tf.__loader__)"
    )
    loud = run(code, TF_CPP_MIN_LOG_LEVEL="0")
    assert loud.stdout == "SourceFileLoader True\n"
    assert loud.stderr != ""


@pytest.mark.tensorflow
def test_who_asks_only_whether_there_is_a_module_does_not_make_its_import_loud():
    code = (
        "import training, importlib.util, sys; before = len(sys.meta_path);"
        "assert importlib.util.find_spec('tensorflow') and importlib.util.find_spec('keras');"
        f"assert len(sys.meta_path) == before; import keras, tensorflow; print(tensorflow.__name__, {UNUSED})"
    )
    done = run(code, TF_CPP_MIN_LOG_LEVEL="2")
    assert (done.stdout, done.stderr) == ("tensorflow []\n", "")


def test_what_is_hidden_is_not_found_meanwhile_and_found_after_it_and_what_is_imported_already_stays(
    monkeypatch,
):
    already, hidden = "sklearn", "matplotlib.pyplot"
    assert {already, hidden} == set(UNUSED_BY_KERAS)
    monkeypatch.setitem(sys.modules, already, contextlib)
    monkeypatch.delitem(sys.modules, hidden, raising=False)
    with without_unused():
        assert importlib.import_module(already) is contextlib
        with pytest.raises(ImportError):
            importlib.import_module(hidden)
    assert importlib.util.find_spec("matplotlib.pyplot") is not None
    assert sys.modules[already] is contextlib
    assert hidden not in sys.modules
