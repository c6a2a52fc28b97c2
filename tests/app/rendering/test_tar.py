import io
import tarfile

import pytest

from app.rendering import tar


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 70_000])
def test_the_standard_library_reads_what_it_would_have_written(size):
    content = bytes(range(256)) * (size // 256) + bytes(range(size % 256))
    whole = tar.member("0001.png", content) + tar.member("0001.cls", b"3") + tar.END
    with tarfile.open(fileobj=io.BytesIO(whole)) as file:
        assert file.getnames() == ["0001.png", "0001.cls"]
        assert file.extractfile("0001.png").read() == content
        assert file.extractfile("0001.cls").read() == b"3"
        assert [(each.mode, each.uid, each.mtime, each.type) for each in file] == [
            (0o644, 0, 0, tarfile.REGTYPE)
        ] * 2
    info = tarfile.TarInfo("0001.png")
    info.size = size
    assert whole[:512] == info.tobuf(tarfile.USTAR_FORMAT)
