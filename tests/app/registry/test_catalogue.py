"""What a store's versions are."""

from pathlib import Path

from app import store
from app.labels import Labels
from app.registry import catalogue
from tests.fakes import CARD, write_version


def test_a_bare_name_means_the_stable_version_or_the_newest_that_can_be_served(tmp_path: Path) -> None:
    for number in (1, 2):
        write_version(tmp_path, number=number)
    found = store.scan(tmp_path)
    assert catalogue.stable_number(found, "fake", Labels()) == 2
    assert catalogue.stable_number(found, "fake", Labels(stable=1)) == 1
    assert catalogue.stable_number(found, "fake", Labels(stable=9)) == 2
    assert catalogue.stable_number(found, "other", Labels()) is None
    assert catalogue.newest_or_named(found, "fake").number == 2
    assert catalogue.newest_or_named(found, "fake@1").number == 1


def test_labels_are_said_in_words() -> None:
    known = Labels(stable=3, canary=4, canary_share=0.25, previous=(2, 1))
    said = {number: catalogue.said_of(number, known) for number in (1, 2, 3, 4)}
    assert said == {1: [], 2: ["previous"], 3: ["stable"], 4: ["canary 25%"]}


def test_labels_that_cannot_be_used_are_none_and_a_reason(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text("[]")
    known, reason = catalogue.labels_of(tmp_path)
    assert known == Labels()
    assert reason.startswith(str(tmp_path / "labels.json"))


def test_details_add_up(tmp_path: Path) -> None:
    folder = write_version(tmp_path, card=CARD, training={"data": {"name": "squares"}})
    details = catalogue.details_of(store.scan(tmp_path).find("fake@1"), "auto", Labels())
    on_disk = [path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json"]
    assert details["files"] == len(on_disk)
    assert details["bytes"] == sum(path.stat().st_size for path in on_disk)
    assert sum(details["bytes_by_part"].values()) == details["bytes"]
    assert details["bytes_by_part"]["decoder"] == len(b"decoder")
    assert details["card"] == str(folder / "card.md")
    assert details["data"] == {"name": "squares"}
    assert details["likelihood"] == {"name": "gaussian", "parameters": {"variance": 0.01}}
