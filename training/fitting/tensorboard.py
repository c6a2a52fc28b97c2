"""A run as TensorBoard shows it: event files with every epoch's numbers and the sheets of samples.

Only who wants to look at them needs TensorBoard: ``tf.summary.scalar`` and ``tf.summary.image`` would ask for
it, and so the two lines that they come to are written here by ``tf.summary.write``.
"""

import struct
from pathlib import Path

import keras
import tensorflow as tf

from training.runs import written_by_tensorflow

FOLDER = "tensorboard"


def _kind(plugin: str, data_class: str) -> tf.compat.v1.SummaryMetadata:
    """Return what tells TensorBoard which of its plugins shows a tensor, and how it is stored."""
    data = tf.compat.v1.SummaryMetadata.PluginData(plugin_name=plugin)
    return tf.compat.v1.SummaryMetadata(plugin_data=data, data_class=data_class)


SCALAR = _kind("scalars", "DATA_CLASS_SCALAR")
IMAGES = _kind("images", "DATA_CLASS_BLOB_SEQUENCE")  # texts: width, height, PNG files


class Events(keras.callbacks.Callback):  # type: ignore[misc]  # Keras publishes no types
    """Writes an epoch into ``RUN/tensorboard`` when it ends; steps are epochs, counted from 1.

    It reads what others have measured and drawn, so that a run with it is the run without it, to the bit.

    Args:
        out: the run folder.
        sheet: the picture of samples, shown for every epoch that drew it. Put this callback behind the one
            that draws.
    """

    def __init__(self, out: Path, sheet: Path) -> None:
        super().__init__()
        self.folder = out / FOLDER
        self.sheet = sheet

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002  Keras' signature
        """Begin a file of its own: a resumed run adds one to those that are there."""
        with written_by_tensorflow(self.folder):
            self.writer = tf.summary.create_file_writer(str(self.folder))
        self.drawn = self._drawn()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Write the numbers, and the sheet if it is new; then they can be looked at."""
        with written_by_tensorflow(self.folder), self.writer.as_default(step=epoch + 1):
            for name, value in logs.items():
                tf.summary.write(name, tf.constant(value, tf.float32), metadata=SCALAR)
            if (drawn := self._drawn()) != self.drawn:
                self.drawn = drawn
                png = self.sheet.read_bytes()
                width, height = struct.unpack(">II", png[16:24])  # of the header, which comes first
                tf.summary.write("samples", [str(width), str(height), png], metadata=IMAGES)
            self.writer.flush()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """End the file."""
        with written_by_tensorflow(self.folder):
            self.writer.close()

    def _drawn(self) -> int | None:
        return self.sheet.stat().st_mtime_ns if self.sheet.exists() else None
