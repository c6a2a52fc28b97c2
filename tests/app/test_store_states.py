"""Whatever happens to a store's folders, a scan names what is fit, gives a reason for the rest, and never fails."""

import json
import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from app import labels
from app.errors import ModelNotFound, ModelUnavailable, StoreError
from app.store import scan
from tests.fakes import digest_of, record, write_version

pytestmark = pytest.mark.fault(7)

CHANCE = st.randoms(use_true_random=False)


class Stores(RuleBasedStateMachine):
    """Versions of one model are published, copied in part, deleted, changed; labels too."""

    whole = Bundle("whole")
    broken = Bundle("broken")

    @initialize()
    def begin(self):
        self.root = Path(tempfile.mkdtemp())
        self.store = self.root / "store"
        self.store.mkdir()
        self.fit: dict[int, str] = {}  # number -> digest
        self.unfit: set[int] = set()
        self.recorded: dict[int, str] = {}
        self.newest = 0

    def teardown(self):
        shutil.rmtree(self.root, ignore_errors=True)

    def folder(self, number):
        return self.store / "fake" / str(number)

    @rule(target=whole, recorded=st.booleans())
    def publish(self, recorded):
        self.newest += 1
        folder = write_version(self.store, number=self.newest, samples_render="mean", seed=self.newest)
        self.fit[self.newest] = digest_of(folder)
        if recorded:
            self.recorded[self.newest] = record(folder)
        return self.newest

    @rule(target=broken, chance=CHANCE)
    def copy_half(self, chance):
        self.newest += 1
        source = write_version(self.root / str(self.newest), number=self.newest)
        files = sorted(path for path in source.rglob("*") if path.is_file())
        chance.shuffle(files)
        for path in files[: chance.randrange(len(files))]:
            copied = self.folder(self.newest) / path.relative_to(source)
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_bytes(path.read_bytes())
        self.folder(self.newest).mkdir(parents=True, exist_ok=True)
        self.unfit.add(self.newest)
        return self.newest

    @rule(target=whole, number=consumes(broken))
    def copy_the_rest(self, number):
        shutil.rmtree(self.folder(number))
        folder = write_version(self.store, number=number, seed=number)
        self.unfit.discard(number)
        if self.recorded.get(number, digest_of(folder)) == digest_of(folder):
            self.fit[number] = digest_of(folder)
        else:  # of a number that another version was published under
            self.unfit.add(number)
        return number

    @rule(number=consumes(whole))
    def delete(self, number):
        shutil.rmtree(self.folder(number))
        self.fit.pop(number, None)
        self.unfit.discard(number)

    @rule(target=broken, number=consumes(whole), chance=CHANCE)
    def flip(self, number, chance):
        files = sorted(path for path in self.folder(number).rglob("*") if path.is_file())
        path = chance.choice([path for path in files if path.stat().st_size])
        content = bytearray(path.read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        self.fit.pop(number, None)
        self.unfit.add(number)
        return number

    @rule(target=broken, number=consumes(whole), chance=CHANCE)
    def link(self, number, chance):
        path = chance.choice(sorted(path for path in self.folder(number).rglob("*") if path.is_file()))
        path.rename(self.root / "outside")
        path.symlink_to(self.root / "outside")
        self.fit.pop(number, None)
        self.unfit.add(number)
        return number

    @rule(number=st.integers(1, 9), content=st.none() | st.binary(max_size=40))
    def label(self, number, content):
        (self.store / "fake").mkdir(exist_ok=True)
        if content is None:
            labels.write(self.store / "fake", labels.Labels(stable=number))
        else:
            (self.store / "fake" / labels.LABELS).write_bytes(content)

    @rule(content=st.binary(max_size=60) | st.just(b'{"model": "fake", "version": 1}\n'))
    def add_to_the_record(self, content):
        with (self.store / "published.jsonl").open("ab") as file:
            file.write(b"\n" + content + b"\n")

    @rule(name=st.sampled_from(["x", "0", "01", "-1", "1.5", ".publishing-1", "labels.json-1", "9" * 12]))
    def litter(self, name):
        path = self.store / "fake" / name
        path.mkdir(parents=True, exist_ok=True)
        (path / "manifest.json").write_text(random.choice(["{", "[]", json.dumps({"name": "fake"})]))  # noqa: S311

    @invariant()
    def a_scan_serves_what_is_fit_and_nothing_else(self):
        if not hasattr(self, "store"):
            return
        if not self.fit:
            with pytest.raises(StoreError, match="no model that can be served"):
                scan(self.store)
            return
        found = scan(self.store)
        assert {each.number: each.manifest.digest for each in found.all} == self.fit
        assert found.rejected.keys() == {f"fake/{number}" for number in self.unfit}
        assert all(reason and reason.isascii() for reason in found.rejected.values())
        assert found.find("fake").number == max(self.fit)
        for number in range(1, self.newest + 1):
            if number in self.fit:
                assert found.find(f"fake@{number}").number == number
            else:
                with pytest.raises((ModelNotFound, ModelUnavailable)):
                    found.find(f"fake@{number}")


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
