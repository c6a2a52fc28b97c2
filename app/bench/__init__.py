"""How fast this machine is: a picture's parts, a request's stages, the runtimes, the engine by threads."""

from app.bench.apart import memory_of
from app.bench.loop import COUNTS, PARTS, measure_loop
from app.bench.report import measure
from app.bench.serving import ServerFailed
from app.bench.tuning import tune

__all__ = ["COUNTS", "PARTS", "ServerFailed", "measure", "measure_loop", "memory_of", "tune"]
