"""Child programs: other people's programs, run for a while in a folder of their own and stopped with all they started.

They get a list of arguments, never a shell; what they print goes to a file, of which the end is kept.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

SAID = "said.txt"
KEPT = 2**16  # bytes of what it said, from the end
# Of the user's surroundings, what a program needs to be found and to find its libraries.
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH", "SYSTEMROOT")


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit status, None if it was stopped at the time limit; and the end of what it said."""

    status: int | None
    said: str

    @property
    def last_line(self) -> str:
        """The last line that says anything, printable."""
        lines = [line.strip() for line in self.said.splitlines() if line.strip()]
        return "".join(sign if sign.isprintable() else "?" for sign in lines[-1])[:200] if lines else ""


def run_child(command: Sequence[str], folder: Path, seconds: float) -> Ended:
    """Run a program in a folder, for so long at most; whatever happens, nothing of it goes on afterwards.

    Raises
    ------
    OSError
        If it cannot be started.
    """
    surroundings = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    surroundings |= {"LC_ALL": "C", "HOME": str(folder), "TMPDIR": str(folder)}
    with (folder / SAID).open("wb") as said, _end_on_sigterm():
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that it can be stopped with all that it starts
        )
        try:
            status: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return Ended(status, _read_end(folder / SAID))


def _read_end(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - KEPT))
        return file.read(KEPT).decode("utf-8", errors="replace")


@contextmanager
def _end_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end this process as Ctrl-C does, so that the child is stopped and its folder removed."""

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
