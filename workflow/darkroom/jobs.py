"""Jobs: the plan cut into what Snakemake runs, one job a master and one a batch of lights."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, hypot
from typing import Any, TypeVar

from darkroom.certificates import Certificate
from darkroom.frames import Frame
from darkroom.job_groups import group_jobs
from darkroom.matching import Master
from darkroom.measurements import Measurement
from darkroom.plan import BadPixels, Plan
from darkroom.plan_lights import Light
from darkroom.plan_previews import NightPage, Pair, Preview, TrendsPage, name_preview
from darkroom.plan_stacks import PlateSolution, Stack
from darkroom.prepared import Job
from darkroom.setups import make_slug, tell_apart
from darkroom.staleness import Planned, Products

Item = TypeVar("Item", Light, PlateSolution, Preview)


def plan_jobs(plan: Plan, products: Products, settings: dict[str, Any]) -> list[Job]:
    """Return the jobs of the plan, their recipe files settled: one a measurement, master, certificate, batch of lights.

    Stale lights make batches of their own, so that a dry run names exactly what would be made.
    """
    certificates = plan.certificates if settings["certification"]["failed"] != "warn" else {}
    maker = _JobMaker(products, certificates, plan.certificates)
    jobs = [maker.measure(measurement) for measurement in plan.measurements.all]
    jobs += [maker.make_master(master) for master in plan.masters]
    jobs += [maker.certify(certificate) for certificate in plan.certificates.values()]
    jobs += [maker.collect_bad_pixels(found) for found in plan.bad_pixels]
    jobs += _cut_in_batches(maker.solve, "solutions", plan.solutions, products, settings)
    jobs += _cut_in_batches(maker.calibrate, "lights", plan.made, products, settings)
    jobs += [maker.stack(stack) for stack in plan.stacks]
    of_lights = [one for one in plan.previews if not isinstance(one.of, Master)]
    jobs += _cut_in_batches(maker.preview_lights, "previews", of_lights, products, settings)
    jobs += [maker.preview_master(one) for one in plan.previews if isinstance(one.of, Master)]
    jobs += [maker.compare(pair) for pair in plan.pairs]
    jobs += [maker.report(page) for page in plan.pages if isinstance(page, NightPage)]
    jobs += [maker.show_trends(page) for page in plan.pages if isinstance(page, TrendsPage)]
    makers = {product: job for job in jobs for product in job.products}
    below = {job.name: _list_below(job, makers, products) for job in jobs}
    for job in jobs:
        job.needs = below[job.name]
    group_jobs(jobs, makers)
    _mark_due(jobs, makers, products, set(plan.targets))
    return jobs


def _cut_in_batches(
    make_job: Callable[[str, list[Item]], Job],
    what: str,
    items: Sequence[Item],
    products: Products,
    settings: dict[str, Any],
) -> list[Job]:
    """Return jobs of lights, or of what is made of each, in batches of one night, setup, filter and exposure."""
    groups: dict[tuple[str, ...], list[Item]] = defaultdict(list)
    for item in items:
        groups[item.group].append(item)
    stems = tell_apart({key: f"{key[0]}/{key[1]}/{what}_{make_slug(key[2] or None)}_{key[3]}" for key in groups})
    jobs = []
    for key, members in sorted(groups.items()):
        fresh: list[Item] = []
        stale: list[Item] = []
        for item in members:
            (fresh if products.is_fresh(item) else stale).append(item)
        for part, end in ((fresh, ""), (stale, "_stale" if fresh else "")):
            for number, batch in enumerate(share_out(part, settings["lights_per_job"])):
                jobs.append(make_job(f"{stems[key]}_{number:03d}{end}", batch))
    return jobs


def _list_below(job: Job, makers: dict[str, Job], products: Products) -> list[str]:
    """Return what a job needs, and what that needs, but for what is gone and nobody misses.

    Snakemake judges no job downstream of one that runs: it runs them all, save where ancient() inputs are the only
    link. So a stale job must wait for everything that may run, whatever fresh thing lies between.
    """
    found = set(job.needs)
    seen = {job.name}
    waiting = [makers[path] for path in job.needs]
    while waiting:
        other = waiting.pop()
        if other.name not in seen:  # a page needs all lights of many a batch
            seen.add(other.name)
            more = {path for path in other.needs if other.stale or products.exists(path)} - found
            found |= more
            waiting += [makers[path] for path in more]
    return sorted(found)


def _mark_due(jobs: list[Job], makers: dict[str, Job], products: Products, targets: set[str]) -> None:
    """Say of each job whether a run makes it: what is stale, but of what is gone only what is needed.

    A fresh job lets go of a master that comes back for others: Snakemake runs jobs for inputs that were not there.
    """
    waiting = [job for job in jobs if job.stale and (targets & set(job.products) or products.exists(job.products[0]))]
    while waiting:
        job = waiting.pop()
        job.due = True
        waiting += [makers[path] for path in job.needs if makers[path].stale and not makers[path].due]
    for job in jobs:
        if not job.stale:
            job.needs = [path for path in job.needs if not makers[path].due or products.exists(path)]


def share_out(items: list[Item], most: int) -> Iterator[list[Item]]:
    """Give lights in batches of nearly the same size, as few as need be."""
    batches = ceil(len(items) / most)
    for number in range(batches):
        yield items[len(items) * number // batches : len(items) * (number + 1) // batches]


@dataclass
class _JobMaker:
    """Makes jobs of what is planned; ``certificates``, by the master's path, must be there before a master is used."""

    products: Products
    certificates: dict[str, Certificate]
    all_certificates: dict[str, Certificate]

    def measure(self, measurement: Measurement) -> Job:
        frames = [frame for _, frame in measurement.frames]
        return self._make_job("measure_detector", measurement, frames, [])

    def make_master(self, master: Master) -> Job:
        used = self._use([match.master for match in master.matches])
        return self._make_job(f"make_master_{master.kind}", master, master.frames, used + _list_measured(master))

    def certify(self, certificate: Certificate) -> Job:
        master = certificate.master
        others = [master, *(match.master for match in master.matches)]
        others += [certificate.previous] if certificate.previous else []
        needs = [other.path for other in others] + _list_measured(certificate)
        return self._make_job("certify_master", certificate, master.frames, needs)

    def collect_bad_pixels(self, found: BadPixels) -> Job:
        pixels = found.masters[0].frames[0]
        job = self._make_job("collect_bad_pixels", found, [], self._use(found.masters))
        job.pixels = pixels.rows * pixels.columns
        return job

    def solve(self, name: str, solutions: list[PlateSolution]) -> Job:
        lights = [solution.light for solution in solutions]
        return self._make_batch("solve_lights", name, solutions, lights, set())

    def calibrate(self, name: str, lights: list[Light]) -> Job:
        solutions = {light.solution.path for light in lights if light.solution}
        return self._make_batch("calibrate_lights", name, lights, lights, solutions)

    def _make_batch(
        self, kind: str, name: str, items: Sequence[Light | PlateSolution], lights: list[Light], needs: set[str]
    ) -> Job:
        """Return a job that calibrates lights, to solve them or to keep them."""
        recipe, stale = self.products.settle(name, items, [item.recipe for item in items])
        frames = [light.frame.path for light in lights]
        needs |= {path for light in lights for path in _list_measured(light)}
        needs |= set(self._use([match.master for light in lights for match in light.matches]))
        pixels = lights[0].frame.rows * lights[0].frame.columns
        made = [item.path for item in items]
        return Job(kind, name, made, recipe, frames, sorted(needs), stale, pixels)

    def stack(self, stack: Stack) -> Job:
        lights = [light.path for light in stack.lights]
        job = self._make_job("stack_lights", stack, [light.frame for light in stack.lights], lights)
        job.shows = lights
        sides = [stack.frame.rows, stack.frame.columns]
        if stack.recipe["settings"]["canvas"] == "whole":
            sides = [ceil(hypot(*sides))] * 2  # as wide as lights that are turned in any way
        job.canvas = [*sides, 3 if stack.frame.mosaic else 1]
        return job

    def preview_lights(self, name: str, previews: list[Preview]) -> Job:
        recipe, stale = self.products.settle(name, previews, [preview.recipe for preview in previews])
        frame = previews[0].frame
        lights = [preview.of.path for preview in previews]
        made = [preview.path for preview in previews]
        return Job("preview_lights", name, made, recipe, [], lights, stale, frame.rows * frame.columns, shows=lights)

    def preview_master(self, preview: Preview) -> Job:
        job = self._make_job("preview_master", preview, [], [preview.of.path])
        job.shows = [preview.of.path]
        job.pixels = preview.frame.rows * preview.frame.columns
        return job

    def compare(self, pair: Pair) -> Job:
        # after the preview, so that what is submitted together needs one core
        job = self._make_job("compare_pair", pair, [pair.frame], [pair.of.path, name_preview(pair.of.path)])
        job.shows = [pair.of.path]
        return job

    def report(self, page: NightPage) -> Job:
        """Return the job of a night's page, which waits for all that it tells of."""
        made = [light for light in page.lights if not light.misses]
        shown: list[Planned] = [*made, *page.stacks, *page.masters, *page.previews, *page.pairs]
        needs = [one.path for one in shown]
        needs += [one.path for master in page.masters if (one := self.all_certificates.get(master.path))]
        needs += [one["path"] for one in page.recipe["night"]["measurements"]]
        job = self._make_job("make_report", page, [], needs)
        job.products.append(page.table)
        return job

    def show_trends(self, page: TrendsPage) -> Job:
        return self._make_job("make_trends", page, [], page.needs)

    def _make_job(self, kind: str, item: Any, frames: list[Frame], needs: list[str]) -> Job:
        shown = isinstance(item, Preview | Pair | NightPage | TrendsPage)
        name = item.path if shown else item.path.rsplit(".", 1)[0]  # a picture is called as what it shows but for that
        recipe, stale = self.products.settle(name, [item], item.recipe)
        pixels = frames[0].rows * frames[0].columns if frames else 0
        paths = [frame.path for frame in frames]
        return Job(kind, name, [item.path], recipe, paths, sorted(set(needs)), stale, pixels)

    def _use(self, masters: list[Master]) -> list[str]:
        """Return the masters' paths, and those of the certificates that they must have passed."""
        paths = {master.path for master in masters}
        return sorted(paths | {self.certificates[path].path for path in paths if path in self.certificates})


def _list_measured(item: Master | Certificate | Light) -> list[str]:
    """Return the files of figures that gain and read noise come from."""
    return [source.measurement.path for source in item.sources.values() if source.measurement]
