"""The launcher with real child processes."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ml_backend.domain.job import Job, JobState
from ml_backend.jobs.launcher import ChildProcess, SubprocessLauncher, log_path

REPOSITORY = Path(__file__).resolve().parents[3]
JOB = Job(id=41, kind="train", project_id=7, state=JobState.RUNNING, params={})
PRINT_HOST = """
import sys, tempfile
from pathlib import Path
from ml_backend.domain.job import Job, JobState
from ml_backend.jobs.launcher import SubprocessLauncher
with tempfile.TemporaryDirectory() as home:
    launcher = SubprocessLauncher(Path(home), {}, niceness=0, command=(sys.executable, "-c", "pass"))
    child = launcher.launch(Job(41, "train", 7, JobState.RUNNING, {}))
    child.process.wait()
    print(child.host)
"""
SLEEP = "import time; print('ready'); time.sleep(60)"
IGNORE_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
START_ANOTHER = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid); " + SLEEP
LIST_FILES = """
import os
print(*(os.readlink(f"/proc/self/fd/{n}") for n in (0, 1, 2)))
print(os.listdir("/proc/self/fd"))
"""

Launch = Callable[..., ChildProcess]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Starts `python -c SCRIPT 41` by the launcher; what still runs after the test is killed."""
    children: list[ChildProcess] = []

    def start(script: str, *, niceness: int = 0, grace_s: float = 10.0, **environment: str) -> ChildProcess:
        launcher = SubprocessLauncher(
            tmp_path, environment, niceness=niceness, command=(sys.executable, "-c", script), grace_s=grace_s
        )
        children.append(launcher.launch(JOB))
        return children[-1]

    yield start
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.process.wait(10)


