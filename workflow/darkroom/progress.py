"""What a person sees of a run while it runs: warnings, how far it is and how long it still takes."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
from copy import copy
from logging.handlers import QueueHandler
from typing import Any, TextIO

from snakemake_interface_logger_plugins.common import LogEvent

from darkroom.live_progress import LiveProgress
from darkroom.prepared import Prepared
from darkroom.runs import Run, demand_working_folder
from darkroom.standing import Standing, name_jobs, weigh_job
from darkroom.steering import Steering
from darkroom.terminal import is_live
from darkroom.warm import WarmProcess

MOST_WARNINGS = 12
# How Snakemake, which then ends the run, tells an input that is gone before its job starts.
MISSING = re.compile(r"^(.*) \(missing locally", re.MULTILINE)
# What says nothing to an observer.
CHATTER = ("Select jobs to execute...", "Assuming unrestricted shared filesystem usage.", "Reasons:")
# What says nothing more where jobs are shown while they run.
LIVE_CHATTER = (
    "Building DAG of jobs...",
    "Using shell:",
    "Group jobs: inactive",
    "Conda environments: ignored",
    "Singularity containers: ignored",
    "Job rate limit reached",
)
LIVE_EVENTS = (LogEvent.JOB_INFO, LogEvent.GROUP_INFO, LogEvent.RESOURCES_INFO)
SUBMITTED = re.compile(r"Submitted (group |array )?job |Job \S+ has been submitted ")
# How it says that no more jobs begin, and that those that ran have ended or are ended.
ENDS = ("Exiting because a job execution failed", "Shutting down, ", "Terminating processes on user request")
# How the rules of batches begin, of which there may be thousands.
BATCHES = ("solve_lights", "calibrate_lights", "preview_lights")


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

    On a terminal that is a live block at its bottom, else a line after each job. Nothing is printed where a logger
    plugin has the terminal. Where the settings say so, the run ends with the first master that fails its certification.
    The warm process is stopped unless jobs run on this machine.
    """
    from snakemake.logging import logger

    demand_working_folder()
    terminals = [handler for handler in logger.handlers if handler.name == "DefaultStreamHandler"]
    for handler in terminals:
        handler.addFilter(_is_worth_reading)
    progress = ProgressHandler(nights, silent=not terminals, run=Run(nights, workflow), warm=warm)
    plugins = any(isinstance(handler, QueueHandler) for handler in logger.handlers)
    if terminals and not plugins and _wants_display(terminals[0], workflow):
        progress.use_display(terminals[0])
    logger.addHandler(progress)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, progress.stop)
    return progress


def _wants_display(terminal: Any, workflow: Any) -> bool:
    """Whether a live block is of use: on a terminal, and where nobody asked for less of progress, or for all there is.

    Snakemake's option --debug hands the terminal to jobs.
    """
    from snakemake.settings.enums import Quietness

    asked = workflow.output_settings
    if asked.verbose or asked.debug_dag or {Quietness.ALL, Quietness.PROGRESS} & set(asked.quiet or ()):
        return False
    return is_live(terminal.stream) and not getattr(workflow.execution_settings, "debug", False)


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
        name = next((batches for batches in BATCHES if rule.startswith(f"{batches}_")), rule)
        counts[name] = counts.get(name, 0) + count
    width = max(len("job"), *map(len, counts))
    rows = [("job", "count"), ("-" * width, "-----"), *((name, str(count)) for name, count in counts.items())]
    return "\n".join(["Job stats:", *(f"{name:{width}}  {count:>5}" for name, count in rows), ""])


class _ShortErrors(logging.Formatter):
    """Says of a job that failed all that Snakemake does but for its files, of which there may be hundreds."""

    def __init__(self, whole: logging.Formatter):
        super().__init__()
        self.whole = whole

    def format(self, record: logging.LogRecord) -> str:
        if getattr(record, "event", None) == LogEvent.JOB_ERROR:
            record = copy(record)  # the log file, which other handlers write, has them
            record.__dict__.update(input=[], output=[])
        return self.whole.format(record)


