"""Jobs: the plan cut into what Snakemake runs, one job a master and one a batch of lights."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from darkroom.matching import Master
from darkroom.plan import Light, Plan
from darkroom.setups import make_slug
from darkroom.staleness import Products


@dataclass
class Job:
    """One job of the workflow: what it makes and reads, whether it is stale, and ``due`` to be run for that.

    Products, masters and the recipe file are below results; ``weight`` is the number of frames, ``pixels`` of one.
    """

    kind: str
    name: str
    products: list[str]
    recipe: str
    frames: list[str]
    masters: list[str]
    stale: bool
    pixels: int
    due: bool = False

    @property
    def weight(self) -> int:
        """How many raw frames the job reads."""
        return len(self.frames)

    @property
    def id(self) -> str:
        """The name as an identifier, with a digest that tells two of one spelling apart."""
        digest = hashlib.blake2b(self.name.encode(), digest_size=3).hexdigest()
        night, _, batch = self.name.split("/")
        return re.sub(r"\W+", "_", f"{night}_{batch}_{digest}")

    @property
    def log(self) -> str:
        """The job's log below results."""
        return f"logs/{self.kind}/{self.name}.log"

    @property
    def message(self) -> str:
        """What the job makes, for a person."""
        names = ", ".join(Path(product).name for product in self.products)
        return f"{Path(self.products[0]).parent}: {names}"


def plan_jobs(plan: Plan, products: Products, lights_per_job: int) -> list[Job]:
    """Return the jobs of the plan, their recipe files settled: one a master, one a batch of lights.

    The stale lights of a batch make a job of their own, so that a dry run names exactly what would be made.
    """
    jobs = [_master_job(master, products) for master in plan.masters]
    groups: dict[tuple[str, ...], list[Light]] = defaultdict(list)
    for light in plan.made:
        groups[light.group].append(light)
    for (night, setup, filter, exposure), lights in sorted(groups.items()):
        stem = f"{night}/{setup}/lights_{make_slug(filter or None)}_{exposure}"
        for start in range(0, len(lights), lights_per_job):
            batch = lights[start : start + lights_per_job]
            stale = [light for light in batch if not products.is_fresh(light)]
            fresh = [light for light in batch if products.is_fresh(light)]
            name = f"{stem}_{start // lights_per_job:03d}"
            if fresh:
                jobs.append(_batch_job(name, fresh, products))
            if stale:
                jobs.append(_batch_job(f"{name}_stale" if fresh else name, stale, products))
    masters = {job.products[0]: job for job in jobs if job.kind != "calibrate_lights"}
    below = {job.name: _list_below(job, masters, products) for job in jobs}
    for job in jobs:
        job.masters = below[job.name]
    targets: list[Light] | list[Master] = plan.made if plan.lights else plan.masters
    _mark_due(jobs, masters, products, {item.path for item in targets})
    return jobs


def _list_below(job: Job, masters: dict[str, Job], products: Products) -> list[str]:
    """Return a job's masters, and theirs, but for those that are gone and that nobody needs.

    Snakemake judges no job downstream of one that runs: it runs them all, save where ancient() inputs are the only
    link. So a stale job must wait for every master that may run, whatever fresh one lies between.
    """
    found = set(job.masters)
    waiting = [masters[path] for path in job.masters]
    while waiting:
        master = waiting.pop()
        more = {path for path in master.masters if master.stale or products.exists(path)} - found
        found |= more
        waiting += [masters[path] for path in more]
    return sorted(found)


def _mark_due(jobs: list[Job], masters: dict[str, Job], products: Products, targets: set[str]) -> None:
    """Say of each job whether a run makes it: what is stale, but of the masters that are gone only those needed.

    A fresh job lets go of a master that comes back for others: Snakemake runs jobs for inputs that were not there.
    """
    waiting = [job for job in jobs if job.stale and (targets & set(job.products) or products.exists(job.products[0]))]
    while waiting:
        job = waiting.pop()
        job.due = True
        waiting += [masters[path] for path in job.masters if masters[path].stale and not masters[path].due]
    for job in jobs:
        if not job.stale:
            job.masters = [path for path in job.masters if not masters[path].due or products.exists(path)]


def _master_job(master: Master, products: Products) -> Job:
    name = master.path.removesuffix(".fits")
    recipe, stale = products.settle(name, [master], master.recipe)
    needs = [master.bias.path] if master.bias else []
    needs += sorted({match.master.path for match in master.darks})
    frames = [frame.path for frame in master.frames]
    pixels = master.frames[0].rows * master.frames[0].columns
    return Job(f"make_master_{master.kind}", name, [master.path], recipe, frames, needs, stale, pixels)


def _batch_job(name: str, lights: list[Light], products: Products) -> Job:
    recipe, stale = products.settle(name, list(lights), [light.recipe for light in lights])
    frames = [light.frame.path for light in lights]
    needs = sorted({match.master.path for light in lights for match in light.matches})
    pixels = lights[0].frame.rows * lights[0].frame.columns
    products_made = [light.path for light in lights]
    return Job("calibrate_lights", name, products_made, recipe, frames, needs, stale, pixels)
