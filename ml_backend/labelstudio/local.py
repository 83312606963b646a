"""Start a Label Studio on this machine: headless, on loopback, calling nothing outside."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from ..errors import ConfigurationError, StudioUnauthorized, StudioUnreachable

if TYPE_CHECKING:
    import httpx

__all__ = ["LocalStudio", "free_port"]

LOOPBACK = "127.0.0.1"
GRACE_S = 10.0
POLL_S = 0.3
QUOTED_LINES = 15
SHORTEST_TOKEN = 6
"""Label Studio ignores shorter tokens and makes up its own."""

# Label Studio reads every setting under its bare name too (HOST, PORT, DEBUG, DATABASE_NAME, ...), so it inherits only
# what a program needs to run at all. Proxies are left out on purpose: all of its calls go to loopback.
INHERITED = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP"}
    | {"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV"}
)


def free_port() -> int:
    """Return a loopback port that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, eq=False)
class LocalStudio:
    """A running Label Studio, a child of this process. As a context manager it stops at the end of the block.

    It also stops when this process ends in any other way, killed or crashed.

    Attributes:
        token: a legacy token of the first user.
        log_file: its output, of this run alone.
        leash: the process that stops it when this one is gone.
    """

    url: str
    token: str = field(repr=False)
    email: str
    password: str = field(repr=False)
    log_file: Path
    process: "subprocess.Popen[bytes]"
    leash: "subprocess.Popen[bytes]"

    @staticmethod
    def find_executable() -> str:
        """Return the path of the `label-studio` executable: the one beside this interpreter, else the first on PATH.

        Raises:
            ConfigurationError: there is neither.
        """
        beside = Path(sys.executable).with_name("label-studio")
        path = str(beside) if os.access(beside, os.X_OK) else shutil.which("label-studio")
        if path is None:
            raise ConfigurationError(
                f"no label-studio executable beside {sys.executable} or on PATH; install it with "
                "pip install 'labelloop[studio]', or use a Label Studio that runs elsewhere (LABELLOOP_STUDIO_URL)"
            )
        return path

    @classmethod
    def start(
        cls,
        data_dir: Path,
        port: int,
        *,
        log_file: Path,
        executable: str | None = None,
        email: str = "admin@example.com",
        password: str | None = None,
        token: str | None = None,
        timeout_s: float = 180.0,
    ) -> "LocalStudio":
        """Start Label Studio and wait until it answers: half a minute on an empty folder, a few seconds later on.

        Args:
            data_dir: its database and files; made where missing. Email, password and token of the first start
                hold for good.
            executable: None: the one that `find_executable` finds.
            password: None: a random one.
            token: hex digits; None: random ones.

        Raises:
            ConfigurationError: no executable, the port is taken, or the token is too short.
            StudioUnreachable: it ended early or did not answer in time.
            StudioUnauthorized: the folder was first used with another token.
        """
        token = token or secrets.token_hex(20)
        password = password or secrets.token_urlsafe(16)
        command = executable or cls.find_executable()
        _check(port, token)
        data_dir = data_dir.resolve()
        for folder in (data_dir, log_file.parent):
            folder.mkdir(parents=True, exist_ok=True)
        url = f"http://localhost:{port}"
        process = _launch(command, data_dir, port, log_file, _environment(data_dir, url, email, password, token))
        studio = cls(
            url,
            token,
            email=email,
            password=password,
            log_file=log_file,
            process=process,
            leash=_leash(process.pid),
        )
        try:
            studio._wait_until_ready(f"http://{LOOPBACK}:{port}", data_dir, timeout_s)
        except BaseException:
            studio.stop()
            raise
        return studio

    @property
    def pid(self) -> int:
        """Process id, and id of its process group."""
        return self.process.pid

    def stop(self) -> None:
        """End Label Studio and whatever it started. Safe to call twice."""
        if self.leash.returncode is not None:
            return
        # First, because it would act on whatever has the process id by then.
        self.leash.kill()
        self.leash.communicate()
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE_S)
        self._signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> "LocalStudio":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _wait_until_ready(self, address: str, data_dir: Path, timeout_s: float) -> None:
        import httpx

        deadline = time.monotonic() + timeout_s
        with httpx.Client(base_url=address, timeout=10.0, trust_env=False) as client:
            while not _is_healthy(client):
                self._check_progress()
                if time.monotonic() > deadline:
                    raise StudioUnreachable(
                        f"Label Studio did not answer at {self.url} within {timeout_s:g} s; {self._last_words()}"
                    )
                time.sleep(POLL_S)
            # What answers may be another program that took the port meanwhile.
            self._check_progress()
            answer = client.get("/api/current-user/whoami", headers={"Authorization": f"Token {self.token}"})
        if answer.status_code != httpx.codes.OK:
            raise StudioUnauthorized(
                f"Label Studio runs on {data_dir}, but refuses the token with {answer.status_code}: such a folder "
                "keeps the token and password of its first start; give these, or another folder"
            )

    def _check_progress(self) -> None:
        status = self.process.poll()
        if status is not None:
            raise StudioUnreachable(f"Label Studio ended with status {status} while starting; {self._last_words()}")
        port = self.url.rpartition(":")[2]
        if f"Port {port} is in use" in self._log():
            raise StudioUnreachable(f"another program took port {port} while Label Studio started; choose another port")

    def _log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def _last_words(self) -> str:
        lines = self._log().strip().splitlines()[-QUOTED_LINES:]
        return "\n".join([f"its log {self.log_file} ends with:", *lines]) if lines else "it wrote no log"


