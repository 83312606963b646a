"""A Label Studio of one's own, really started, and what is said where it cannot be."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from ml_backend.errors import ConfigurationError, StudioUnauthorized, StudioUnreachable
from ml_backend.labelstudio.local import LocalStudio, free_port
from tests.studio import RunningStudio


@pytest.fixture
def stand_in(tmp_path: Path) -> str:
    """An executable that answers like Label Studio with the token `right-token`, and dumps its environment."""
    return _script(
        tmp_path,
        """
import json, os
json.dump([sys.argv[1:], dict(os.environ)], open("seen.json", "w"))
serve(lambda request: request.path == "/health" or request.headers["Authorization"] == "Token right-token")
""",
    )


SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
def serve(is_let_in, say=""):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if is_let_in(self) else 401)
            self.end_headers()
    server = HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler)
    print(say, flush=True)
    server.serve_forever()
"""


def _script(folder: Path, body: str) -> str:
    path = folder / "label-studio"
    path.write_text(f"#!{sys.executable}\n{SERVER}\n{body}\n")
    path.chmod(0o755)
    return str(path)


def start(folder: Path, executable: str, *, token: str = "right-token", timeout_s: float = 30) -> LocalStudio:
    return LocalStudio.start(
        folder / "data",
        free_port(),
        executable=executable,
        token=token,
        password="pass-word-1",
        log_file=folder / "logs" / "studio.log",
        timeout_s=timeout_s,
    )


def is_gone(pid: int) -> bool:
    """True once no process of the group is left, given a moment to end."""
    for _ in range(50):
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_the_real_one_answers_on_loopback_and_takes_its_token(studio: RunningStudio) -> None:
    answer = httpx.get(f"{studio.url}/api/current-user/whoami", headers={"Authorization": f"Token {studio.token}"})

    assert answer.json()["email"] == studio.email == "admin@example.com"
    assert studio.url.startswith("http://localhost:")


def test_the_real_one_listens_on_no_other_address(studio: RunningStudio) -> None:
    port = int(studio.url.rpartition(":")[2])
    listening = [
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
    ]

    assert listening == [f"0100007F:{port:04X}"]


def test_secrets_are_in_no_command_line(studio: RunningStudio) -> None:
    command = Path(f"/proc/{studio.pid}/cmdline").read_text()

    assert studio.token not in command
    assert studio.password not in command


def test_the_one_beside_the_interpreter_is_found(studio: RunningStudio) -> None:
    assert Path(LocalStudio.find_executable()).name == "label-studio"


def test_without_label_studio_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ConfigurationError, match=r"pip install 'labelloop\[studio\]'"):
        LocalStudio.find_executable()


def test_label_studio_on_the_path_is_found_where_none_is_beside_the_interpreter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stand_in: str
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "elsewhere" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    assert LocalStudio.find_executable() == stand_in


def test_nothing_of_the_surrounding_environment_becomes_a_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stand_in: str
) -> None:
    for name in ("HOST", "PORT", "DEBUG", "USERNAME", "LABEL_STUDIO_PORT", "HEARTEX_HOST", "DATABASE_NAME"):
        monkeypatch.setenv(name, "stray")
    monkeypatch.setenv("LABELLOOP_PASSWORD", "stray")
    monkeypatch.setenv("HTTP_PROXY", "http://stray.invalid")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")

    with start(tmp_path, stand_in) as running:
        arguments, seen = httpx.Response(200, content=(tmp_path / "data" / "seen.json").read_bytes()).json()

    assert not [name for name, value in seen.items() if "stray" in value]
    assert seen["LC_ALL"] == "C.UTF-8"
    assert {name.removeprefix("LABEL_STUDIO_"): v for name, v in seen.items() if name.startswith("LABEL_STUDIO_")} == {
        "BASE_DATA_DIR": str(tmp_path / "data"),
        "HOST": running.url,
        "USERNAME": "admin@example.com",
        "PASSWORD": "pass-word-1",
        "USER_TOKEN": "right-token",
        "ENABLE_LEGACY_API_TOKEN": "true",
        "DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "ML_BLOCK_LOCAL_IP": "false",
        "SSRF_PROTECTION_ENABLED": "false",
        "LATEST_VERSION_CHECK": "false",
        "COLLECT_ANALYTICS": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "CONVERTER_DOWNLOAD_RESOURCES": "false",
    }
    assert arguments[0] == "start"
    assert {"--no-browser", "--enable-legacy-api-token"} <= set(arguments)
    assert arguments[arguments.index("--internal-host") + 1] == "127.0.0.1"


