"""An answer that shows images. It shows itself in a notebook."""

from __future__ import annotations

import base64
import dataclasses
import html
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

_PILLOW = "Picture.image() needs Pillow: pip install pillow"
_NUMPY = "Picture.array() needs NumPy: pip install numpy"


@dataclasses.dataclass(frozen=True, repr=False)
class Picture:
    """A picture, or another file that holds what was drawn.

    Attributes:
        content: the bytes of the file.
        media_type: like ``image/png``.
        url: the permanent address, None if it has none, as of uploads.
        model: NAME@VERSION that answered.
        seed: that it was drawn from, None if there is none.
        facts: what else the answer's headers say, by the header's name without its ``X-``, in lower case.
        notes: what was done to uploads.
    """

    content: bytes
    media_type: str
    url: str | None = None
    model: str | None = None
    seed: int | None = None
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    notes: str = ""

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file, over one of that name, and return its path."""
        written = Path(path)
        written.write_bytes(self.content)
        return written

    def json(self) -> Any:
        """Return what an answer in JSON says.

        Raises:
            ValueError: it is of another format.
        """
        if self.media_type != "application/json":
            raise ValueError(f'no JSON but {self.media_type}: ask with format="json"')
        return json.loads(self.content)

    def image(self) -> Image:
        """Return the picture as Pillow's.

        Raises:
            ImportError: Pillow is not installed.
            ValueError: no picture.
        """
        try:
            import PIL.Image
        except ImportError:
            raise ImportError(_PILLOW) from None
        if not self.media_type.startswith("image/"):
            raise ValueError(f'no picture but {self.media_type}: ask with format="png"')
        return PIL.Image.open(io.BytesIO(self.content))

    def array(self) -> npt.NDArray[np.uint8 | np.float32]:
        """Return levels from 0 to 255, uint8; of ``surprise`` with ``format="npy"`` nats, float32.

        Of a picture (H, W) or (H, W, 3), the whole grid as it is shown. Of ``format="npy"`` and ``"npz"``
        (N, H, W) or (N, H, W, 3), the single images, as the data has them.

        Raises:
            ImportError: NumPy is not installed, or Pillow, of a picture.
            ValueError: a format without images, like CSV.
        """
        try:
            import numpy as np
        except ImportError:
            raise ImportError(_NUMPY) from None
        if self.media_type.startswith("image/"):
            return np.asarray(self.image())
        try:
            found = np.load(io.BytesIO(self.content), allow_pickle=False)
            images: npt.NDArray[np.uint8 | np.float32]
            images = found if isinstance(found, np.ndarray) else found["images"]
        except (ValueError, KeyError, EOFError):
            raise ValueError(f'no array in {self.media_type}: ask with format="npy"') from None
        return images

    def __repr__(self) -> str:
        told = [self.media_type, f"{len(self.content):,} bytes"]
        told += [] if self.model is None else [self.model]
        told += [] if self.seed is None else [f"seed {self.seed}"]
        return f"<Picture {', '.join(told)}>"

    def _repr_png_(self) -> bytes | None:
        return self.content if self.media_type in ("image/png", "image/apng") else None

    def _repr_html_(self) -> str:
        told = html.escape(repr(self)[1:-1])
        if self.url is not None:
            told += f' <a href="{html.escape(self.url)}">permanent address</a>'
        if not self.media_type.startswith("image/"):
            return f"<p>{told}</p>"
        source = f"data:{html.escape(self.media_type)};base64,{self._encoded}"
        image = f'<img src="{source}" alt="{html.escape(repr(self)[1:-1])}">'
        return f"<figure>{image}<figcaption>{told}</figcaption></figure>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        bundle = {"text/plain": repr(self), "text/html": self._repr_html_()}
        if self._repr_png_() is not None:
            bundle["image/png"] = self._encoded
        wanted = bundle.keys() if include is None else bundle.keys() & {*include}
        return {kind: bundle[kind] for kind in bundle if kind in wanted and kind not in (exclude or ())}

    @property
    def _encoded(self) -> str:
        return base64.b64encode(self.content).decode()
