import gc

import pytest

from app import memory


class Cycle:
    """An object that only a collection can free."""

    def __init__(self, freed):
        self.freed, self.self = freed, self

    def __del__(self):
        self.freed.append(True)


def test_collections_are_held_until_the_start_is_over_and_then_go_on():
    freed = []
    try:
        with memory.collections_held():
            assert not gc.isenabled()
            Cycle(freed)
            assert freed == []
            memory.settle()
            assert gc.isenabled()
            assert freed == [True]
    finally:
        gc.unfreeze()


def test_collections_go_on_where_a_start_fails():
    with pytest.raises(OSError, match="taken"), memory.collections_held():
        raise OSError("taken")
    assert gc.isenabled()


def test_what_remains_is_left_out_of_later_collections():
    kept = [{} for _ in range(100)]
    try:
        memory.settle()
        assert gc.get_freeze_count() > len(kept)
        assert not any(each is kept for each in gc.get_objects())
    finally:
        gc.unfreeze()
    assert any(each is kept for each in gc.get_objects())


def test_memory_is_given_back_when_the_start_is_over(monkeypatch):
    calls = []
    monkeypatch.setattr(memory, "give_back", lambda: calls.append(1))
    try:
        memory.settle()
    finally:
        gc.unfreeze()
    assert calls == [1]