def test_it_stops_at_the_end_of_the_block_and_stopping_twice_is_fine(tmp_path: Path, stand_in: str) -> None:
    with start(tmp_path, stand_in) as running:
        assert running.process.poll() is None
        assert os.getpgid(running.pid) == running.pid

    running.stop()

    assert running.process.returncode == -signal.SIGTERM
    assert is_gone(running.pid)


def test_it_does_not_outlive_the_process_that_started_it(tmp_path: Path, stand_in: str) -> None:
    program = f"""
import time
from pathlib import Path
from ml_backend.labelstudio.local import LocalStudio, free_port
running = LocalStudio.start(
    Path("data"), free_port(), executable={stand_in!r}, token="right-token", log_file=Path("studio.log")
)
print(running.pid, flush=True)
time.sleep(600)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        was_running = Path(f"/proc/{pid}").exists()
        starter.kill()

    assert was_running
    assert is_gone(pid)


def test_children_that_do_not_listen_are_stopped_with_it(tmp_path: Path) -> None:
    stubborn = "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    script = _script(
        tmp_path,
        f"import subprocess\nsubprocess.Popen([sys.executable, '-c', {stubborn!r}])\nserve(lambda request: True)",
    )

    running = start(tmp_path, script)
    running.stop()

    assert is_gone(running.pid)


def test_a_taken_port_is_refused_before_anything_is_started(tmp_path: Path, stand_in: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} is taken by another program"):
            LocalStudio.start(tmp_path / "data", port, executable=stand_in, log_file=tmp_path / "studio.log")

    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "behaviour",
    [
        "print(TAKEN, f'* Trying to start at {port + 1}', sep='\\n'), time.sleep(600)",
        "serve(lambda request: True, TAKEN)",
    ],
    ids=["it moves on to another port", "something else answers in its place"],
)
def test_that_another_program_took_the_port_is_noticed(tmp_path: Path, behaviour: str) -> None:
    facts = "port = int(sys.argv[sys.argv.index('--port') + 1])\nTAKEN = f'* Port {port} is in use.'"
    script = _script(tmp_path, f"import time\n{facts}\n{behaviour}")

    with pytest.raises(StudioUnreachable, match=r"another program took port \d+ while Label Studio started"):
        start(tmp_path, script)


def test_an_early_end_is_told_with_the_end_of_the_log(tmp_path: Path) -> None:
    script = _script(tmp_path, "import sys\nfor n in range(40): print('line', n)\nsys.exit('disk is full')")

    with pytest.raises(StudioUnreachable, match=r"ended with status 1 while starting(?s:.*)disk is full") as caught:
        start(tmp_path, script)

    assert str(tmp_path / "logs" / "studio.log") in str(caught.value)
    assert "line 39" in str(caught.value)
    assert "line 0\n" not in str(caught.value)


def test_silence_is_told_and_the_process_stopped(tmp_path: Path) -> None:
    script = _script(
        tmp_path, "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(600)"
    )

    with pytest.raises(StudioUnreachable, match=r"did not answer at http://localhost:\d+ within 2 s; it wrote no log"):
        start(tmp_path, script, timeout_s=2)

    assert is_gone(int((tmp_path / "data" / "pid").read_text()))


def test_another_token_than_the_folder_s_is_refused_and_the_process_stopped(tmp_path: Path, stand_in: str) -> None:
    with pytest.raises(StudioUnauthorized, match="keeps the token and password of its first start") as caught:
        start(tmp_path, stand_in, token="other-token")

    assert "other-token" not in str(caught.value)
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert stand_in not in running


def test_a_token_that_label_studio_would_leave_aside_is_refused(tmp_path: Path, stand_in: str) -> None:
    with pytest.raises(ConfigurationError, match="a token of 3 characters found; wanted at least 6"):
        start(tmp_path, stand_in, token="abc")


def test_what_is_no_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"missing cannot be started \(No such file or directory\)"):
        start(tmp_path, str(tmp_path / "missing"))


def test_token_and_password_are_made_up_where_none_is_given(tmp_path: Path) -> None:
    script = _script(tmp_path, "serve(lambda request: True)")

    made = []
    for _ in range(2):
        with LocalStudio.start(
            tmp_path / "data", free_port(), executable=script, log_file=tmp_path / "studio.log"
        ) as running:
            made.append((running.token, running.password))
            assert [value for value in made[-1] if value in repr(running)] == []

    assert len({value for pair in made for value in pair}) == 4
    assert all(len(token) == 40 and int(token, 16) >= 0 and len(password) >= 16 for token, password in made)
