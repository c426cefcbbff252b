"""A job of the workflow: its log written, its failure said in one line."""

from __future__ import annotations

import gc
import io
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, TypeVar

from darkroom.problems import JobProblem
from darkroom.texts import make_printable
from darkroom.whole_files import say_unwritable

PROBLEM = "darkroom: "  # how a line begins that tells one
T = TypeVar("T")


@contextmanager
def report_to(path: str) -> Iterator[TextIO]:
    """Open the job's log; a problem ends the job with a line there and on the terminal, not with a traceback.

    The last line says what the job took. To be the last thing that a script does.
    """
    begun = time.monotonic()
    warnings.filterwarnings("ignore", module=r"astropy\.io\.fits")  # of raw headers, without a word on whose
    with _open_log(path) as log:
        try:
            yield log
            print(_say_taken(time.monotonic() - begun), file=log)
        except JobProblem as problem:
            for line in map(make_printable, str(problem).split("\n")):
                print(PROBLEM + line, file=log)
                print(PROBLEM + line, file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:  # Snakemake says that it was interrupted
            sys.exit(130)
        finally:
            gc.freeze()  # Python need not look for garbage in all that was imported before it ends


@contextmanager
def _open_log(path: str) -> Iterator[TextIO]:
    """Give a log that is written at the end, so that no job stops half-way for want of room for it.

    If it cannot be written, the job has failed, and says so on the terminal.
    """
    said = io.StringIO()
    log, failure = _try(lambda: os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666))
    try:
        yield said
    finally:
        if log is not None:
            _, failure = _try(lambda: _write_last(log, said.getvalue()))
        if failure:
            print(PROBLEM + make_printable(say_unwritable(path, failure)), file=sys.stderr)
    if failure:
        sys.exit(1)


def _try(act: Callable[[], T]) -> tuple[T | None, OSError | None]:
    """Return what comes of an act on a file, or what the system says against it."""
    try:
        return act(), None
    except OSError as error:
        return None, error


def _write_last(log: int, text: str) -> None:
    with open(log, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)


def _say_taken(seconds: float) -> str:
    """Return the time that this process took, that of the processor, and the most memory."""
    taken = resource.getrusage(resource.RUSAGE_SELF)
    memory = taken.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024)  # of bytes, and of kilobytes
    return f"took {seconds:.2f} s, {taken.ru_utime + taken.ru_stime:.2f} s of the processor, {memory:.0f} MB at most"


def read_problems(log: Path) -> list[str]:
    """Return what a job said of why it failed; nothing if it ended well, or did not come to say it."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [line.removeprefix(PROBLEM) for line in lines if line.startswith(PROBLEM)]
