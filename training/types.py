"""Types that every layer uses; the shapes stand where they are used."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pydantic

Tensor = Any  # tf.Tensor; TensorFlow publishes no types
Array = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating]  # either of the two
Images = npt.NDArray[np.float32]  # (N, H, W) or (N, H, W, C), in [0, 1]
Pixels = npt.NDArray[np.uint8]  # levels: (N, H, W) or (N, H, W, 3), or one image of these
Codes = npt.NDArray[np.float32]  # (N, D), or more axes before the last


class ReportSection(pydantic.BaseModel):
    """A part of ``report.json``: frozen, and without keys of which it knows nothing.

    A field whose default is None is left out of the file where it was not measured.
    """

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON, by the keys that the file has."""
        return self.model_dump(mode="json", exclude_unset=True)
