"""No copy that is half, and no byte that is another, is ever served; the version before is."""

import json
import os
import random
import shutil

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.store import scan
from tests.conftest import FASHION_VERSION
from tests.fakes import CARD, MAP, MIXTURE, write_version
from tests.flips import CHANGES, SHIPPED, Copy, copy_of, half_copies, main, missed


@pytest.fixture
def tiny(tmp_path):
    """Version 2 of a model with every kind of file; version 1 is a plain one."""
    write_version(tmp_path / "store", number=1)
    folder = write_version(tmp_path / "store", number=2, mixture=MIXTURE, card=CARD, mapped=MAP)
    return Copy(folder)


@pytest.mark.fault(7)
def test_a_version_with_any_single_byte_flipped_is_not_served_and_the_version_before_is(tiny):
    assert missed(tiny, 300) == []
    assert scan(tiny.store).find("fake").number == 2  # every byte is as it was


@pytest.mark.fault(7)
def test_every_byte_of_a_manifest_counts(tmp_path):
    write_version(tmp_path, number=1)
    manifest = write_version(tmp_path, number=2) / "manifest.json"
    content = manifest.read_bytes()
    for position, byte in enumerate(content):
        # A space for a line feed and the reverse, an upper-case e: what readers of JSON take for the same.
        other = byte ^ (42 if byte in b" \n" else 32)
        manifest.write_bytes(content[:position] + bytes([other]) + content[position + 1 :])
        found = scan(tmp_path)
        assert found.find("fake").number == 1, (position, other)
        assert found.rejected["fake/2"].startswith("manifest.json: ")
        assert found.rejected["fake/2"].isascii()


@pytest.mark.parametrize(
    "other",
    [
        lambda text: text.replace('"latent_dim": 2', '"latent_dim": 2.0'),
        lambda text: text.replace('"name"', '"\\u006eame"', 1),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n",
        lambda text: text.replace('"walk"', '"digest": "x", "walk"'),
    ],
    ids=[
        "a number written otherwise",
        "an escape",
        "other line ends",
        "no end",
        "a line more",
        "a key twice",
    ],
)
def test_the_same_manifest_in_another_form_is_refused(tiny, other):
    manifest = tiny.folder / "manifest.json"
    before = manifest.read_bytes()
    manifest.write_bytes(other(before.decode()).encode())
    assert manifest.read_bytes() != before
    assert not tiny.served()


@pytest.mark.fault(7)
@pytest.mark.bad_input(28)
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_file_that_is_removed_added_linked_or_no_file_has_the_version_refused(tmp_path, change):
    whole = write_version(tmp_path / "whole" / "store", number=2, card=CARD)
    names = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    for index, name in enumerate(names):
        copy = copy_of(whole, tmp_path / str(index) / "store")
        change(copy.folder, copy.folder / name)
        assert not copy.served(), name


@pytest.mark.fault(7)
def test_a_flipped_byte_of_a_real_version_is_found(tmp_path):
    copy = copy_of(FASHION_VERSION, tmp_path)
    assert copy.served()
    assert missed(copy, 100) == []


@pytest.mark.fault(8)
def test_every_byte_prefix_of_a_copy_is_never_served_and_the_version_before_is(tmp_path):
    whole = write_version(tmp_path / "whole", number=2)
    write_version(tmp_path / "store", number=1)
    target = tmp_path / "store" / "fake" / "2"
    order = sorted(path for path in whole.rglob("*") if path.is_file())
    random.Random(1).shuffle(order)  # noqa: S311
    steps = 0
    for step in half_copies(whole, target, order, lambda size: list(range(size + 1))):
        found = scan(tmp_path / "store")
        assert found.find("fake").number == 1, step
        assert found.rejected["fake/2"], step
        steps += 1
    assert steps > sum(path.stat().st_size for path in order)
    assert scan(tmp_path / "store").find("fake").number == 2


@pytest.mark.fault(8)
@hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None
)
@given(data=st.data())
def test_no_half_copy_in_any_order_is_served(tmp_path, data):
    for folder in ("whole", "store"):
        shutil.rmtree(tmp_path / folder, ignore_errors=True)
    whole = write_version(tmp_path / "whole", number=2, mixture=MIXTURE, card=CARD, mapped=MAP)
    write_version(tmp_path / "store", number=1)
    order = data.draw(st.permutations(sorted(path for path in whole.rglob("*") if path.is_file())))

    def sizes(size):
        return sorted({0, size, *data.draw(st.lists(st.integers(0, size), max_size=2))})

    for step in half_copies(whole, tmp_path / "store" / "fake" / "2", order, sizes):
        assert scan(tmp_path / "store").find("fake").number == 1, step
    assert scan(tmp_path / "store").find("fake").number == 2


@pytest.mark.fault(8)
def test_a_copy_under_a_hidden_name_as_publishers_use_is_invisible(tmp_path):
    write_version(tmp_path, number=1)
    whole = write_version(tmp_path / "elsewhere", number=2)
    hidden = shutil.copytree(whole, tmp_path / "fake" / ".publishing-x")
    assert scan(tmp_path).rejected == {}
    os.rename(hidden, tmp_path / "fake" / "2")  # noqa: PTH104
    assert scan(tmp_path).find("fake").number == 2


def test_the_command_says_what_it_takes_and_refuses_what_is_no_number(capsys):
    for words, code in ((["--help"], 0), (["--count", "many"], 2)):
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code == code
    said = capsys.readouterr()
    assert "bytes of each version" in said.out
    assert "invalid int value: 'many'" in said.err


def test_the_command_writes_what_it_found_as_the_table_of_long_runs_takes_it_up(tmp_path, capsys):
    assert main(["--count", "2", "--out", str(tmp_path / "flips.json")]) == 0
    told = json.loads((tmp_path / "flips.json").read_text())
    assert told["command"] == "python -m tests.flips --count 2"
    assert told["figures"]["bytes flipped of each version"] == 2
    served = {name: times for name, times in told["figures"].items() if name.endswith("it was served")}
    assert len(served) == len(list(SHIPPED.glob("*/*/manifest.json")))
    assert set(served.values()) == {0}
