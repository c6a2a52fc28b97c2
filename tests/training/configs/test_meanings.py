from tests.tiny import TINY
from training.configs.meanings import meanings_of
from training.configs.schema import from_dict


def test_an_experiment_is_told_in_sentences_with_its_final_phase_last():
    phase = {"name": "iwae", "epochs": 2, "k": 8}
    objective = {"name": "elbo", "beta": 2.0, "kl_warmup_epochs": 1, "final_phase": phase}
    config = from_dict(TINY).replaced({"objective": objective, "optimizer.epochs": 4})
    assert list(meanings_of(config)) == [
        "p(x given z): gaussian",
        "its standard deviation is 0.707 per pixel.",
        "beta, the weight of KL in training, is 2, reached after 1 epoch.",
        "The loss is the negative ELBO in nats per image, KL weighed by beta.",
        "The last 2 epochs minimise another: The loss is -L_k in nats per image, k = 8.",
    ]
