"""A night that is submitted, job by job, to a stand-in of Slurm: few jobs that fit, and the bytes of a local run."""

import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from darkroom.prepare import prepare
from tests.camera import Camera
from tests.running import run_snakemake
from tests.workflow.jobs import make_night
from tests.workflow.reduced import copy_workflow
from tests.workflow.standin.cluster import Cluster, finish, wait_until

# The name of the camera is part of the name of a group, and that, with all that Snakemake adds, of names of files.
CAMERA = Camera(shape=(48, 56), name="Four-port camera of the north dome with its old filter wheel")
LIGHTS = ("lights_V_60s", "lights_B_60s")


def read_products(results: Path) -> dict[str, bytes]:
    """The bytes of all that was made of the night, by path."""
    paths = [path for path in results.glob("2*/**/*") if path.suffix in (".fits", ".json")]
    return {str(path.relative_to(results)): path.read_bytes() for path in paths}


def remove(results: Path, *patterns: str) -> set[str]:
    """Remove products; return their paths below results."""
    paths = [path for pattern in patterns for path in results.glob(f"2*/**/{pattern}")]
    for path in paths:
        path.unlink()
    return {str(path.relative_to(results)) for path in paths}


def count_submissions(folder: Path) -> int:
    """How many jobs the plan asks a cluster for: those of one group are one."""
    nights = prepare({"raw": str(folder / "raw"), "results": str(folder / "results")}, submits=True)
    return len({job.group or job.name for job in nights.jobs.values() if job.due})


@pytest.fixture(scope="module")
def submitted(tmp_path_factory):
    """A night that went through the profile, started elsewhere; its jobs know nothing of that environment."""
    folder = tmp_path_factory.mktemp("submitted")
    make_night(folder / "raw", camera=CAMERA, flats={"V": 2, "B": 2}, lights={("V", 60.0): 2, ("B", 60.0): 2})
    expected = count_submissions(folder)
    cluster = Cluster(folder / "slurm")
    (folder / "elsewhere").mkdir()
    told = ("--config", f"raw={folder}/raw", f"results={folder}/results")
    try:
        said = cluster.run(folder / "elsewhere", *told, SBATCH_EXPORT="NONE")
    finally:
        cluster.stop()
    return SimpleNamespace(folder=folder, cluster=cluster, said=said, expected=expected)


@pytest.fixture
def night(tmp_path, submitted):
    """That night, copied, with a cluster of its own."""
    for name in ("raw", "results"):
        shutil.copytree(submitted.folder / name, tmp_path / name, symlinks=True)
    cluster = Cluster(tmp_path / "slurm")
    yield SimpleNamespace(
        folder=tmp_path,
        results=tmp_path / "results",
        cluster=cluster,
        told=("--config", "raw=raw", "results=results"),
        content=read_products(submitted.folder / "results"),
    )
    cluster.stop()


def test_same_bytes_as_a_local_run(submitted, tmp_path):
    os.symlink(submitted.folder / "raw", tmp_path / "raw")
    run_snakemake(tmp_path, cores=2)
    products = read_products(submitted.folder / "results")
    assert len([path for path in products if "/lights/" in path]) == 4
    assert products == read_products(tmp_path / "results")


def test_as_many_submissions_as_the_plan_says(submitted):
    assert len(submitted.cluster.jobs) == submitted.expected == 3  # the masters together, and two batches of lights
    assert {job["state"] for job in submitted.cluster.jobs} == {"COMPLETED"}
    assert count_submissions(submitted.folder) == 0


def test_jobs_ask_for_memory_time_and_threads(submitted):
    masters, *lights = submitted.cluster.jobs
    for job in lights:
        assert 300 < job["mem_mb"] < 1000
        assert 5 < job["minutes"] < 60
        assert job["cpus"] == 1
    assert masters["cpus"] <= 4
    assert masters["minutes"] > lights[0]["minutes"]
    assert masters["mem_mb"] >= lights[0]["mem_mb"]


def test_logs_are_found_where_snakemake_was_started(submitted):
    logs = {path.name for path in (submitted.folder / "elsewhere" / "slurm_logs").iterdir()}
    assert logs == {f"{job['name']}.{job['id']}.log" for job in submitted.cluster.jobs}
    names = [job["name"] for job in submitted.cluster.jobs]
    assert "masters_2024_03_10" in names[0]
    assert all(any(light in name for name in names) for light in LIGHTS)
    assert max(map(len, logs)) < 100


def test_status_is_asked_of_the_controller_alone_where_there_is_no_accounting(submitted):
    assert len(submitted.cluster.list_calls("squeue")) >= 3
    assert submitted.cluster.list_calls("sacct") == []


def test_jobs_that_are_killed_come_back_with_more_memory_and_time(night, tmp_path):
    """Here only the accounting knows how a job ended.

    The environment is handed over; the workflow runs in its own folder, and its profile has a relative path.
    """
    code = copy_workflow(tmp_path / "code")
    told = ("--config", f"raw={night.folder}/raw", f"results={night.results}")
    few = {"*lights_V*": {"mem_mb": 600}, "*lights_B*": {"minutes": 9}, "masters*": {"mem_mb": 600, "minutes": 9}}
    night.cluster.configure(accounting=True, min_job_age=0, needs=few)
    removed = remove(night.results, "bad_pixels.fits", "lights/*.fits")
    assert count_submissions(night.folder) == 3
    night.cluster.run(code, *told, code=code, profile="workflow/profiles/cluster-generic")
    assert read_products(night.results) == night.content
    assert len(removed) == 5

    assert len(night.cluster.list_calls("sacct")) >= 6
    jobs = night.cluster.jobs
    assert len(jobs) == 6
    ends = {}
    for first, again in zip(sorted(jobs, key=by_name)[::2], sorted(jobs, key=by_name)[1::2], strict=True):
        assert first["name"] == again["name"]
        assert again["mem_mb"] >= 1.5 * first["mem_mb"]
        assert again["minutes"] >= 1.5 * first["minutes"]
        assert again["state"] == "COMPLETED"
        ends[first["name"].removeprefix("calibrate_")] = first["state"]
    assert sorted(ends.values()) == ["OUT_OF_MEMORY", "TIMEOUT", "TIMEOUT"]


def by_name(job: dict) -> tuple[str, int]:
    return job["name"], int(job["id"])


def test_interrupted_run_cancels_its_jobs_and_can_be_started_again(night):
    night.cluster.configure(prolog=60)
    removed = remove(night.results, "light_B_60s_001.fits")
    run = night.cluster.start(night.folder, *night.told)
    try:
        wait_until(lambda: [job["state"] for job in night.cluster.jobs] == ["RUNNING"])
    finally:
        os.killpg(run.pid, signal.SIGINT)
        said = finish(run)
    assert run.returncode != 0, said
    assert night.cluster.list_calls("scancel") == [["1"]]
    wait_until(lambda: night.cluster.jobs[0]["state"] == "CANCELLED")
    assert read_products(night.results).keys() == night.content.keys() - removed

    night.cluster.configure(prolog=0)
    night.cluster.run(night.folder, *night.told)
    assert len(night.cluster.jobs) == 2
    assert read_products(night.results) == night.content
