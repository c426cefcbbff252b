"""Runs a plan's due jobs in this process, as Snakemake would, for tests that need many short runs."""

from pathlib import Path
from typing import Any

from darkroom.certificates import set_aside
from darkroom.prepared import Job, Prepared
from tests.workflow.jobs import plan_night, run_job


def run_due(folder: Path, **config: Any) -> tuple[Prepared, set[str], set[str]]:
    """Plan the night in `folder` and run what is due; plan again while masters fail that others can replace.

    Returns the last plan, the products made and the jobs that failed, all by their names below results.
    """
    made: set[str] = set()
    failed: set[str] = set()
    while True:
        nights = plan_night(folder, **config)
        if nights.refusal:
            return nights, made, failed
        done, lost = _run_jobs(nights)
        made |= done
        failed |= lost
        after = plan_night(folder, **config)
        set_aside(Path(after.results), after.failed)
        if not set(after.failed) - set(nights.failed):
            return after, made, failed


def _run_jobs(nights: Prepared) -> tuple[set[str], set[str]]:
    """Run each due job once all that it needs is there; return the products made and the jobs that failed."""
    waiting = {job.name: job for job in nights.jobs.values() if job.due}
    made: set[str] = set()
    failed: set[str] = set()

    def is_ready(job: Job) -> bool:
        unmade = {product for other in nights.jobs.values() if other.due for product in other.products} - made
        return not unmade & set(job.needs)

    while ready := [job for job in waiting.values() if is_ready(job)]:
        for job in ready:
            del waiting[job.name]
            try:
                run_job(nights, job)
                made |= set(job.products)
            except SystemExit:
                failed.add(job.name)
    return made, failed
