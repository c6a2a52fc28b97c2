"""A short form of ``python -m tests.large_uploads``: fewer and smaller uploads at once."""

import io
import os
import subprocess
import sys
import time

import pytest
from PIL import Image

from tests import large_uploads

PROGRAM = "held = bytearray(100_000_000); print(1, flush=True); input()"


@pytest.mark.process
@pytest.mark.bad_input(70)
@pytest.mark.fault(20)
def test_large_uploads_at_once_take_the_memory_of_one_and_each_is_answered_or_told_when_to_come_again(
    tmp_path,
):
    kinds = "PNG with transparency", "JPEG"
    bounds = large_uploads.Bounds(most_mb=240, kept_mb=120, quiet_seconds=1)  # two at a time take 280
    found, told = large_uploads.run(tmp_path, 8, 3000, kinds, bounds=bounds)
    assert found.wrong == []
    assert sum(found.statuses.values()) == 16
    assert set(found.statuses) <= {200, 503}
    assert found.statuses[200] >= len(kinds)
    assert told["wrong"] == 0


def test_a_picture_has_its_format_mode_and_size():
    for kind, (file_format, mode) in {
        "PNG": ("PNG", "RGB"),
        "PNG with transparency": ("PNG", "RGBA"),
        "PNG of 16 bits": ("PNG", "I;16"),
        "JPEG": ("JPEG", "RGB"),
        "progressive JPEG": ("JPEG", "RGB"),
        "WebP with transparency": ("WEBP", "RGBA"),
    }.items():
        data, media_type = large_uploads.picture(kind, 200)
        image = Image.open(io.BytesIO(data))
        assert (image.format, image.mode, image.size) == (file_format, mode, (200, 200))
        assert bool(image.info.get("progressive")) == kind.startswith("progressive")
        assert media_type == Image.MIME[file_format]


def test_the_most_memory_of_a_process_is_remembered_when_it_has_ended():
    with (
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process,
        large_uploads.highest_of(os.getpid()) as most,
    ):
        before = most[0]
        process.stdout.readline()
        time.sleep(10 * large_uploads.SAMPLE_SECONDS)
        process.stdin.close()
        process.wait()
    assert 90_000_000 < most[0] - before < 300_000_000
