"""Pages of nights whose run failed: they tell what was made and what was not; the next run makes them anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from darkroom.job import read_problems
from darkroom.planned import read_recipe_file
from darkroom.prepared import Job, Prepared
from darkroom.problems import JobProblem
from darkroom.products import write_text
from darkroom.whole_files import CACHE

UNSAID = "not made, for something that it needs was not; the end of the run tells what"
ENDED = "the run ended before all of this night was made; run snakemake again"


def show_unfinished(planned: Prepared, nights: Prepared, silent: Sequence[str] = ()) -> list[str]:
    """Make the pages that are due, and their tables, of what there is; return the paths of the pages.

    They bear no stamp, so that they stay due. A page that cannot be made is left out: the run has failed already, and
    says why.

    Parameters
    ----------
    planned, nights
        The plan of the run, whose jobs have their logs, and that of now, which knows what is not there.
    silent
        What to say of jobs that ended without a word.
    """
    from darkroom.gather_night import Unmade, gather_night
    from darkroom.night_tables import tabulate_lights
    from darkroom.report_page import render_night

    results, shown = Path(nights.results), []
    logs = _Logs(planned)
    unmade = {product for job in nights.jobs.values() if job.stale for product in job.products}
    for job in nights.jobs.values():
        if job.kind == "make_report" and job.due:
            try:
                recipe = read_recipe_file(str(results / job.recipe))
                problems = [*filter(None, [nights.refusal]), *logs.list_problems([job.name, *job.needs]), *silent]
                if not problems and unmade.intersection(job.needs):
                    problems = [ENDED]
                told = recipe["night"]
                lights = [light for light in [*told["lights"], *told["stacks"]] if light["path"] in unmade]
                reasons = {light["path"]: logs.find_reason(light) or nights.refusal or UNSAID for light in lights}
                night = gather_night(recipe, results, Unmade(unmade, problems, reasons))
                page, table = job.products  # the page first: it loses the stamp that stands for both
                write_text(str(results / page), render_night(night, kept=results / CACHE), recipe)
                write_text(str(results / table), tabulate_lights(night), recipe)
            except (JobProblem, OSError):
                continue
            shown.append(page)
    return shown


class _Logs:
    """What the jobs of a run said of why they failed; the logs of former runs are gone as it begins."""

    def __init__(self, planned: Prepared):
        self.results = Path(planned.results)
        self.makers = {product: job for job in planned.jobs.values() for product in job.products}
        self.read: dict[str, list[str]] = {}

    def list_problems(self, products: Iterable[str]) -> list[str]:
        """Return what the jobs said that were to make these."""
        jobs = {self.makers[path].name: self.makers[path] for path in products if path in self.makers}
        return list(dict.fromkeys(line for job in jobs.values() for line in self._read(job)))

    def find_reason(self, light: dict[str, Any]) -> str:
        """Return why a light was not made: what its job said of it, or of them all, or what it needs was not made."""
        job = self.makers.get(light["path"])
        if job is None:
            return ""
        lines = self._read(job)
        names = (light["raw"].rsplit("/", 1)[-1], light["path"].rsplit("/", 1)[-1])
        own = [line for line in lines if any(f"/{name}:" in line for name in names)]
        return "; ".join(own or lines or self.list_problems(job.needs))

    def _read(self, job: Job) -> list[str]:
        if job.name not in self.read:
            self.read[job.name] = read_problems(self.results / job.log) if job.due else []
        return self.read[job.name]
