"""What can go wrong in training through no fault of the program."""


class TrainingError(Exception):
    """Base of the errors that the command line reports in one line, without a traceback."""


class ConfigError(TrainingError):
    """A configuration file has an unknown key, a wrong type or an impossible value."""


class DataError(TrainingError):
    """A data set is missing, truncated or not the one it should be."""


class RunError(TrainingError):
    """A run folder is missing or incomplete, or a destination cannot be written."""


class NotWritten(RunError):
    """A file, which the message names, cannot be written: the disk is full, or it may not be written to."""


class WorkerLost(RunError):
    """One of several workers ended or cannot be reached; the run can be resumed."""


class Interrupted(TrainingError):
    """A signal, of this number, ended a run, which can be resumed: Ctrl-C or SIGTERM."""

    def __init__(self, signal: int) -> None:
        super().__init__(f"stopped by signal {signal}")
        self.signal = signal
