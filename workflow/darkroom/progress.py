"""What a person sees of a run while it runs: warnings, how far it is and how long it still takes."""

from __future__ import annotations

import logging
import re
import signal
import sys
import time
from typing import Any, TextIO

from snakemake_interface_logger_plugins.common import LogEvent

from darkroom.asked import give_up, lift_job_limit
from darkroom.job import read_problems
from darkroom.prepared import Job, Prepared
from darkroom.runs import Run, demand_working_folder
from darkroom.warm import WarmProcess

MOST_WARNINGS = 12
# How Snakemake, which then ends the run, tells an input that is gone before its job starts.
MISSING = re.compile(r"^(.*) \(missing locally", re.MULTILINE)
# What it says when it is told to end, by Ctrl-C or by SIGTERM: nothing is to be begun then.
STOPPED = ("Terminating processes on user request", "Will exit after finishing currently running jobs")
QUEUE = "SLURM run ID: "  # how the plugin for Slurm tells what it calls its jobs
# What says nothing to an observer.
CHATTER = ("Select jobs to execute...", "Assuming unrestricted shared filesystem usage.", "Reasons:")
BATCHES = "calibrate_lights"  # how the rules of all batches begin, of which there may be thousands


def warn(nights: Prepared, stream: TextIO | None = None) -> None:
    """Print what was left out and why, one line each."""
    stream = stream or sys.stderr
    for line in nights.warnings[:MOST_WARNINGS]:
        print(f"warning: {line}", file=stream)
    if len(nights.warnings) > MOST_WARNINGS:
        more = len(nights.warnings) - MOST_WARNINGS
        print(f"warning: and {more} more; all in {nights.results}/plan.txt", file=stream)


def follow(nights: Prepared, workflow: Any, warm: WarmProcess | None = None) -> ProgressHandler:
    """Have Snakemake's own log events printed as progress: what is done, how far, how long is left.

    Nothing is printed where a logger plugin has the terminal. Where the settings say so, the run ends with the first
    master that fails its certification. The warm process is stopped unless jobs run on this machine.
    """
    from snakemake.logging import logger

    demand_working_folder()
    terminals = [handler for handler in logger.handlers if handler.name == "DefaultStreamHandler"]
    for handler in terminals:
        handler.addFilter(_is_worth_reading)
    progress = ProgressHandler(nights, silent=not terminals, run=Run(nights, workflow), warm=warm)
    logger.addHandler(progress)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, progress.stop)
    return progress


def _is_worth_reading(record: logging.LogRecord) -> bool:
    """Whether a record stays on the terminal: not what ProgressHandler says better, nor the scheduler's chatter.

    The table of jobs is made to count the batches of lights together.
    """
    if getattr(record, "event", None) == LogEvent.RUN_INFO and record.__dict__.get("stats"):
        record.msg = count_jobs(record.__dict__["stats"])
    said = (LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED, LogEvent.PROGRESS)
    return getattr(record, "event", None) not in said and not str(record.msg).startswith(CHATTER)


def count_jobs(stats: dict[str, int]) -> str:
    """Return how many jobs of each rule there are as a table, like Snakemake's but for the batches of lights."""
    counts: dict[str, int] = {}
    for rule, count in stats.items():
        name = BATCHES if rule.startswith(f"{BATCHES}_") else rule
        counts[name] = counts.get(name, 0) + count
    width = max(len("job"), *map(len, counts))
    rows = [("job", "count"), ("-" * width, "-----"), *((name, str(count)) for name, count in counts.items())]
    return "\n".join(["Job stats:", *(f"{name:{width}}  {count:>5}" for name, count in rows), ""])


