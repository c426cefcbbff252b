"""Runs a plan's due jobs in this process, as Snakemake would, for tests that need many short runs."""

import runpy
from pathlib import Path
from typing import Any

from snakemake.iocontainers import InputFiles, Log, OutputFiles, Params, ResourceList, Snakemake, Wildcards

from darkroom.certificates import set_aside
from darkroom.jobs import Job
from darkroom.prepare import Prepared
from tests.running import REPOSITORY
from tests.workflow.jobs import plan_night


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
        done, lost = _run_jobs(nights, config)
        made |= done
        failed |= lost
        after = plan_night(folder, **config)
        set_aside(Path(after.results), after.failed)
        if not set(after.failed) - set(nights.failed):
            return after, made, failed


def _run_jobs(nights: Prepared, config: dict[str, Any]) -> tuple[set[str], set[str]]:
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
                run_script(nights, job, config)
                made |= set(job.products)
            except SystemExit:
                failed.add(job.name)
    return made, failed


def run_script(nights: Prepared, job: Job, config: dict[str, Any]) -> None:
    """Run a job's script with what its rule gives it."""
    results = Path(nights.results)
    files = InputFiles([str(results / job.recipe), *job.frames, *(str(results / path) for path in job.masters)])
    files._set_name("recipe", 0)
    files._set_name("frames", 1, end=1 + len(job.frames))
    files._set_name("masters", 1 + len(job.frames), end=len(files))
    log = results / job.log
    log.parent.mkdir(parents=True, exist_ok=True)
    outputs = [results / path for path in job.products]
    for path in outputs:
        if job.kind != "calibrate_lights":  # Snakemake removes them first
            path.unlink(missing_ok=True)
    snakemake = Snakemake(
        input_=files,
        output=OutputFiles(list(map(str, outputs))),
        params=Params(fromdict={"warn_only": config.get("certification", {}).get("failed") == "warn"}),
        wildcards=Wildcards(),
        threads=1,
        resources=ResourceList(),
        log=Log([str(log)]),
        config={},
        rulename=job.kind,
        bench_iteration=None,
    )
    runpy.run_path(str(REPOSITORY / "scripts" / f"{job.kind}.py"), init_globals={"snakemake": snakemake})
