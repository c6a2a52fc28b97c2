import re
from urllib.parse import parse_qs, urlsplit

import numpy as np

from benchmarks import addresses
from tests.conftest import FASHION

MODELS = {"first@2": (), "second@1": ("Bag", "Coat")}


def drawn(count=4000, others=0.25, seed=1, **sizes):
    return addresses.targets(count, MODELS, np.random.default_rng(seed), others, **sizes)


def test_the_same_generator_draws_the_same_addresses():
    assert drawn() == drawn()
    assert drawn() != drawn(seed=2)


def test_addresses_are_mixed_and_small_pictures_are_more_frequent():
    queries = [parse_qs(urlsplit(target).query) for target in drawn()]
    sizes = [int(query["n"][0]) for query in queries]
    assert set(sizes) <= set(range(1, 65))
    # P(n <= 8) is H(8) / H(64) = 0.573; the standard error of 4000 draws is 0.008.
    assert 0.54 < np.mean(np.array(sizes) <= 8) < 0.61
    second = [query for query in queries if query["model"] == ["second@1"]]
    assert 0.22 < len(second) / len(queries) < 0.28  # 0.25, standard error 0.007
    assert {query["render"][0] for query in queries} == {"mean", "draw"}
    assert {query["label"][0] for query in second if "label" in query} == {"0", "1"}
    assert all("label" not in query for query in queries if query["model"] == ["first@2"])


def test_large_pictures_are_as_rare_as_is_wanted():
    sizes = np.array([int(re.search(r"n=(\d+)", target)[1]) for target in drawn(most=400, falls=1.5)])
    # Of n ** -1.5 up to 400, 40 % is at 1 and 6 % is beyond 64; the standard errors are 0.8 and 0.4 %.
    assert 0.37 < np.mean(sizes == 1) < 0.43
    assert 0.045 < np.mean(sizes > 64) < 0.075
    assert 300 < sizes.max() <= 400


def test_no_two_addresses_are_the_same_picture():
    seeds = re.findall(r"seed=(\d+)", " ".join(drawn()))
    assert len(set(seeds)) == 4000


def test_classes_are_those_of_the_manifest():
    assert addresses.classes("fashion-dense@7") == ()
    assert "Bag" in addresses.classes(FASHION)
