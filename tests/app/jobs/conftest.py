from tests.app.rendering.conftest import job, maker

__all__ = ["job", "maker"]
