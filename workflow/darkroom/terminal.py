"""The terminal that a run is started from: whether a display can live there, and what else is written to it."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from typing import TextIO

DUMB = {"", "dumb", "unknown"}
PIECE = 2**16  # bytes


def is_live(stream: TextIO) -> bool:
    """Whether lines of a stream can be written over: it is standard error, on a terminal that can and that is ours.

    Not in the background (``snakemake &``), where a shell writes to the same lines.
    """
    try:
        number = stream.fileno()
        if number != 2 or not os.isatty(number) or os.environ.get("TERM", "") in DUMB:
            return False
    except (AttributeError, OSError, ValueError):  # a stream that is no file, or closed
        return False
    if (getattr(stream, "encoding", None) or "").lower().replace("-", "") != "utf8":
        return False
    try:
        return os.tcgetpgrp(number) == os.getpgrp()
    except OSError:  # a terminal that controls no processes
        return True


class Diversion:
    """What this process and its jobs write to the terminal meanwhile, which is read here instead, in order.

    Jobs write to standard error by themselves, and so do the handlers of Snakemake, which took hold of it long before:
    what stands behind that number is a pipe until the end.
    """

    def __init__(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        numbers = [2, 1] if _are_same(1, 2) else [2]
        self.terminal = os.dup(2)
        self._kept = {number: os.dup(number) for number in numbers}
        self._reader, self._writer = os.pipe()
        self._woken, self._waker = os.pipe()
        self._ended = False

    def begin(self) -> None:
        """Have all that is written from now on come here."""
        for number in self._kept:
            os.dup2(self._writer, number)
        os.close(self._writer)

    def read(self, seconds: float) -> bytes:
        """Return what was written, nothing after so many seconds."""
        ready, _, _ = select.select([self._reader, self._woken], [], [], seconds)
        text = b""
        while self._reader in ready and len(text) < 16 * PIECE:
            piece = os.read(self._reader, PIECE)
            if not piece:
                break
            text += piece
            ready, _, _ = select.select([self._reader], [], [], 0)
        return text

    def wake(self) -> None:
        """End the wait of who reads."""
        os.write(self._waker, b"\0")

    @property
    def is_woken(self) -> bool:
        """Whether somebody did."""
        return bool(select.select([self._woken], [], [], 0)[0])

    def end(self) -> None:
        """Have all that is written from now on go to the terminal again, by itself."""
        if self._ended:
            return
        self._ended = True
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        for number, kept in self._kept.items():
            os.dup2(kept, number)
            os.close(kept)

    def pass_on(self) -> None:
        """Hand on what is left, and what jobs still write that outlive the display, until the last one has ended."""
        with contextlib.suppress(OSError):  # the terminal is gone
            while piece := os.read(self._reader, PIECE):
                write_whole(self.terminal, piece)


def write_whole(number: int, text: bytes) -> None:
    """Write all of a text to a file."""
    while text:
        text = text[os.write(number, text) :]


def _are_same(one: int, other: int) -> bool:
    """Whether two numbers stand for the same file."""
    try:
        return os.path.samestat(os.fstat(one), os.fstat(other))
    except OSError:
        return False
