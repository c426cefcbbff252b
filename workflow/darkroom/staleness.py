"""Staleness: which products differ from the plan, and the recipe files by which Snakemake sees it.

A recipe file is an ordinary input of its job. It is kept newer than a stale product and not newer than a fresh one,
so that Snakemake's rule of time says what the contents say, with its metadata lost or not.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darkroom.matching import Master
from darkroom.plan import Light, Plan
from darkroom.recipes import compare_recipes
from darkroom.setups import make_slug
from darkroom.stamps import StampCache, digest_recipe, read_recipe

RECIPES = ".recipes"
MOST_EXPLAINED = 100


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


def write_atomically(path: Path, text: str) -> None:
    """Write a text file by way of a temporary one, so that no reader ever sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def write_if_changed(path: Path, text: str) -> bool:
    """Write a text file only where its content differs; return whether it did."""
    try:
        if path.read_text(encoding="utf-8") == text:
            return False
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    write_atomically(path, text)
    return True


class Products:
    """The products on disk, held against the plan."""

    def __init__(self, results: Path, stored: dict[str, list[Any]]):
        self.results = results
        self.stamps = StampCache(stored)

    def exists(self, path: str) -> bool:
        """Whether there is a product, whatever it was made by."""
        return self.stamps.find(self.results / path, path)[1] is not None

    def is_fresh(self, item: Master | Light) -> bool:
        """Whether the product is there and was made by the very recipe of the plan."""
        return self.stamps.find(self.results / item.path, item.path)[0] == item.digest

    def explain_all(self, items: Sequence[Master | Light]) -> dict[str, str]:
        """Return for each product why it is stale, nothing where it is fresh.

        What changed in a recipe is read from the products themselves, of the first few; that takes its time.
        """
        reasons: dict[str, str] = {}
        explained = 0
        for item in items:
            stamp, status = self.stamps.find(self.results / item.path, item.path)
            if stamp == item.digest:
                reasons[item.path] = ""
            elif status is None:
                reasons[item.path] = "not there"
            elif explained < MOST_EXPLAINED:
                reasons[item.path] = self._compare(item, stamp)
                explained += 1
            else:
                reasons[item.path] = "its recipe has changed"
        return reasons

    def _compare(self, item: Master | Light, stamp: str | None) -> str:
        old = read_recipe(self.results / item.path) if stamp else None
        if old is None:
            return "bears no recipe"
        return "; ".join(dict.fromkeys(compare_recipes(old, item.recipe))) or "its recipe and its stamp differ"

    def settle(self, recipe: str, items: list[Master | Light], content: Any) -> bool:
        """Bring a job's recipe file up to date in content and time; return whether the job is stale."""
        found = [self._find_dated(item) for item in items]
        fresh = all(stamp == item.digest for item, (stamp, _) in zip(items, found, strict=True))
        path = self.results / recipe
        body = {"digest": digest_recipe({"jobs": [item.digest for item in items]}), "recipe": content}
        if fresh:
            oldest = min(status.st_mtime_ns for _, status in found if status)
            changed = _read_digest(path) != body["digest"] and write_if_changed(path, _dump(body))
            if changed or path.stat().st_mtime_ns > oldest:
                os.utime(path, ns=(oldest, oldest))
            return False
        # what is replaced is part of the file, so that Snakemake's memory of its checksum cannot hide a change; the
        # time is that of the inode, since a product can be put back with its old time of change
        body["replaces"] = [[stamp, status.st_ctime_ns] if status else None for stamp, status in found]
        newest = max((status.st_mtime_ns for _, status in found if status), default=0)
        if not write_if_changed(path, _dump(body)) and path.stat().st_mtime_ns <= newest:
            os.utime(path)
        written = path.stat().st_mtime_ns
        for item, (_, status) in zip(items, found, strict=True):
            if status and status.st_mtime_ns >= written:  # of the same tick of a coarse clock
                os.utime(self.results / item.path, ns=(written - 2 * 10**9, written - 2 * 10**9))
        return True

    def _find_dated(self, item: Master | Light) -> tuple[str | None, os.stat_result | None]:
        """Return a product's stamp and status. One from the future is of now: else Snakemake fails what follows it."""
        path = self.results / item.path
        stamp, status = self.stamps.find(path, item.path)
        if status and status.st_mtime_ns > time.time_ns():
            os.utime(path)
            stamp, status = self.stamps.find(path, item.path)
        return stamp, status


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
    recipe = f"{RECIPES}/{master.path.removesuffix('.fits')}.json"
    stale = products.settle(recipe, [master], master.recipe)
    needs = [master.bias.path] if master.bias else []
    needs += sorted({match.master.path for match in master.darks})
    frames = [frame.path for frame in master.frames]
    pixels = master.frames[0].rows * master.frames[0].columns
    name = master.path.removesuffix(".fits")
    return Job(f"make_master_{master.kind}", name, [master.path], recipe, frames, needs, stale, pixels)


def _batch_job(name: str, lights: list[Light], products: Products) -> Job:
    recipe = f"{RECIPES}/{name}.json"
    stale = products.settle(recipe, list(lights), [light.recipe for light in lights])
    frames = [light.frame.path for light in lights]
    needs = sorted({match.master.path for light in lights for match in light.matches})
    pixels = lights[0].frame.rows * lights[0].frame.columns
    products_made = [light.path for light in lights]
    return Job("calibrate_lights", name, products_made, recipe, frames, needs, stale, pixels)


def _read_digest(path: Path) -> str | None:
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("digest")
    except (OSError, ValueError, AttributeError):
        return None


def _dump(content: Any) -> str:
    return json.dumps(content, indent=1, sort_keys=True) + "\n"
