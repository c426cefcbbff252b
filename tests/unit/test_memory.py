"""What the rules tell a scheduler of a job's memory (resources: mem_mb) holds true: each is a process, and measured."""

import sys
from dataclasses import dataclass

import pytest

from darkroom.prepare import prepare
from darkroom.resources import LIBRARIES
from tests.bench.budget import write_job
from tests.bench.night import Night, write_night
from tests.bench.rules import ask_rules
from tests.bench.timed import measure

pytestmark = pytest.mark.slow

SIZE = 1024
KINDS = {
    "measure_detector",
    "make_master_bias",
    "make_master_dark",
    "make_master_flat",
    "certify_master",
    "calibrate_lights",
    "collect_bad_pixels",
    "preview_lights",
    "preview_master",
    "compare_pair",
    "make_report",
    "make_trends",
}


@dataclass
class Taken:
    """What a job was given and what it took, MB."""

    name: str
    kind: str
    given: float
    peak: float


def take_imports(code, folder):
    """Return the MB of a process that has imported what it needs, and has no frame."""
    return measure([sys.executable, "-c", code], folder, folder / "imports.log").memory


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    code = "from snakemake import iocontainers; import numpy; from astropy.io import fits"
    return take_imports(code, tmp_path_factory.mktemp("libraries"))


@pytest.fixture(scope="module", params=[8, 16])
def taken(request, tmp_path_factory):
    """Every job of a night with so many frames of each kind, one after another."""
    folder = tmp_path_factory.mktemp("memory")
    write_night(Night(request.param, request.param, request.param, 3, size=SIZE), folder / "raw")
    nights = prepare({"raw": str(folder / "raw"), "results": str(folder / "results")})
    told = ask_rules(folder / "raw", folder / "results")
    jobs, made, found = list(nights.jobs.values()), set(), []
    while jobs:
        job = next(job for job in jobs if set(job.needs) <= made)
        jobs.remove(job)
        given = told[job.products[0]]
        command = write_job(nights, job, folder / "job.json", given["threads"])
        found.append(Taken(job.name, job.kind, given["mem_mb"], measure(command, folder, folder / "job.log").memory))
        made |= set(job.products)
    return found


def test_every_kind_of_job_is_measured(taken):
    assert {job.kind for job in taken} == KINDS


def test_no_job_takes_more_memory_than_it_is_given(taken):
    assert [job for job in taken if job.peak > job.given] == []


def test_no_job_is_given_three_times_the_memory_that_it_takes_beside_the_libraries(taken, libraries):
    assert [job for job in taken if job.given - LIBRARIES > 3 * (job.peak - libraries)] == []


def test_libraries_take_what_is_given_to_them_and_not_half_of_it(libraries, tmp_path):
    """On a cluster a job is started by a Snakemake of its own, which plans nothing."""
    starter = take_imports("import snakemake.cli, darkroom.prepare", tmp_path)
    assert (libraries + starter) < LIBRARIES < 2 * (libraries + starter)
