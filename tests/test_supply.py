"""What serving installs, as a bill of materials: every pinned package, with its hashes."""

import json
import re
import shutil
import subprocess

import pytest

from tests.conftest import PROJECT, skip

PINNED = re.findall(
    r"^([a-z0-9._-]+)==([^ ;]+)", (PROJECT / "requirements" / "serve.txt").read_text(), re.MULTILINE
)


@pytest.fixture
def bill(tmp_path):
    """The bill of materials that ``make sbom`` writes, made in a copy of what it reads."""
    tools = PROJECT / ".environments" / "supply"
    if not (tools / "installed").exists():
        skip("the tools are not installed: make sbom")
    (tmp_path / "requirements").mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements/serve.txt", "requirements/supply.txt"):
        shutil.copy(PROJECT / name, tmp_path / name)

    def make():
        command = ("make", f"--old-file={tools}/installed", f"SUPPLY={tools}", "sbom")
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        return (tmp_path / "dist" / "vitrine.cdx.json").read_bytes()

    return make


def test_every_pinned_package_is_on_the_bill_with_its_hashes(bill):
    written = json.loads(bill())
    assert (written["bomFormat"], written["metadata"]["component"]["name"]) == ("CycloneDX", "vitrine-vae")
    packages = {(each["name"], each["version"]): each for each in written["components"]}
    assert set(packages) == set(PINNED)
    for each in packages.values():
        hashes = [
            digest for reference in each["externalReferences"] for digest in reference.get("hashes", ())
        ]
        assert hashes, each["name"]
        assert {digest["alg"] for digest in hashes} == {"SHA-256"}
        assert each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}"


def test_the_same_pins_give_the_same_bill(bill):
    assert bill() == bill()


def test_every_pin_has_a_hash():
    for name in ("serve", "train", "dev", "npm", "native", "supply"):
        text = (PROJECT / "requirements" / f"{name}.txt").read_text()
        for block in re.split(r"\n(?=[a-z0-9])", text):
            if re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==", block):
                assert "--hash=sha256:" in block, block.splitlines()[0]


def test_the_base_of_the_image_can_be_pinned_by_its_digest():
    lines = (PROJECT / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("FROM")] == ["FROM ${BASE} AS builder", "FROM ${BASE}"]
    assert any(line.startswith("ARG BASE=") for line in lines)
