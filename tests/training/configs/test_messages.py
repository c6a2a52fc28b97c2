import pytest

from tests.tiny import TINY
from training.configs.messages import require
from training.configs.schema import from_dict
from training.errors import ConfigError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"netwrk": {}}, "unknown key 'netwrk'; did you mean 'network'?"),
        ({"zzz": 3}, "unknown key 'zzz'; known here: name, seed, data, network"),
        (
            {"latent_dim": 3},
            "unknown key 'latent_dim'; it is network.latent_dim: write 'latent_dim' under [network]",
        ),
        ({"network": "dense"}, "network: expected a section, not a value. Received: 'dense'"),
        ({"prior": 3}, "prior: expected a section, not a value. Received: 3"),
        ({"network": {"latent_dim": 2}}, "missing key: network.kind"),
    ],
)
def test_a_key_out_of_its_section_is_named_with_where_it_belongs(changes, message):
    with pytest.raises(ConfigError) as caught:
        from_dict(TINY | changes)
    assert message in str(caught.value)


def test_missing_keys_and_sections_are_all_named():
    table = {key: value for key, value in TINY.items() if key not in ("seed", "objective")}
    network = {key: value for key, value in TINY["network"].items() if key != "latent_dim"}
    with pytest.raises(ConfigError, match=r"^missing keys: seed, network\.latent_dim, objective$"):
        from_dict(table | {"network": network})


def test_an_unknown_key_is_named_before_anything_else():
    with pytest.raises(
        ConfigError, match=r"^unknown key 'optimizer\.epoch'; did you mean 'optimizer\.epochs'\?$"
    ):
        from_dict({"optimizer": {"epoch": 3, "name": 4}})


def test_what_holds_is_not_refused():
    require(True, "seed", "a number", 1)
    with pytest.raises(ConfigError, match=r"^seed: expected a number\. Received: 'one'$"):
        require(False, "seed", "a number", "one")