class ProgressHandler(Steering):
    """Shows what Snakemake's job events come to: in a live block if it may use one, else in a line after each job."""

    def __init__(
        self,
        nights: Prepared,
        stream: TextIO | None = None,
        silent: bool = False,
        run: Run | None = None,
        warm: WarmProcess | None = None,
    ):
        super().__init__(nights, run, warm)
        self.stream = stream or sys.stderr
        self.silent = silent
        due = [job for job in nights.jobs.values() if job.due]
        self.standing = Standing(sum(map(weigh_job, due)))
        self.names = name_jobs(due)
        self.colour: bool | None = None  # of the live block, if there may be one
        self.live: LiveProgress | None = None

    @property
    def read(self) -> float:
        """The work that was done, in raw frames read."""
        return self.standing.read

    def use_display(self, terminal: Any) -> None:
        """Show a live block once jobs start, and have the terminal's handler leave out what that tells."""
        terminal.nocolor = terminal.nocolor or bool(os.environ.get("NO_COLOR"))  # which Snakemake does not heed
        self.colour = not terminal.nocolor
        terminal.addFilter(self._is_news)
        terminal.setFormatter(_ShortErrors(terminal.formatter))

    def _is_news(self, record: logging.LogRecord) -> bool:
        """Whether a record tells more than the block does; in a dry run, which has none, all do."""
        if record.levelno != logging.INFO or self.run is None or self.run.workflow.dryrun:
            return True
        text = str(record.msg)
        ignored = text.startswith(LIVE_CHATTER) or SUBMITTED.match(text)
        return getattr(record, "event", None) not in LIVE_EVENTS and not ignored

    def follow(self, event: LogEvent | None, record: logging.LogRecord) -> None:
        """Note a job that starts and one that ends, and show it."""
        super().follow(event, record)
        said = record.__dict__
        if event == LogEvent.RUN_INFO:
            self.standing.total = said["stats"].get("total", 0)
            self._begin_display()
        elif event == LogEvent.JOB_INFO and said["jobid"] in self.by_number:
            job = self.by_number[said["jobid"]]
            self.standing.start_job(said["jobid"], self.names.get(job.name, job.message))
        elif event == LogEvent.JOB_FINISHED:
            finished = self.by_number.pop(said["job_id"], None)
            self.standing.end_job(said["job_id"], weigh_job(finished) if finished else 0.0)
        elif event == LogEvent.JOB_ERROR:
            self.standing.fail_job(said["jobid"])
        elif record.levelno >= logging.ERROR and "MissingOutput" not in record.getMessage():
            for path in MISSING.findall(record.getMessage()):
                print(f"darkroom: {path}: gone since the plan was made; run snakemake again", file=self.stream)
        elif event == LogEvent.PROGRESS:
            self.standing.done, self.standing.total = said["done"], said["total"]
            if not self.silent and not self.is_live:
                print(self.standing.say_progress(), file=self.stream, flush=True)
        self.standing.ending = self.stopped
        if str(record.msg).startswith(ENDS) or (event == LogEvent.PROGRESS and said["done"] == said["total"]):
            self.end_display()

    @property
    def is_live(self) -> bool:
        """Whether the live block is there."""
        return self.live is not None and not self.live.failed

    def _begin_display(self) -> None:
        """Show the live block, if it may be used and jobs are about to start."""
        if self.colour is None or self.live or self.run is None or self.run.hold is None:
            return
        try:
            self.live = LiveProgress(self.standing, self.colour)
        except (ImportError, OSError):  # no such library here, or no more files: lines will do
            return
        self.live.begin()

    def end_display(self) -> None:
        """Remove the live block, if there is one, and leave a line in its place."""
        live, self.live, self.colour = self.live, None, None
        if live and not live.failed:
            live.end()
            print(self.standing.say_end(), file=self.stream, flush=True)

    def close(self) -> None:
        """Leave the terminal as it was; Snakemake closes its handlers at its end, however it comes."""
        self.end_display()
        super().close()
