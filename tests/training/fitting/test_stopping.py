from training.fitting.stopping import best_epoch, has_ended

BOUND, PICTURES = [9.0, 7.0, 8.0, 8.5], [0.4, 0.3, 0.2, 0.25]
HISTORY = {"val_loss": BOUND, "val_mse": PICTURES}


def config_of(tiny_config, **optimizer):
    section = {"epochs": 10, **optimizer}
    return tiny_config.replaced({f"optimizer.{key}": value for key, value in section.items()})


def test_the_best_epoch_is_that_of_the_measure_which_the_configuration_names(tiny_config):
    assert best_epoch(config_of(tiny_config, keep="best"), HISTORY) == 2
    assert best_epoch(config_of(tiny_config, keep="pictures"), HISTORY) == 3
    assert best_epoch(config_of(tiny_config, keep="last"), HISTORY) == 2  # best.npz has it all the same


def test_training_ends_early_once_neither_measure_improves(tiny_config):
    """The bound was best after epoch 2, the pictures after epoch 3: the later one counts."""
    assert not has_ended(config_of(tiny_config, patience=2), HISTORY)
    assert has_ended(config_of(tiny_config, patience=1), HISTORY)
    only_bound = {"val_loss": BOUND}  # of a run that an earlier release began
    assert has_ended(config_of(tiny_config, patience=2), only_bound)


def test_training_ends_at_its_last_epoch_and_without_patience_only_there(tiny_config):
    assert has_ended(config_of(tiny_config, epochs=4), HISTORY)
    assert not has_ended(config_of(tiny_config, epochs=5), HISTORY)
    assert not has_ended(config_of(tiny_config, patience=1), {})


def test_epochs_before_the_full_weight_of_kl_are_no_reason_to_end(tiny_config):
    warmed = config_of(tiny_config, patience=1).replaced(
        {"objective": {"name": "elbo", "kl_warmup_epochs": 4}}
    )
    assert not has_ended(warmed, HISTORY)