class ProgressHandler(logging.Handler):
    """Turns Snakemake's job events into a line after each job.

    The time left is the time so far times the frames still to be read over the frames read.
    """

    def __init__(
        self,
        nights: Prepared,
        stream: TextIO | None = None,
        silent: bool = False,
        run: Run | None = None,
        warm: WarmProcess | None = None,
    ):
        super().__init__()
        self.jobs = {f"{nights.results}/{product}": job for job in nights.jobs.values() for product in job.products}
        self.stream = stream or sys.stderr
        self.silent = silent
        self.run = run
        self.warm = warm
        self.ends_at_failure = nights.if_failed == "stop"
        self.by_number: dict[int, Job] = {}
        self.failed: list[Job] = []
        self.read = 0
        self.stopped = False
        self.started = time.monotonic()
        self.to_do = sum(job.weight for job in nights.jobs.values() if job.due)

    def emit(self, record: logging.LogRecord) -> None:
        """Follow what Snakemake does; an error here must not end one of its threads, or it would wait for ever."""
        try:
            self.follow(record)
        except Exception:  # as handlers of logging do, which prints it
            self.handleError(record)

    def follow(self, record: logging.LogRecord) -> None:
        """Remember a job that starts; print a line when it ends."""
        event = getattr(record, "event", None)
        if self.run:
            self._steer(self.run, event, record)
        self.stopped |= str(record.msg).startswith(STOPPED)
        if event == LogEvent.JOB_INFO:
            product = next(iter(record.__dict__["output"]), "")
            job = self.jobs.get(str(product))
            if job:
                self.by_number[record.__dict__["jobid"]] = job
        elif event == LogEvent.JOB_FINISHED:
            job = self.by_number.pop(record.__dict__["job_id"], None)
            if job:
                self.read += job.weight
        elif record.levelno >= logging.ERROR and "MissingOutput" not in record.getMessage():
            for path in MISSING.findall(record.getMessage()):
                print(f"darkroom: {path}: gone since the plan was made; run snakemake again", file=self.stream)
        elif event == LogEvent.PROGRESS and not self.silent:
            done, total = record.__dict__["done"], record.__dict__["total"]
            print(self._say(done, total), file=self.stream, flush=True)

    def _steer(self, run: Run, event: LogEvent | None, record: logging.LogRecord) -> None:
        """Have the run follow what Snakemake does."""
        if event == LogEvent.WORKFLOW_STARTED:
            lift_job_limit(run.workflow)  # known only now, after parsing, and read as soon as the graph is there
        elif event == LogEvent.RUN_INFO:
            run.begin(record.__dict__["stats"])
            if self.warm and not run.workflow.local_exec:
                self.warm.stop()
        elif event == LogEvent.JOB_ERROR:
            self._take_note(run, record.__dict__["jobid"])
        elif str(record.msg).startswith(QUEUE):
            run.queue = str(record.msg).removeprefix(QUEUE).strip()

    def _take_note(self, run: Run, number: int) -> None:
        """Remember a job that failed. What said why would say it again: it is not tried once more."""
        job = self.by_number.get(number)
        if job is None:
            return
        self.failed.append(job)
        problems = read_problems(run.results / job.log)
        if problems:
            give_up(run.workflow, number)
        if self.ends_at_failure and job.kind == "certify_master" and problems:
            run.workflow.scheduler.keepgoing = False  # what runs still ends, nothing else begins

    def list_silent(self) -> list[Job]:
        """Return the jobs that failed, and did not say why; not those of a group that waited for another member."""
        if self.run is None:
            return []
        results = self.run.results
        failed = {job.name: job for job in self.failed if all((results / path).exists() for path in job.needs)}
        return [job for job in failed.values() if not read_problems(results / job.log) and not job.is_made(results)]

    def stop(self, number: int, frame: Any) -> None:
        """Note Ctrl-C and pass it on: asyncio, which Snakemake starts now and then, loses one that comes just then."""
        self.stopped = True
        signal.default_int_handler(number, frame)

    def _say(self, done: int, total: int) -> str:
        elapsed = time.monotonic() - self.started
        text = f"{done} of {total} jobs done ({100 * done // total} %), {say_time(elapsed)} so far"
        left = self.to_do - self.read
        if self.read and left > 0:
            text += f", about {say_time(elapsed * left / self.read)} left"
        return text


def say_time(seconds: float) -> str:
    """Return a length of time as a person says it: 12 s, 3 min 20 s, 2 h 5 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
