"""How fast this machine is: a picture's parts one after the other, and the engine by threads."""

from app.bench.loop import COUNTS, PARTS, measure_loop
from app.bench.report import measure
from app.bench.subject import memory_of
from app.bench.tuning import tune

__all__ = ["COUNTS", "PARTS", "measure", "measure_loop", "memory_of", "tune"]
