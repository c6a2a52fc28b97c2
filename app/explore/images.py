"""The images that came with a request."""

from typing import NamedTuple

import numpy as np

from app.decoding import reading
from app.explore.grids import Context
from app.pictures.grids import Pixels
from app.pictures.uploads import Invert


class Uploads(NamedTuple):
    """Files that were uploaded, not read yet.

    Args:
        files: what errors call each file, and its bytes.
        invert: whether files are inverted; see ``app.pictures.uploads``.
    """

    files: tuple[tuple[str, bytes], ...] = ()
    invert: Invert = "no"

    @property
    def cost(self) -> int:
        """What decoding them costs; see ``reading.size_of``."""
        return reading.size_of(self.files)

    def read(self, context: Context, *, on_white: bool = True) -> tuple[Pixels, tuple[str, ...]]:
        """Return (N, H, W) levels as the encoder will see them, and what their sender should know.

        Args:
            context: whose model's images they are fitted to.
            on_white: see ``app.pictures.uploads.read_uploads``.

        Raises:
            UploadError: a file cannot be used; even a header can take time to read, so call it in the work.
        """
        image = context.model.manifest.image
        if not self.files:
            return np.empty((0, *image.shape), np.uint8), ()
        read = reading.read_uploads(
            self.files, image.shape, self.invert, context.limits, image.polarity, on_white=on_white
        )
        notes = tuple(f"{found.name}: {note}" for found in read for note in found.notes)
        return np.stack([found.pixels for found in read]), notes


NO_UPLOADS = Uploads()
