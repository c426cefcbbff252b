"""A terminal of its own for a process, and what a person sees of all that is written to it."""

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

KNOWN = re.compile(r"\x1b\[(\d*)([AKm])|\x1b\[(\d+(?:;\d+)*)(m)")
BAR = re.compile(r"[━╸╺ ]* \d+ %")


class Screen:
    """What a terminal of so many columns shows when a text is written to it: its lines from the first on, the cursor.

    `blocks` are the lines below and with each bar that was drawn over. Anything but text, line ends, colours, a step up
    and an erased line is a failure, as is a step above the first line.
    """

    def __init__(self, columns: int, text: str = ""):
        self.columns = columns
        self.lines = [""]
        self.row = self.column = 0
        self.blocks: list[list[str]] = []
        self.write(text)

    def write(self, text: str) -> None:
        place = 0
        while place < len(text):
            char = text[place]
            if text.startswith("\r\x1b[2K", place):
                bar = max((row for row in range(self.row + 1) if BAR.fullmatch(self.lines[row])), default=None)
                assert bar is not None, "what is drawn over is no block"
                self.blocks.append(self.lines[bar : self.row + 1])
            if char == "\x1b":
                found = KNOWN.match(text, place)
                assert found, f"an escape sequence of another kind: {text[place : place + 12]!r}"
                self._obey(found[2] or found[4], int(found[1] or 1))
                place = found.end()
                continue
            if char == "\n":
                self._go_down()
            elif char == "\r":
                self.column = 0
            elif char.isprintable():
                self._put(char)
            else:
                raise AssertionError(f"a control character: {char!r}")
            place += 1

    def _obey(self, what: str, number: int) -> None:
        if what == "A":
            assert self.row >= number, "a step above the first line"
            self.row -= number
        elif what == "K":
            assert number == 2, "only whole lines are erased"
            self.lines[self.row] = ""

    def _put(self, char: str) -> None:
        if self.column == self.columns:
            self.column = 0
            self._go_down()
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[: self.column] + char + line[self.column + 1 :]
        self.column += 1

    def _go_down(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append("")


@dataclass
class Shown:
    """What a process wrote to its terminal, how it ended, and whether the terminal was left as it was."""

    text: str
    status: int
    as_before: bool
    columns: int

    @property
    def screen(self) -> Screen:
        """The screen at the end."""
        return Screen(self.columns, self.text)


def run_in_terminal(
    command: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    columns: int = 80,
    rows: int = 24,
    act: Callable[[str, int, subprocess.Popen[bytes]], bool] | None = None,
    timeout: float = 120,
) -> Shown:
    """Run a command with a terminal as its standard input, output and error.

    `act` is called with what was written so far, the terminal's other end and the process, until it says that it has
    done what it was to do.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (rows, columns))
    before = termios.tcgetattr(theirs)
    process = subprocess.Popen(
        list(map(str, command)),
        cwd=folder,
        env={**os.environ, "TERM": "xterm-256color", **(environment or {})},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    written = b""
    deadline = time.monotonic() + timeout
    try:
        while True:
            running = process.poll() is None
            if select.select([ours], [], [], 0.05 if running else 0)[0]:
                written += os.read(ours, 2**16)
            elif not running:
                break
            if act and act(written.decode("utf-8", "replace"), ours, process):
                act = None
            assert time.monotonic() < deadline, f"it does not end: {written.decode('utf-8', 'replace')}"
        after = termios.tcgetattr(theirs)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(theirs)
        os.close(ours)
    return Shown(written.decode("utf-8", "replace"), process.returncode, after == before, columns)
