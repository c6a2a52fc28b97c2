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
    "objective": (
        "objective=name k beta kl_warmup_epochs free_bits mean_weight "
        "tail_objective=final_phase.name tail_epochs=final_phase.epochs"
    ),
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
ABSENT = {
    "image_size": [],
    "channels": [],
    "residual_blocks": 0,
    "spatial_channels": 0,
    "likelihood_components": 1,
    "k": 1,
    "beta": 1.0,
    "kl_warmup_epochs": 0,
    "free_bits": 0.0,
    "mean_weight": 0.0,
    "tail_objective": "",
    "tail_epochs": 0,
    "vamp_components": 0,
    "prior_components": [],
}
# Former keys that no longer exist, and why.
GONE = dict.fromkeys(("prior_flow_layers", "prior_flow_units"), "normalizing flows are no longer fitted")
GONE |= {"precision": "networks are trained in float32 alone"}


def is_flat(table: dict[str, Any]) -> bool:
    """Say whether a configuration has the former form."""
    return any(key in FORMER for key in table) and not any(isinstance(each, dict) for each in table.values())


def in_sections(table: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration of the former form in the present one; keys that no form knows stay as they are.

    What is left out is what says nothing: keys at values that meant "does not apply", and those in ``GONE``.
    """
    order = ("data", "network", "likelihood", "objective", "prior", "optimizer", "traversal")
    resolved: dict[str, Any] = {section: {} for section in order}
    given = {"network": "dense"} | table
    top: dict[str, Any] = {}
    for key, value in given.items():
        if value is None or key in GONE or (key in ABSENT and value == ABSENT[key]):
            continue
        dotted = FORMER.get(key)
        if key == "k" and given.get("tail_objective"):
            dotted = "objective.final_phase.k"
        if dotted is None:
            top[key] = value
            continue
        *path, last = dotted.split(".")
        section = resolved
        for part in path:
            section = section.setdefault(part, {})
        section[last] = value
    return top | {name: section for name, section in resolved.items() if section}
