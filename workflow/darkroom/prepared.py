"""What was prepared while Snakemake parsed, as the rules look it up, and as jobs on a cluster read it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from darkroom.whole_files import CACHE as CACHE
from darkroom.whole_files import write_if_changed

TABLE = "jobs.json"


class PlanError(ValueError):
    """Why there is nothing to be done or nothing that can be done; one line each."""


def name_safely(name: str, whole: str = "") -> str:
    """Return a name as an identifier, with a digest (of the ``whole`` name) that tells two of one spelling apart."""
    digest = hashlib.blake2b((whole or name).encode(), digest_size=3).hexdigest()
    return re.sub(r"\W+", "_", f"{name}_{digest}", flags=re.ASCII)


@dataclass
class Job:
    """One job of the workflow: what it makes and reads, whether it is stale, and ``due`` to be run for that.

    Products, the recipe file and what the job ``needs`` (masters, measurements, certificates) are below results;
    ``weight`` is the number of frames, ``pixels`` of one; jobs of one ``group`` are submitted to a cluster together;
    ``shows`` is what pictures are of, in the order of the products; ``canvas`` how many rows, columns and colours a
    stack has at most.
    """

    kind: str
    name: str
    products: list[str]
    recipe: str
    frames: list[str]
    needs: list[str]
    stale: bool
    pixels: int
    due: bool = False
    group: str = ""
    shows: list[str] = field(default_factory=list)
    canvas: list[int] = field(default_factory=list)

    @property
    def certificates(self) -> list[str]:
        """The certificates among what it needs."""
        return [path for path in self.needs if "/certificates/" in path]

    @property
    def masters(self) -> list[str]:
        """The masters and measurements among what it needs."""
        return [path for path in self.needs if "/certificates/" not in path]

    @property
    def weight(self) -> int:
        """How many raw frames the job reads."""
        return len(self.frames)

    @property
    def id(self) -> str:
        """The name of the night and batch as an identifier."""
        night, _, batch = self.name.split("/")
        return name_safely(f"{night}_{batch}", self.name)

    @property
    def log(self) -> str:
        """The job's log below results."""
        return f"logs/{self.kind}/{self.name}.log"

    @property
    def message(self) -> str:
        """What the job makes, for a person."""
        folder, _, _ = self.products[0].rpartition("/")
        names = ", ".join(Path(product).name for product in self.products)
        return f"{folder}: {names}" if folder else names

    def is_made(self, results: Path) -> bool:
        """Whether all its products are there."""
        return all((results / product).exists() for product in self.products)


@dataclass
class Prepared:
    """What the rules look up: jobs by name, and the products that ``all`` asks for, all below ``results``.

    ``targets`` and ``due`` name one product of each job, since a job makes all of its own: of everything that belongs
    to a whole run, and of what is not up to date. ``failed`` are masters that failed their certification, and
    ``if_failed`` what the settings do with them; ``cosmic_rays`` whether lights are searched for them; ``solve`` is
    where a plate solver finds its catalogues here, which no recipe tells.
    """

    results: str
    jobs: dict[str, Job]
    targets: list[str]
    due: list[str]
    lights: list[str]
    masters: list[str]
    failed: list[str]
    if_failed: str
    cosmic_rays: bool
    warnings: list[str]
    refusal: str
    summary: dict[str, Any]
    title: str
    stretch: str
    solve: dict[str, Any]

    @property
    def batches(self) -> list[Job]:
        """The jobs that make lights."""
        return [job for job in self.jobs.values() if job.kind == "calibrate_lights"]

    @property
    def solution_batches(self) -> list[Job]:
        """The jobs that solve lights."""
        return [job for job in self.jobs.values() if job.kind == "solve_lights"]

    @property
    def preview_batches(self) -> list[Job]:
        """The jobs that make previews of lights."""
        return [job for job in self.jobs.values() if job.kind == "preview_lights"]


def write_job_table(prepared: Prepared) -> None:
    """Write what jobs on a cluster look up, who parse the rules again but plan nothing of their own."""
    stored = {**vars(prepared), "jobs": {name: vars(job) for name, job in prepared.jobs.items()}}
    write_if_changed(Path(prepared.results) / CACHE / TABLE, json.dumps(stored))


def read_job_table(config: dict[str, Any]) -> Prepared:
    """Return what the run that submitted this job prepared.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    table = Path(str(config.get("results", "results"))) / CACHE / TABLE
    stored = json.loads(table.read_text(encoding="utf-8"))
    stored["jobs"] = {name: Job(**job) for name, job in stored["jobs"].items()}
    return Prepared(**stored)
