"""What Snakemake was asked for: to run, to name what it would run, to submit; and what follows from that."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

JOB_LIMIT = 100, 1  # Snakemake's own: jobs started, in seconds
DRY_RUN = {"-n", "--dry-run", "--dryrun"}
DELETING = {"--delete-all-output", "--delete-temp-output"}


def is_dry_run() -> bool:
    """Whether the command line asks for a dry run; Snakemake tells only after parsing."""
    return not DRY_RUN.isdisjoint(sys.argv)


def deletes() -> bool:
    """Whether the command line asks to delete products, and not to name them only."""
    return not DELETING.isdisjoint(sys.argv) and not is_dry_run()


def find_lost_profile() -> str | None:
    """Return the path of a profile that the command line names and that is not there, which Snakemake passes over."""
    values = [
        argument.partition("=")[2] or "".join(sys.argv[number + 1 : number + 2])
        for number, argument in enumerate(sys.argv)
        if argument == "--workflow-profile" or argument.startswith("--workflow-profile=")
    ]
    starts = [Path(os.environ.get("PWD", ".")), Path()]  # --directory has been followed already
    lost = [value for value in values if "/" in value and not any((start / value).exists() for start in starts)]
    return lost[-1] if lost else None


def submits(workflow: Any) -> bool:
    """Whether jobs go to a cluster, as far as can be told while Snakemake parses, and in a dry run of that, too.

    The profiles for clusters have default resources, such as an account; a local run has no use for any.
    """
    return workflow.resource_settings.default_resources is not None


def lift_job_limit(workflow: Any) -> None:
    """Let a local run start as many jobs a second as it can, where Snakemake's default is in force: 100 in a second.

    Snakemake 9.27 starts a timer of that second with every round of its scheduler, and waits for the last one at its
    end: up to a second of each run in which nothing happens. Its cores limit a local run well enough; a cluster, which
    is told by a number of jobs, needs the limit.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    local = workflow.resource_settings.nodes is None
    if local and limit is not None and (limit.max_jobs, limit.timespan) == JOB_LIMIT:
        workflow.scheduling_settings.max_jobs_per_timespan = None


def makes_what_is_due(workflow: Any) -> bool:
    """Whether Snakemake is to make (or name) what is not up to date, and nothing else.

    Not where it is to force rules, cut the graph, touch files, or where it runs nothing at all but summarises, draws or
    deletes.
    """
    rules = workflow.dag_settings
    told = rules.forceall or rules.forcerun or rules.until or rules.omit_from or rules.batch or workflow.touch
    return workflow.scheduling_settings is not None and not told


def only_names_jobs(workflow: Any) -> bool:
    """Whether this is a dry run that goes by times alone: with Snakemake's other triggers each input counts."""
    triggers = {str(trigger) for trigger in workflow.dag_settings.rerun_triggers}
    return bool(workflow.dryrun and triggers <= {"mtime"})


def is_asked_of_job(rule: str) -> bool:
    """Whether a job on a cluster, which parses the rules again, is to run this one, by its own command line."""
    return rule in sys.argv


def give_up(workflow: Any, number: int) -> None:
    """Have Snakemake not try a job once more, alone or in its group, though it has tries left (``--retries``)."""
    for running in list(workflow.scheduler.running):
        members = running.jobs if running.is_group() else [running]
        if number in (workflow.dag.jobid(job) for job in members):
            running.attempt = running.restart_times + 1


def keep_going(workflow: Any) -> None:
    """Have a job on a cluster that is a group make what it can of it, though one of its members fails.

    Snakemake 9.27 does not hand ``--keep-going`` over to it.
    """
    from snakemake.logging import logger

    def keep_going_then(record: logging.LogRecord) -> bool:
        if getattr(record, "event", None) == LogEvent.WORKFLOW_STARTED:  # known only now, after parsing
            workflow.execution_settings.keep_going = True
        return True

    logger.addFilter(keep_going_then)
