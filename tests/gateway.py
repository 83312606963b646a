"""The gateway of the compose file, as nginx on loopback runs it."""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from ml_backend.labelstudio.local import free_port
from tests.running import running_process

__all__ = ["find_nginx", "gateway_config", "running_gateway"]

COMPOSE_FILE = Path(__file__).resolve().parent.parent / "docker-compose.yml"


def find_nginx() -> str:
    """Path of nginx; the test is skipped where there is none."""
    # Debian's package puts it where only root's PATH leads.
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        pytest.skip("nginx is not installed on this machine")
    return found


def gateway_config(folder: Path, backends: Sequence[int], port: int = 9090) -> str:
    """The compose file's configuration, with backends on loopback ports, that writes nothing but below a folder."""
    compose = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))
    content = compose["configs"]["gateway"]["content"].replace("$$", "$")
    # `resolve` in the open-source nginx came with 1.27.3, and distributions have older ones.
    servers = " ".join(rf"server 127.0.0.1:{backend} \1;" for backend in backends)
    content, count = re.subn(r"resolver 127[^;]*;\s*server backend:9090 resolve ([^;]*);", servers, content)
    assert count == 1, "the upstream of the compose file looks otherwise than before"
    content, count = re.subn(r"listen 9090;", f"listen 127.0.0.1:{port};", content)
    assert count == 1, "the gateway of the compose file listens elsewhere than before"
    folders = "".join(f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    content = content.replace("/dev/stdout", f"{folder}/access.log").replace("/dev/stderr", f"{folder}/error.log")
    return f"pid {folder}/nginx.pid;\n{content.replace('http {', f'http {{ {folders}', 1)}"


@contextmanager
def running_gateway(folder: Path, backends: Sequence[int]) -> Iterator[str]:
    """The URL of nginx in front of these loopback ports; it is ended with the block."""
    nginx, port = find_nginx(), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nginx.conf"
    config.write_text(gateway_config(folder, backends, port), encoding="utf-8")
    url, command = f"http://localhost:{port}", [nginx, "-c", config, "-p", folder, "-g", "daemon off;"]
    with running_process(command, folder / "output.log", url=f"{url}/gateway/health"):
        yield url
