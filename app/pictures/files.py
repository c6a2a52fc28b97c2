"""The bytes of an upload -> a picture that is ready to be decoded, or what is wrong with them."""

import base64
import contextlib
import importlib
import io
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image, ImageFile, UnidentifiedImageError

from app.errors import UnsupportedPicture, UnsupportedUpload, UploadError
from app.pictures import containers

# Nothing else is ever opened: Pillow knows sixty formats, and some start other programs.
_SIGNATURES = {
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "WEBP": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "GIF": re.compile(rb"GIF8[79]a"),
    "BMP": re.compile(rb"BM.{12}.\0\0\0", re.DOTALL),  # its header's size; the words before are anyone's
}
# A progressive JPEG is decoded once a scan. Encoders write about ten; thousands are an attack.
MAX_JPEG_SCANS = 100
# Marker, length and number of components, which agree: telling a scan from chance bytes behind the picture.
_SCAN_HEADER = re.compile(rb"\xff\xda\x00(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)")
# How Pillow says that a file may be right, but is of a kind that it does not decode.
_UNSUPPORTED = re.compile("unsupported|cannot handle", re.IGNORECASE)

# Pillow's own guard warns at 89 megapixels and lets 81 through; the limit here is checked before decoding.
Image.MAX_IMAGE_PIXELS = None
# A camera's odd EXIF block or a picture's odd palette is nothing that the operator's log should fill with.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


class PictureFile(NamedTuple):
    """A file that was opened: nothing of its pixels has been decoded."""

    name: str
    kind: str
    data: bytes  # without metadata
    image: ImageFile.ImageFile
    animated: bool  # frames were left out already


def load_formats() -> None:
    """Load Pillow's formats now, which it would do for the first picture of some kind, or that is broken."""
    Image.init()


def load_writers() -> None:
    """Load what writes pictures, and reads the PNGs of a version: two megabytes less than all formats."""
    Image.preinit()
    importlib.import_module("PIL.WebPImagePlugin")


def sniff(data: bytes) -> str | None:
    """Return the format that a file's first bytes announce, or None."""
    return next((name for name, signature in _SIGNATURES.items() if signature.match(data)), None)


def encoding_of(data: bytes) -> str | None:
    """Return what text a picture was made into for transport, or None: files are read as they are."""
    if data[:5].lower() == b"data:":
        return "a data: URL"
    with contextlib.suppress(ValueError):
        beginning = data[:64].translate(bytes.maketrans(b"-_", b"+/"), b" \r\n\t")[:24]
        if sniff(base64.b64decode(beginning, validate=True)):
            return "base64 text"
    return None


def still_encoded(parameter: str, received: str) -> UnsupportedUpload:
    """Return the refusal of a picture that was sent as text."""
    expected, remedy = "the bytes of an image file", "Decode it first, and send the bytes."
    return UnsupportedUpload.of(parameter, expected, received, remedy, "encoded_image")


def open_file(data: bytes, parameter: str) -> PictureFile:
    """Return a file, of which nothing but the header has been read."""
    if not data:
        raise UploadError.of(parameter, "an image", "an empty file", "Send the file's content.", "empty_file")
    kind = sniff(data)
    if kind is None:
        if encoding := encoding_of(data):
            raise still_encoded(parameter, encoding)
        expected, remedy = "a PNG, JPEG, WebP, GIF or BMP image", "Convert the file to one of these formats."
        received = f"{len(data)} bytes that begin with {_in_words(data[:8])}"
        raise UnsupportedUpload.of(parameter, expected, received, remedy, "not_an_image")
    with decoding(data, kind, parameter):
        needed, animated = containers.without_metadata(kind, data)
        if kind == "JPEG":
            _check_scans(needed, parameter)
        image = Image.open(io.BytesIO(needed), formats=[kind])
    return PictureFile(parameter, kind, needed, image, animated)


def _check_scans(data: bytes, parameter: str) -> None:
    scans = sum(1 for _ in _SCAN_HEADER.finditer(data))
    if scans > MAX_JPEG_SCANS:
        expected, received = f"a JPEG of at most {MAX_JPEG_SCANS} scans", f"{scans} scans"
        remedy = "Save the picture as a baseline JPEG or a PNG."
        raise UploadError.of(parameter, expected, received, remedy, "too_many_scans")


@contextlib.contextmanager
def decoding(data: bytes, kind: str, parameter: str) -> Iterator[None]:
    """Turn whatever a decoder raises into one error; Pillow's plugins raise a dozen kinds of exception.

    A file is called unsupported or cut off only after the decoder has refused it: guesses are not stricter.
    """
    try:
        yield
    except (MemoryError, UploadError):
        raise
    except containers.TooManyPiecesError as error:
        expected, remedy = f"a {kind} of fewer parts", "Save the picture again, as a PNG."
        raise UploadError.of(parameter, expected, error, remedy, "too_many_pieces") from error
    except Exception as error:
        size, complete = f"{len(data)} bytes", f"a complete {kind} image"
        if reason := _unsupported(data, kind, error):
            expected, remedy = f"a usual {kind}", "Save the picture as an 8-bit PNG or a baseline JPEG."
            received, code = f"{kind}: {reason}", "unsupported_picture"
            raise UnsupportedPicture.of(parameter, expected, received, remedy, code) from error
        if isinstance(error, containers.CutOffError) or _is_truncated(data, kind):
            received, remedy = f"{size} that end too early", "The file is cut off: send it again in full."
            raise UploadError.of(parameter, complete, received, remedy, "image_truncated") from error
        received, remedy = f"{size}, broken inside", "Open it and save it again."
        raise UploadError.of(parameter, complete, received, remedy, "image_corrupt") from error


def _unsupported(data: bytes, kind: str, error: Exception) -> str | None:
    """Return what a decoder does not support of a file that it refused, or None if the file is broken."""
    if isinstance(error, UnidentifiedImageError):  # the plugin itself says why
        try:
            Image.OPEN[kind][0](io.BytesIO(data), "")
        except Exception as reason:
            error = reason
    if _UNSUPPORTED.search(str(error)):
        return str(error)
    return containers.variety(kind, data)


def _is_truncated(data: bytes, kind: str) -> bool:
    """Say whether a file that was refused stops before the end that its format marks."""
    if kind == "JPEG":
        return b"\xff\xd9" not in data[-4096:]
    if kind == "WEBP":
        return len(data) < int.from_bytes(data[4:8], "little") + 8
    return kind == "BMP" and len(data) < int.from_bytes(data[2:6], "little")


def _in_words(first: bytes) -> str:
    """Return bytes as the text that they are, in quotes, or else in hexadecimal digits."""
    text = first.decode("ascii", "replace")
    return f'"{text}"' if text.isascii() and text.isprintable() else first.hex(" ")
