from app.bench.engine import Load, measure_engine
from app.models import Models
from app.store import scan
from tests.fakes import FakeRuntime


def test_the_engine_is_asked_by_every_client_at_least_once(fake_store, settings):
    runtime = FakeRuntime()
    models = Models(scan(fake_store), lambda folder, threads: runtime, 1)
    model = models.get(models.find("fake"))
    runtime.rows_seen.clear()
    assert measure_engine(model, settings, 2, Load(3, 40), seconds=0) > 0
    assert sum(runtime.rows_seen) >= 3 * 40


def test_an_operators_limits_do_not_stop_a_measurement(model, settings):
    narrow = settings.model_copy(update={"max_images": 1, "max_pixels": 64, "max_waiting_images": 1})
    assert measure_engine(model, narrow, 1, Load(2, 40), seconds=0) > 0
