"""Jobs that fail, are cancelled, or take too long or too much: the run goes on by itself, and makes the same bytes.

In none of these had a user to type anything: Snakemake submits the job again, up to `retries` of the profile.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.plant import BEGINS, Fault, Planted, make_fault
from tests.slurm.runs import Run, compare_products, submit
from tests.slurm.slurm_jobs import SlurmJob

JOBS = 3  # of an undisturbed night
PLACES = ["make_master_dark", "calibrate_lights"]  # in the group of all masters, and in a job by itself

Plant = Callable[[str, str], Planted]


def start(cluster: Cluster, planted: Planted, folder: Path, profile: Path, fault: Fault) -> Run:
    """Submit the night, with a fault."""
    where = folder, planted.raw, folder / "results"
    return submit(cluster, *where, profile=profile, code=planted.code, faults=fault.environment)


def find_waiting(cluster: Cluster, folder: Path, fault: Fault) -> SlurmJob:
    """Return the job that waits for what is to happen to it."""
    cluster.wait_for(fault.has_struck, "a job that waits")
    product = Path((fault.folder / "struck").read_text())
    running = [job for job in cluster.list_jobs(folder) if job.state == "RUNNING"]
    name = f"{product.stem.split('_')[1]}_" if product.parent.name == "lights" else ""
    [job] = (job for job in running if f"lights_{name}" in job.comment or not name)
    return job


def expect_same(cluster: Cluster, folder: Path, planted: Planted, states: set[str], more: int = 1) -> list[SlurmJob]:
    """Demand the products of an undisturbed run, and one job more than it takes, which ended so; return all jobs."""
    compare_products(folder / "results", planted.make_undisturbed())
    jobs = cluster.list_jobs(folder)
    assert len(jobs) == JOBS + more
    ended_badly = [job.state for job in jobs if job.state != "COMPLETED"]
    assert len(ended_badly) == more
    assert set(ended_badly) <= states
    return jobs


def find_attempts(jobs: list[SlurmJob]) -> tuple[SlurmJob, SlurmJob]:
    """Return the job that ended badly, and the one that was submitted in its place."""
    [first] = (job for job in jobs if job.state != "COMPLETED")
    [second] = (job for job in jobs if job.comment == first.comment and job is not first)
    return first, second


@pytest.mark.parametrize("script", PLACES)
def test_a_script_that_fails_once(cluster: Cluster, planted: Plant, eager: Path, tmp_path: Path, script: str) -> None:
    fault = make_fault("fail", tmp_path / "fault")
    copy = planted(script, BEGINS)
    printed = start(cluster, copy, tmp_path, eager, fault).finish()
    assert fault.has_struck()
    assert "6 of 6 light(s) calibrated" in printed
    expect_same(cluster, tmp_path, copy, {"FAILED"})


@pytest.mark.parametrize("script", PLACES)
def test_a_job_that_is_cancelled(cluster: Cluster, planted: Plant, eager: Path, tmp_path: Path, script: str) -> None:
    fault = make_fault("wait", tmp_path / "fault")
    copy = planted(script, BEGINS)
    run = start(cluster, copy, tmp_path, eager, fault)
    cluster.cancel(find_waiting(cluster, tmp_path, fault))
    run.finish()
    expect_same(cluster, tmp_path, copy, {"CANCELLED"})


def test_a_job_out_of_time(cluster: Cluster, planted: Plant, eager: Path, tmp_path: Path) -> None:
    """A minute is the least that Slurm can give: the job that waits is left with that."""
    fault = make_fault("wait", tmp_path / "fault")
    copy = planted("calibrate_lights", BEGINS)
    run = start(cluster, copy, tmp_path, eager, fault)
    job = find_waiting(cluster, tmp_path, fault)
    cluster.ask("scontrol", "update", f"JobId={job.id}", "TimeLimit=1")
    run.finish()
    _, second = find_attempts(expect_same(cluster, tmp_path, copy, {"TIMEOUT"}))
    assert second.limit == 2 * job.limit


def test_a_job_killed_for_memory_gets_more(memory_kills: Cluster, planted: Plant, eager: Path, tmp_path: Path) -> None:
    """Each attempt takes more than the first one asked for; only what grows can end well."""
    fault = make_fault("hog", tmp_path / "fault")
    copy = planted("calibrate_lights", BEGINS)
    start(memory_kills, copy, tmp_path, eager, fault).finish()
    jobs = expect_same(memory_kills, tmp_path, copy, {"FAILED", "OUT_OF_MEMORY"}, more=2)
    lights = [job for job in jobs if "lights" in job.comment]
    asked = min(job.memory for job in lights)
    assert {(job.memory, job.state == "COMPLETED") for job in lights} == {(asked, False), (2 * asked, True)}
