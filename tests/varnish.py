"""A real Varnish for tests."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

VARNISHD = shutil.which("varnishd", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")


@contextlib.contextmanager
def running_varnish(folder: Path, vcl: str, port: int) -> Iterator[None]:
    """Run Varnish with a configuration until it has been used.

    Args:
        folder: where its files are.
        vcl: its configuration.
        port: of 127.0.0.1.
    """
    (folder / "vitrine.vcl").write_text(vcl)
    listens = ["-a", f"127.0.0.1:{port}", "-T", "none", "-j", "none"]
    words = [str(VARNISHD), "-F", *listens, "-n", folder / "varnish", "-s", "malloc,64m"]
    with (
        (folder / "varnish.log").open("w") as log,
        subprocess.Popen(
            [*words, "-f", folder / "vitrine.vcl"], stdout=log, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            for _ in range(500):  # it compiles its configuration first
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                if process.poll() is not None:
                    raise RuntimeError((folder / "varnish.log").read_text())
                time.sleep(0.02)
            yield
        finally:
            process.terminate()
