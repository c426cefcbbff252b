"""The processes of a cluster: started in the foreground, written down, and stopped by what was written down.

What is written down is enough to stop them when the process that started them is gone.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 10.0  # s between the request to end and kill -9


def wait_for(condition: Callable[[], T], what: str, limit: float = 60.0, step: float = 0.1) -> T:
    """Ask again and again until something true comes back; return it.

    Raises
    ------
    TimeoutError
        If nothing true came within `limit` seconds; `what` says what was waited for.
    """
    end = time.monotonic() + limit
    while not (found := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {limit:g} s")
        time.sleep(step)
    return found


def start_daemon(folder: Path, name: str, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen:
    """Start a process that stays; its id goes to `folder`/pids/`name`, what it says to `folder`/log/`name`.out."""
    with (folder / "log" / f"{name}.out").open("ab") as printed:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the tests, which then stop it in order
        )
    (folder / "pids" / name).write_text(f"{process.pid} {read_start(process.pid)}")
    return process


def read_start(pid: int) -> str:
    """Return when a process began, in ticks since the machine did: with its id, the name of one process for ever.

    Of a process that is gone, or ended and was not asked how, nothing.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def find_daemon(folder: Path, name: str) -> int | None:
    """Return the process id of a daemon that was written down and still runs."""
    try:
        pid, start = (folder / "pids" / name).read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if read_start(int(pid)) == start else None


def stop_daemon(folder: Path, name: str, how: signal.Signals = signal.SIGTERM) -> None:
    """End a daemon that was written down; by kill -9 if it does not listen."""
    for each in (how, signal.SIGKILL):
        pid = find_daemon(folder, name)
        if pid is None:
            break
        os.kill(pid, each)
        end = time.monotonic() + PATIENCE
        while find_daemon(folder, name) is not None and time.monotonic() < end:
            time.sleep(0.05)
    (folder / "pids" / name).unlink(missing_ok=True)


def find_processes(variable: str, value: str | Path) -> list[int]:
    """Return the ids of all processes that were started with this in their environment."""
    mark = f"{variable}={value}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:  # ended meanwhile, or another user's
            continue
    return [pid for pid in found if pid != os.getpid() and read_start(pid)]


def stop_all(folder: Path) -> None:
    """End every process of the cluster in `folder`, whoever started it: daemons first, then jobs that outlived them."""
    order = ["slurmctld", "slurmdbd", "mariadbd", "munged"]
    names = [path.name for path in (folder / "pids").glob("*")]
    for name in sorted(names, key=lambda name: order.index(name) if name in order else -1):
        stop_daemon(folder, name)
    for pid in find_processes("SLURM_CONF", folder / "slurm.conf"):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
