from app.bench.subject import memory_of
from tests.fakes import open_fake


def test_the_memory_of_a_model_that_cannot_be_opened_is_not_known(settings):
    def broken(folder, threads):
        raise ValueError

    assert memory_of(settings, "fake", open_fake) >= 0
    assert memory_of(settings, "fake", broken) is None