def wait_for(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def wait_until_ready(home: Path) -> str:
    wait_for(lambda: "ready" in log_path(home, JOB.id).read_text())
    return log_path(home, JOB.id).read_text()


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_every_attempt_gets_the_job_s_id_and_adds_to_the_job_s_log(launch: Launch, tmp_path: Path) -> None:
    for word in ("first", "second"):
        child = launch(f"import sys; print('{word}', *sys.argv[1:]); print('to stderr', file=sys.stderr)")
        assert child.process.wait(30) == 0
        assert child.poll() == 0
    assert log_path(tmp_path, 41) == tmp_path / "jobs" / "41.log"
    assert sorted(log_path(tmp_path, 41).read_text().splitlines()) == [
        "first 41",
        "second 41",
        "to stderr",
        "to stderr",
    ]


def test_a_child_at_work_leads_its_session_shows_its_output_and_ends_when_asked(launch: Launch, tmp_path: Path) -> None:
    child = launch(SLEEP)
    assert wait_until_ready(tmp_path) == "ready\n"
    assert child.poll() is None
    assert os.getsid(child.pid) == child.pid != os.getsid(0)

    child.terminate()

    assert child.poll() == -signal.SIGTERM


def test_the_exit_status_is_the_child_s(launch: Launch) -> None:
    child = launch("raise SystemExit(3)", niceness=5)
    child.process.wait(30)
    assert child.poll() == 3


def test_a_child_that_was_killed_has_the_signal_s_negative_number(launch: Launch, tmp_path: Path) -> None:
    child = launch(SLEEP, niceness=5)
    wait_until_ready(tmp_path)
    os.kill(child.pid, signal.SIGKILL)
    wait_for(lambda: child.poll() is not None)
    assert child.poll() == -signal.SIGKILL


def test_settings_reach_the_child_on_top_of_the_environment(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FROM_PARENT", "kept")
    monkeypatch.setenv("LABELLOOP_SEED", "1")
    script = "import os; print(os.environ['FROM_PARENT'], os.environ['LABELLOOP_SEED'])"
    launch(script, LABELLOOP_SEED="2").process.wait(30)
    assert log_path(tmp_path, 41).read_text() == "kept 2\n"


def test_the_child_gives_way_to_serving(launch: Launch, tmp_path: Path) -> None:
    launch("import os; print(os.nice(0))", niceness=7).process.wait(30)
    assert int(log_path(tmp_path, 41).read_text()) == min(os.nice(0) + 7, 19)


def test_the_child_inherits_no_socket_and_no_input(launch: Launch, tmp_path: Path) -> None:
    """A child that held the server's socket would keep the port taken after the server is gone."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.set_inheritable(True)
        launch(LIST_FILES).process.wait(30)
    standard, listed = log_path(tmp_path, 41).read_text().splitlines()
    log = str(log_path(tmp_path, 41))
    assert standard.split() == ["/dev/null", log, log]
    assert listed == "['0', '1', '2', '3']"  # 3 is the listing itself


def test_a_child_that_does_not_listen_is_killed_after_the_grace_time(launch: Launch, tmp_path: Path) -> None:
    child = launch(IGNORE_SIGTERM, grace_s=0.5)
    wait_until_ready(tmp_path)
    started = time.monotonic()
    child.terminate()
    assert child.poll() == -signal.SIGKILL
    assert time.monotonic() - started >= 0.5


def test_terminating_ends_what_the_child_started(launch: Launch, tmp_path: Path) -> None:
    child = launch(START_ANOTHER)
    grandchild = int(wait_until_ready(tmp_path).split()[0])
    assert is_alive(grandchild)
    child.terminate()
    wait_for(lambda: not is_alive(grandchild))


def test_terminating_what_is_over_changes_nothing(launch: Launch) -> None:
    child = launch("pass")
    child.process.wait(30)
    child.terminate()
    assert child.poll() == 0


def test_a_child_outlives_the_process_that_launched_it(tmp_path: Path) -> None:
    parent_script = f"""
import os, signal, sys
from pathlib import Path
from ml_backend.domain.job import Job, JobState
from ml_backend.jobs.launcher import SubprocessLauncher

job = Job(id=41, kind="train", project_id=7, state=JobState.RUNNING, params={{}})
launcher = SubprocessLauncher(Path(sys.argv[1]), {{}}, command=(sys.executable, "-c", {SLEEP!r}))
print(launcher.launch(job).pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    command = [sys.executable, "-c", parent_script, str(tmp_path)]
    parent = subprocess.run(command, cwd=REPOSITORY, text=True, capture_output=True, check=False)
    assert parent.returncode == -signal.SIGKILL
    child = int(parent.stdout)
    try:
        wait_until_ready(tmp_path)
        assert is_alive(child)
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_program_that_does_not_exist_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        SubprocessLauncher(tmp_path, {}, niceness=0, command=("/nowhere/python",)).launch(JOB)


def job_of(child: ChildProcess, **changes: object) -> Job:
    return replace(JOB, pid=child.pid, host=child.host, **changes)


def launcher_of(home: Path, script: str) -> SubprocessLauncher:
    return SubprocessLauncher(home, {}, niceness=0, command=(sys.executable, "-c", script))


def host_of(*command: str) -> str:
    """Name of the machine, as jobs know it that a command starts."""
    command = (*command, sys.executable, "-c", PRINT_HOST)
    finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    if command[0] == "unshare" and finished.returncode != 0:
        pytest.skip(f"this machine makes no process namespaces: {finished.stderr.strip()}")
    return finished.stdout.strip()


def test_the_machine_is_named_by_host_and_process_namespace(launch: Launch) -> None:
    host = launch("pass").host
    assert host.startswith(socket.gethostname())
    assert host_of() == host


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
def test_a_container_with_the_same_host_name_is_another_machine() -> None:
    assert host_of("unshare", "--pid", "--fork", "--mount-proc") != host_of() != ""


def test_a_process_that_ended_is_seen_to_be_gone(launch: Launch, tmp_path: Path) -> None:
    child = launch(SLEEP)
    wait_until_ready(tmp_path)
    launcher = launcher_of(tmp_path, SLEEP)
    assert not launcher.is_gone(job_of(child))
    os.kill(child.pid, signal.SIGKILL)
    # Also while nobody has asked the kernel for its exit status yet.
    wait_for(lambda: launcher.is_gone(job_of(child)))
    child.process.wait(10)
    assert launcher.is_gone(job_of(child))


def test_another_machine_s_process_and_one_that_is_not_known_yet_are_not_seen(launch: Launch, tmp_path: Path) -> None:
    child = launch("pass")
    child.process.wait(30)
    launcher = launcher_of(tmp_path, "pass")
    assert not launcher.is_gone(replace(job_of(child), host="another-machine"))
    assert not launcher.is_gone(JOB)


def test_a_process_that_runs_something_else_under_the_same_id_is_not_the_job_s(launch: Launch, tmp_path: Path) -> None:
    child = launch(SLEEP)
    wait_until_ready(tmp_path)
    launcher = launcher_of(tmp_path, SLEEP)
    other = replace(job_of(child), id=42)
    assert launcher.is_gone(other)
    launcher.kill(other)
    launcher.kill(replace(job_of(child), host="another-machine"))
    assert child.poll() is None


def test_killing_a_hanging_process_ends_what_it_started(launch: Launch, tmp_path: Path) -> None:
    child = launch(START_ANOTHER)
    grandchild = int(wait_until_ready(tmp_path).split()[0])
    launcher_of(tmp_path, START_ANOTHER).kill(job_of(child))
    assert child.process.wait(10) == -signal.SIGKILL
    wait_for(lambda: not is_alive(grandchild))
