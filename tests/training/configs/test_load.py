import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.tiny import TINY
from tests.training.configs.test_flat import FORMER, PRESENT
from training.configs import load
from training.errors import ConfigError

CONFIGS = sorted(Path(load.__file__).parent.glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_experiment_loads_and_is_named_like_its_file(path):
    assert load.load(path).name == path.stem


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_experiment_begins_with_its_command_and_what_to_expect(path):
    header = [line for line in path.read_text().splitlines() if line.startswith("#")][:10]
    assert any(f"vitrine-train fit training/configs/{path.name}" in line for line in header)
    assert any("minutes" in line for line in header)
    assert any("val_loss" in line for line in header)


def test_the_reference_model_is_the_textbooks():
    dense = load.load(next(path for path in CONFIGS if path.stem == "fashion-dense"))
    network, optimizer = dense.network, dense.optimizer
    assert (network.encoder_units, network.latent_dim, network.decoder_units) == ((150, 100), 10, (100, 150))
    assert (optimizer.name, optimizer.learning_rate) == ("nadam", 0.001)
    assert (optimizer.epochs, optimizer.batch_size, dense.seed) == (25, 128, 42)
    assert (dense.objective.name, dense.likelihood.parameters) == ("textbook", {"variance": 0.5})


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_an_experiment_written_as_toml_reads_back_as_itself(path, tmp_path):
    (tmp_path / "again.toml").write_text(load.to_toml(load.load(path).as_dict()))
    assert load.load(tmp_path / "again.toml") == load.load(path)


@pytest.mark.parametrize("content", [None, b"name = ", b'name = "\xff"'])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "odd.toml"
    if content:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"odd\.toml"):
        load.load(path)


def test_a_refusal_names_the_file_and_the_key(tmp_path):
    path = tmp_path / "odd.toml"
    path.write_text(load.to_toml(TINY).replace("latent_dim", "latentdim"))
    with pytest.raises(ConfigError) as caught:
        load.load(path)
    assert str(caught.value) == (
        f"{path}: unknown key 'network.latentdim'; did you mean 'network.latent_dim'?"
    )


def test_a_file_without_sections_is_shown_in_the_present_form(tmp_path):
    (tmp_path / "old.toml").write_text(FORMER)
    with pytest.raises(ConfigError) as caught:
        load.load(tmp_path / "old.toml")
    before, _, shown = str(caught.value).partition("\n\n")
    assert before == f"{tmp_path / 'old.toml'}: keys stand in sections now. Its content in this form:"
    assert shown.splitlines()[:2] == ['name = "old"', "seed = 1"]
    assert tomllib.loads(shown) == tomllib.loads(PRESENT)
    (tmp_path / "new.toml").write_text(shown)
    assert load.load(tmp_path / "new.toml").traversal.axis == 3


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("prior_flow_layers = 4", "without prior_flow_layers, as normalizing flows are no longer fitted"),
        ('precision = "bfloat16"', "without precision, as networks are trained in float32 alone"),
    ],
)
def test_a_former_file_with_a_key_that_is_gone_says_so(tmp_path, line, why):
    (tmp_path / "old.toml").write_text(f"{FORMER}{line}\n")
    with pytest.raises(ConfigError, match=why):
        load.load(tmp_path / "old.toml")


def test_a_file_that_gives_no_name_has_its_own(tmp_path):
    own = (PROJECT / "training" / "configs" / "images.toml").read_text()
    assert "\nname" not in own.partition("[data]")[0]  # so that every copy has a name of its own
    (tmp_path / "pets.toml").write_text(own)
    assert load.load(tmp_path / "pets.toml").name == "pets"
    (tmp_path / "pets.toml").write_text(f'name = "cats"\n{own}')
    assert load.load(tmp_path / "pets.toml").name == "cats"
    (tmp_path / "My pets.toml").write_text(own)
    with pytest.raises(ConfigError, match=r"name: expected .* the file is called so.*Received: 'My pets'"):
        load.load(tmp_path / "My pets.toml")


def test_a_configuration_is_checked_without_tensorflow():
    code = (
        f"import sys; from pathlib import Path; from training.configs.load import load\n"
        f"load(Path({str(CONFIGS[0])!r}))\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
