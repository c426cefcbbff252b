"""How far a run is and how long it still takes, and what a person calls its jobs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from darkroom.prepared import Job
from darkroom.texts import make_printable

PLAIN_VERBS = {"make", "calibrate", "collect"}  # what a job makes says as much
PAGES = {"make_report", "make_trends"}
PAGE = 12.0  # times the work on a raw frame: what the libraries that draw a page take
PICTURE = 0.25  # of the work on a raw frame: what a job that reads none takes for each of its products


def weigh_job(job: Job) -> float:
    """Return the work of a job, in raw frames read."""
    if job.kind in PAGES:
        return PAGE + PICTURE * len(job.needs) / 10
    return job.weight or PICTURE * len(job.products)


@dataclass
class Standing:
    """How far a run is: jobs ``done`` of a ``total``, and the work ``read`` of all that is ``to_do``, in raw frames.

    The time left is the time so far times the frames still to be read over the frames read. Jobs that run, or wait in
    the queue of a cluster, are kept by their numbers: what a person calls them and since when.
    """

    to_do: float
    started: float = field(default_factory=time.monotonic)
    done: int = 0
    total: int = 0
    read: float = 0.0
    read_at: float = 0.0
    failed: set[int] = field(default_factory=set)
    running: dict[int, tuple[str, float]] = field(default_factory=dict)
    ending: bool = False

    def start_job(self, number: int, name: str) -> None:
        """Note a job that starts, perhaps once more."""
        self.failed.discard(number)
        self.running[number] = name, time.monotonic()

    def end_job(self, number: int, work: float) -> None:
        """Note a job that ended well."""
        self.running.pop(number, None)
        self.failed.discard(number)
        self.read += work
        self.read_at = time.monotonic()

    def fail_job(self, number: int) -> None:
        """Note a job that failed; it may be tried once more."""
        self.running.pop(number, None)
        self.failed.add(number)

    @property
    def elapsed(self) -> float:
        """How long the run has taken so far, s."""
        return time.monotonic() - self.started

    @property
    def share(self) -> float:
        """How much of the work is done, from 0 to 1."""
        if self.to_do:
            return min(self.read / self.to_do, 1.0)
        return self.done / self.total if self.total else 0.0

    def guess_left(self) -> float | None:
        """Return how long the rest may take, s, by the last job that ended; None if there is nothing to tell by."""
        left = self.to_do - self.read
        if not self.read or left <= 0:
            return None
        guessed = (self.read_at - self.started) * left / self.read - (time.monotonic() - self.read_at)
        return guessed if guessed >= 0.5 else None  # of less there is nothing to say

    def say_progress(self) -> str:
        """Return the line that is printed after a job."""
        elapsed = self.elapsed
        text = f"{self.done} of {self.total} jobs done ({100 * self.done // self.total} %), {say_time(elapsed)} so far"
        left = self.to_do - self.read
        if self.read and left > 0:
            text += f", about {say_time(elapsed * left / self.read)} left"
        return text

    def say_end(self) -> str:
        """Return the line that stays on a terminal where progress was shown."""
        failed = f"; {len(self.failed)} failed" if self.failed else ""
        return f"{self.done} of {self.total} jobs done in {say_time(self.elapsed)}{failed}{'; stopped' * self.ending}"


def say_time(seconds: float) -> str:
    """Return a length of time as a person says it: 12 s, 3 min 20 s, 2 h 5 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def name_jobs(jobs: Iterable[Job]) -> dict[str, str]:
    """Return what a person calls each job, by the job's name: master flat V, 7 frames; lights V 60 s: 48.

    Night and setup are told where there are several.
    """
    jobs = list(jobs)
    nights = {job.name.split("/")[0] for job in jobs if "/" in job.name}
    setups = {job.name.split("/")[1] for job in jobs if job.name.count("/") > 1}
    return {job.name: _name_job(job, len(nights) > 1, len(setups) > 1) for job in jobs}


def _name_job(job: Job, with_night: bool, with_setup: bool) -> str:
    *places, stem = job.name.split("/")
    stem = re.sub(r"\.[a-z]+$", "", stem)  # of a page or a picture
    if len(places) < 2:  # of a night, or of all
        return make_printable(" ".join([_speak(stem), *places]))
    batch = re.fullmatch(r"(.*)_(\d{3})(_stale)?", stem)
    if batch and job.kind.endswith("_lights"):
        number = int(batch[2])
        text = _speak(batch[1]) + (f" ({number + 1})" if number else "") + f": {len(job.products)}"
    else:
        verb = job.kind.split("_")[0]
        text = _speak(stem) if verb in PLAIN_VERBS else f"{verb} {_speak(stem)}"
        if job.weight:
            text += f", {job.weight} frame{'s' if job.weight > 1 else ''}"
    where = [places[0]] * with_night + [places[1]] * with_setup
    return make_printable(", ".join([text, *where]))


def _speak(stem: str) -> str:
    """Return a file's stem in words: master_dark_60s is master dark 60 s."""
    return re.sub(r"(?<=\d)s\b", " s", stem.replace("_", " "))
