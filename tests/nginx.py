"""A real nginx for tests."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
AROUND = """
daemon off; {user} pid {folder}/pid; error_log {folder}/error.log; events {{}}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{configuration}
}}
"""


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextlib.contextmanager
def running_nginx(folder: Path, configuration: str, port: int) -> Iterator[None]:
    """Run nginx with a configuration, what stands within ``http {}``, until it has been used.

    Args:
        folder: where its files are.
        configuration: which listens on `port`.
        port: of 127.0.0.1.
    """
    user = "user root;" if os.geteuid() == 0 else ""  # else its workers cannot write to the folder
    around = AROUND.format(folder=folder, configuration=configuration, user=user)
    (folder / "nginx.conf").write_text(around)
    with subprocess.Popen([str(NGINX), "-p", folder, "-c", folder / "nginx.conf"]) as process:
        try:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.02)
            yield
        finally:
            process.terminate()
