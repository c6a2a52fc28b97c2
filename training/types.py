"""Types that every layer uses; the shapes stand where they are used."""

from typing import Any

import numpy as np
import numpy.typing as npt

Tensor = Any  # tf.Tensor; TensorFlow publishes no types
Array = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Images = npt.NDArray[np.float32]  # (N, H, W) or (N, H, W, C), in [0, 1]
Codes = npt.NDArray[np.float32]  # (N, D), or more axes before the last
