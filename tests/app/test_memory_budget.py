from app.memory_budget import MemoryBudget

TAKEN = {"a@1": 40, "b@1": 30, "c@1": 30, "d@1": 20}


def test_models_give_way_that_were_asked_for_least_recently_and_no_more_than_need_to():
    budget = MemoryBudget(100)
    for reference in ("c@1", "a@1", "b@1"):
        budget.touch(reference)
    assert budget.to_unload(TAKEN, kept=["b@1"]) == ["d@1"]  # nobody ever asked for it
    assert MemoryBudget(120).to_unload(TAKEN, kept=[]) == []
    budget = MemoryBudget(60)
    for reference in ("d@1", "c@1", "a@1", "b@1"):
        budget.touch(reference)
    assert budget.to_unload(TAKEN, kept=["b@1"]) == ["d@1", "c@1", "a@1"]


def test_what_is_kept_stays_even_if_it_takes_too_much_alone():
    assert MemoryBudget(10).to_unload({"a@1": 40, "b@1": 30}, kept=["a@1"]) == ["b@1"]


def test_what_fits_beside_those_that_are_open():
    budget = MemoryBudget(130)
    assert budget.fits(TAKEN, 10)
    assert not budget.fits(TAKEN, 11)
