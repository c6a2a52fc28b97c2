"""What ``vitrine doctor`` finds out about this machine, the settings, the store and the models."""

from app.doctor.examination import examine
from app.doctor.findings import Finding, State

__all__ = ["Finding", "State", "examine"]
