"""How Snakemake is steered by what it says of itself: a run begins, jobs fail, somebody stops it."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

from darkroom.asked import give_up, lift_job_limit
from darkroom.job import read_problems
from darkroom.prepared import Job, Prepared
from darkroom.runs import Run
from darkroom.warm import WarmProcess

# What it says when it is told to end, by Ctrl-C or by SIGTERM: nothing is to be begun then.
STOPPED = ("Terminating processes on user request", "Will exit after finishing currently running jobs")
QUEUE = "SLURM run ID: "  # how the plugin for Slurm tells what it calls its jobs


def let_others_end(number: int) -> None:
    """Have the handler of a signal run in a thread of its own.

    That of Snakemake 9.27 for SIGTERM takes a lock that the interrupted thread may hold, and would wait for ever.
    """
    handler = signal.getsignal(number)
    if callable(handler) and threading.current_thread() is threading.main_thread():
        signal.signal(number, lambda *told: threading.Thread(target=handler, args=told, daemon=True).start())


class Steering(logging.Handler):
    """Follows Snakemake's log events, and has the run follow them.

    Where the settings say so, the run ends with the first master that fails its certification. The warm process is
    stopped unless jobs run on this machine.
    """

    def __init__(self, nights: Prepared, run: Run | None = None, warm: WarmProcess | None = None):
        super().__init__()
        self.jobs = {f"{nights.results}/{product}": job for job in nights.jobs.values() for product in job.products}
        self.run = run
        self.warm = warm
        self.ends_at_failure = nights.if_failed == "stop"
        self.by_number: dict[int, Job] = {}
        self.failed: list[Job] = []
        self.stopped = False

    def emit(self, record: logging.LogRecord) -> None:
        """Follow what Snakemake does; an error here must not end one of its threads, or it would wait for ever."""
        try:
            self.follow(getattr(record, "event", None), record)
        except Exception:  # as handlers of logging do, which prints it
            self.handleError(record)

    def follow(self, event: LogEvent | None, record: logging.LogRecord) -> None:
        """Remember a job that starts, note one that fails, and have the run follow."""
        if self.run:
            self._steer(self.run, event, record)
        self.stopped |= str(record.msg).startswith(STOPPED)
        if event == LogEvent.JOB_INFO:
            job = self.jobs.get(str(next(iter(record.__dict__["output"]), "")))
            if job:
                self.by_number[record.__dict__["jobid"]] = job

    def _steer(self, run: Run, event: LogEvent | None, record: logging.LogRecord) -> None:
        if event == LogEvent.WORKFLOW_STARTED:
            lift_job_limit(run.workflow)  # known only now, after parsing, and read as soon as the graph is there
        elif event == LogEvent.RUN_INFO:
            run.begin(record.__dict__["stats"])
            let_others_end(signal.SIGTERM)
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
