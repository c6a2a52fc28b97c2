"""The former form of a configuration, whose keys stood in no sections, as the present one.

Published versions and runs that were made before have it in their files.
"""

from typing import Any

# Former keys by their present section, with the present name where it is another.
_BY_SECTION = {
    "data": "data=name image_size=size image_channels=channels",
    "network": (
        "network=kind latent_dim encoder_units decoder_units channels residual_blocks spatial_channels"
    ),
    "likelihood": "likelihood=name likelihood_variance=variance likelihood_components=components",
    "objective": "objective=name k beta kl_warmup_epochs free_bits mean_weight",
    "objective.final_phase": "tail_objective=name tail_epochs=epochs",
    "prior": "vamp_components prior_components=components",
    "optimizer": (
        "optimizer=name learning_rate learning_rate_schedule=schedule ema_momentum epochs batch_size keep"
    ),
    "traversal": "axis_order walk_axis=axis walk_low=low walk_high=high walk_steps=steps",
}
# Former key: present one.
FORMER = {
    former: f"{section}.{present or former}"
    for section, keys in _BY_SECTION.items()
    for former, _, present in (key.partition("=") for key in keys.split())
}
# Values that said of a key that it does not apply, in files that list every key.
_ABSENT: list[tuple[object, str]] = [
    (0, "residual_blocks spatial_channels kl_warmup_epochs free_bits mean_weight"),
    (0, "tail_epochs vamp_components"),
    (1, "likelihood_components k beta"),
    ([], "image_size channels prior_components"),
    ("", "tail_objective"),
]
ABSENT = {key: value for value, keys in _ABSENT for key in keys.split()}
# Former keys that no longer exist, and why.
GONE = dict.fromkeys(("prior_flow_layers", "prior_flow_units"), "normalizing flows are no longer fitted")
GONE |= {"precision": "networks are trained in float32 alone"}


def is_flat(table: dict[str, Any]) -> bool:
    """Say whether a configuration has the former form."""
    return any(key in FORMER for key in table) and not any(isinstance(each, dict) for each in table.values())


def in_sections(table: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration of the former form in the present one; keys that no form knows stay as they are.

    Left out are keys at values that meant "does not apply", and those in ``GONE``.
    """
    given = {"network": "dense"} | table
    sections: dict[str, dict[str, Any]] = {section: {} for section in _BY_SECTION}
    top: dict[str, Any] = {}
    for key, value in given.items():
        if value is None or key in GONE or (key in ABSENT and value == ABSENT[key]):
            continue
        if key not in FORMER:
            top[key] = value
            continue
        section, _, name = FORMER[key].rpartition(".")
        if key == "k" and given.get("tail_objective"):
            section = "objective.final_phase"
        sections[section][name] = value
    if phase := sections.pop("objective.final_phase"):
        sections["objective"]["final_phase"] = phase
    return top | {name: section for name, section in sections.items() if section}