def _check(port: int, token: str) -> None:
    if len(token) < SHORTEST_TOKEN:
        raise ConfigurationError(
            f"a token of {len(token)} characters found; wanted at least {SHORTEST_TOKEN}, such as 40 hex digits"
        )
    with socket.socket() as probe:
        # Label Studio itself would move on to the next free port without saying so to anyone.
        if probe.connect_ex((LOOPBACK, port)) == 0:
            raise ConfigurationError(
                f"port {port} is taken by another program; stop it, or choose another port for Label Studio"
            )


def _launch(
    command: str, data_dir: Path, port: int, log_file: Path, environment: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    options = ["--no-browser", "--log-level", "WARNING", "--enable-legacy-api-token", "--internal-host", LOOPBACK]
    try:
        with log_file.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 (no shell; the executable is the caller's choice)
                [command, "start", *options, "--port", str(port), "--data-dir", str(data_dir)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=data_dir,
                env=environment,
                start_new_session=True,
            )
    except OSError as error:
        raise ConfigurationError(f"{command} cannot be started ({error.strerror}); wanted Label Studio") from None


def _leash(group: int) -> "subprocess.Popen[bytes]":
    """Start a shell that waits for its input to end, which it does when this process ends, and then ends the group."""
    return subprocess.Popen(  # noqa: S603 (a fixed command and a number)
        ["/bin/sh", "-c", 'read -r _; kill -s TERM -- "-$0"', str(group)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _environment(data_dir: Path, url: str, email: str, password: str, token: str) -> dict[str, str]:
    """Return the environment of Label Studio, with its secrets, as all users of the machine can read command lines."""
    settings = {
        "BASE_DATA_DIR": str(data_dir),
        # Label Studio sends it to ML backends as `hostname`.
        "HOST": url,
        "USERNAME": email,
        "PASSWORD": password,
        "USER_TOKEN": token,
        "ENABLE_LEGACY_API_TOKEN": "true",
        "DISABLE_SIGNUP_WITHOUT_LINK": "true",
        # Backend and webhooks are on loopback, which Label Studio otherwise refuses to call.
        "ML_BLOCK_LOCAL_IP": "false",
        "SSRF_PROTECTION_ENABLED": "false",
        "LATEST_VERSION_CHECK": "false",
        "COLLECT_ANALYTICS": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "CONVERTER_DOWNLOAD_RESOURCES": "false",
    }
    inherited = {name: value for name, value in os.environ.items() if name in INHERITED or name.startswith("LC_")}
    return {
        **inherited,
        **{f"LABEL_STUDIO_{name}": value for name, value in settings.items()},
        # It leaves a file in the user's configuration folder otherwise.
        "XDG_CONFIG_HOME": str(data_dir / "config"),
        # Warnings must be in the log while it runs, not once a buffer is full.
        "PYTHONUNBUFFERED": "1",
    }


def _is_healthy(client: "httpx.Client") -> bool:
    import httpx

    try:
        return client.get("/health").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
