"""Pages of nights whose run failed: they tell what was made and what was not; the next run makes them anew."""

from __future__ import annotations

from pathlib import Path

from darkroom.job import read_problems
from darkroom.planned import read_recipe_file
from darkroom.prepared import Job, Prepared
from darkroom.problems import JobProblem
from darkroom.products import write_text

UNSAID = "not made, for something that it needs was not; the end of the run tells what"


def show_unfinished(nights: Prepared) -> list[str]:
    """Make the pages that are due of what there is; return their paths. They bear no stamp, so that they stay due.

    A page that cannot be made is left out: the run has failed already, and says why.
    """
    from darkroom.gather_night import gather_night
    from darkroom.report_page import render_night

    results, shown = Path(nights.results), []
    for job in nights.jobs.values():
        if job.kind == "make_report" and job.due:
            try:
                recipe = read_recipe_file(str(results / job.recipe))
                night = gather_night(recipe, results, find_failures(nights, recipe["night"]["lights"]))
                write_text(str(results / job.products[0]), render_night(night), recipe)
            except (JobProblem, OSError):
                continue
            shown.append(job.products[0])
    return shown


def find_failures(nights: Prepared, lights: list[dict[str, str]]) -> dict[str, str]:
    """Return why lights were not made, by their paths: what the log of their job says of them, or of it all."""
    results = Path(nights.results)
    jobs = {product: job for job in nights.batches for product in job.products}
    return {
        light["path"]: _find_reason(results, jobs[light["path"]], light["raw"])
        for light in lights
        if light["path"] in jobs and not (results / light["path"]).exists()
    }


def _find_reason(results: Path, job: Job, raw: str) -> str:
    lines = read_problems(results / job.log)
    name = raw.rsplit("/", 1)[-1]
    return next((line for line in lines if name in line), lines[0] if lines else f"{raw}: {UNSAID}")
