"""Run a command and write down what it took: ``python timed.py RESULT LOG COMMAND...``.

A process of its own, and a small one (the standard library is all it needs): Linux counts what a process held before it
became another program, so that a command that is started by a large process seems never to be smaller than that.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measurement:
    """What a command took: wall and processor time in s, and the memory of its largest process in MB."""

    seconds: float
    processor: float
    memory: float


def measure(command: Sequence[str], folder: Path, log: Path) -> Measurement:
    """Run a command in `folder`, as a process of its own, and measure it; what it prints goes to `log`.

    Raises
    ------
    RuntimeError
        If it fails, with the end of what it printed.
    """
    os.sync()  # what an earlier command wrote is not to be paid for by this one
    result = log.with_suffix(".json")
    launcher = [sys.executable, "-I", "-S", __file__, str(result.resolve()), str(log.resolve()), *command]
    subprocess.run(launcher, cwd=folder, check=True)
    status, *figures = json.loads(result.read_text())
    if status:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise RuntimeError(f"exit status {status}: {' '.join(command)}\n{end}")
    return Measurement(*figures)


def main(result: str, log: str, *command: str) -> None:
    with open(log, "wb") as printed:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    # kilobytes on Linux, bytes on macOS; of the largest process that this one waited for, itself included
    memory = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024)
    figures = [os.waitstatus_to_exitcode(status), seconds, usage.ru_utime + usage.ru_stime, memory]
    Path(result).write_text(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
