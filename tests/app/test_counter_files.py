import os

import pytest
from prometheus_client.mmap_dict import MmapedDict

from app import counter_files
from app.counter_files import CounterFile
from app.metrics import FILES, Metrics


def read(path):
    return {key: value for key, value, _, _ in MmapedDict.read_all_values_from_file(path)}


def write(file, number):
    key = f"value {number}" + "x" * 1000
    file.read_value(key)  # as the library does before the first write
    file.write_value(key, float(number), 0.0)
    return key


def test_a_file_grows_and_keeps_every_value(tmp_path):
    file = CounterFile(tmp_path / "counter_1.db")
    before = os.stat(tmp_path / "counter_1.db").st_size  # noqa: PTH116
    written = {write(file, number): float(number) for number in range(200)}
    assert (tmp_path / "counter_1.db").stat().st_size > before
    assert (tmp_path / "counter_1.db").stat().st_blocks * 512 >= before  # space, not a hole
    file.close()
    assert read(tmp_path / "counter_1.db") == written


@pytest.mark.fault(16)
def test_on_a_full_disk_a_file_keeps_what_it_has_and_further_values_harm_nobody(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    file = CounterFile(tmp_path / "counter_1.db")
    size = (tmp_path / "counter_1.db").stat().st_size
    written = {write(file, number): float(number) for number in range(200)}
    assert (tmp_path / "counter_1.db").stat().st_size == size
    file.close()
    found = read(tmp_path / "counter_1.db")
    assert 50 < len(found) < 200
    assert found.items() <= written.items()


def test_where_the_system_reserves_nothing_a_file_grows_all_the_same(tmp_path, monkeypatch):
    monkeypatch.delattr("os.posix_fallocate")
    assert counter_files._reserve(0, 1)


@pytest.fixture
def together(monkeypatch):
    from prometheus_client import values

    monkeypatch.setattr(values, "MmapedDict", values.MmapedDict)
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")


def test_every_kind_of_file_that_the_service_counts_in_is_reserved_at_its_start(together, tmp_path):
    Metrics(together=True, folder=tmp_path)
    found = {path.stem.rpartition("_")[0] for path in tmp_path.iterdir()}
    assert found == set(FILES)
