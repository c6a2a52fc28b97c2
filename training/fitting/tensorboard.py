"""A run as TensorBoard shows it: event files with every epoch's numbers and the sheets of samples.

Only who wants to look at them needs TensorBoard, for which ``tf.summary.scalar`` and ``tf.summary.image``
would ask. And what a full disk does not take, the writer of ``tf.summary`` drops without a word. So the
events, which are records of TensorFlow's, are put together here.
"""

import platform
import struct
import time
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from training.runs import writing, written_by_tensorflow

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
        path = self.folder / f"events.out.tfevents.{time.time_ns()}.{platform.node()}"
        with writing(self.folder), written_by_tensorflow(self.folder):
            self.folder.mkdir(exist_ok=True)
            self.writer = tf.io.TFRecordWriter(str(path))
            self._write(file_version="brain.Event:2")
        self.drawn = self._drawn()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Write the numbers, and the sheet if it is new; then they can be looked at."""
        shown: dict[str, Any] = {
            name: (tf.make_tensor_proto(value, tf.float32), SCALAR) for name, value in logs.items()
        }
        if (drawn := self._drawn()) != self.drawn:
            self.drawn = drawn
            png = self.sheet.read_bytes()
            size = [str(side).encode() for side in struct.unpack(">II", png[16:24])]  # the header comes first
            shown["samples"] = tf.make_tensor_proto([*size, png]), IMAGES
        value = tf.compat.v1.Summary.Value
        values = [value(tag=name, tensor=tensor, metadata=kind) for name, (tensor, kind) in shown.items()]
        with written_by_tensorflow(self.folder):
            self._write(step=epoch + 1, summary=tf.compat.v1.Summary(value=values))
            self.writer.flush()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """End the file."""
        with written_by_tensorflow(self.folder):
            self.writer.close()

    def _write(self, **content: Any) -> None:
        event = tf.compat.v1.Event(wall_time=time.time(), **content)
        self.writer.write(event.SerializeToString())

    def _drawn(self) -> int | None:
        return self.sheet.stat().st_mtime_ns if self.sheet.exists() else None
