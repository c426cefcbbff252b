"""A night that is submitted, job by job, to a stand-in of Slurm: few jobs that fit, and the bytes of a local run."""

import os
import shutil
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from darkroom.prepare import prepare
from darkroom.standing import PAGES
from tests.camera import Camera
from tests.running import UNSEEN, UNSEEN_FILE, run_snakemake
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


def count_submissions(folder: Path, **settings: Any) -> int:
    """How many jobs the plan asks a cluster for: those of one group are one, and pages are made where it is asked."""
    nights = prepare({"raw": str(folder / "raw"), "results": str(folder / "results"), **settings}, submits=True)
    due = [job for job in nights.jobs.values() if job.due and job.kind not in PAGES]
    return len({job.group or job.name for job in due})


@pytest.fixture(scope="module")
def reduced(tmp_path_factory):
    """A night that was reduced on this machine."""
    folder = tmp_path_factory.mktemp("reduced")
    make_night(folder / "raw", camera=CAMERA, flats={"V": 2, "B": 2}, lights={("V", 60.0): 2, ("B", 60.0): 2})
    run_snakemake(folder, cores=2)
    content = read_products(folder / "results")
    assert len([path for path in content if "/lights/" in path]) == 4
    return SimpleNamespace(folder=folder, content=content)


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path / "slurm")
    yield cluster
    cluster.stop()


@pytest.fixture
def night(tmp_path, reduced):
    """That night, copied."""
    for name in ("raw", "results"):
        shutil.copytree(reduced.folder / name, tmp_path / name, symlinks=True)
    told = ("--configfile", UNSEEN_FILE, "--config", f"raw={tmp_path}/raw", f"results={tmp_path}/results")
    return SimpleNamespace(folder=tmp_path, results=tmp_path / "results", told=told, content=reduced.content)


def test_night_that_is_submitted_gives_the_same_bytes_by_few_jobs_that_fit(reduced, cluster, tmp_path):
    """It is started in a folder that is none of the workflow's; its jobs know nothing of that environment."""
    (tmp_path / "raw").symlink_to(reduced.folder / "raw")
    (tmp_path / "elsewhere").mkdir()
    expected = count_submissions(tmp_path)
    told = ("--config", f"raw={tmp_path}/raw", f"results={tmp_path}/results")
    cluster.run(tmp_path / "elsewhere", *told, SBATCH_EXPORT="NONE")
    assert read_products(tmp_path / "results") == reduced.content
    assert count_submissions(tmp_path) == 0
    assert len(list((tmp_path / "results").glob("*/report.html"))) == 1

    assert len(cluster.jobs) == expected == 3  # the masters together, and two batches of lights
    assert {job["state"] for job in cluster.jobs} == {"COMPLETED"}
    masters, *lights = cluster.jobs
    for job in lights:
        assert 300 < job["mem_mb"] < 1000
        assert 5 < job["minutes"] < 60
        assert job["cpus"] == 1
    assert masters["mem_mb"] >= lights[0]["mem_mb"]
    assert masters["minutes"] > lights[0]["minutes"]
    assert masters["cpus"] <= 4

    # logs by the names of the jobs, where Snakemake was started
    logs = {path.name for path in (tmp_path / "elsewhere" / "slurm_logs").glob("[!.]*")}
    assert logs == {f"{job['name']}.{job['id']}.log" for job in cluster.jobs}
    assert max(map(len, logs)) < 100
    assert "masters_2024_03_10" in masters["name"]
    assert {light for light in LIGHTS for job in lights if light in job["name"]} == set(LIGHTS)

    # without accounting, the controller is all there is to ask, for all jobs at once
    asked = cluster.list_calls("squeue")
    assert len(asked) >= 3
    assert all(any(argument.startswith("--user=") for argument in arguments) for arguments in asked)
    assert cluster.list_calls("sacct") == []


def test_jobs_that_are_killed_come_back_with_more_memory_and_time(night, cluster, tmp_path):
    """Here only the accounting knows how a job ended.

    The environment is handed over; the workflow runs in its own folder, and its profile has a relative path.
    """
    code = copy_workflow(tmp_path / "code")
    few = {"*lights_V*": {"mem_mb": 600}, "*lights_B*": {"minutes": 9}, "masters*": {"mem_mb": 600, "minutes": 9}}
    cluster.configure(accounting=True, min_job_age=0, needs=few)
    removed = remove(night.results, "bad_pixels.fits", "lights/*.fits")
    assert count_submissions(night.folder, **UNSEEN) == 3
    cluster.run(code, *night.told, code=code, profile="workflow/profiles/cluster-generic")
    assert read_products(night.results) == night.content
    assert len(removed) == 5

    assert len(cluster.list_calls("sacct")) >= 6
    jobs = cluster.jobs
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


def test_interrupted_run_cancels_its_jobs_and_can_be_started_again(night, cluster):
    cluster.configure(prolog=60)
    removed = remove(night.results, "light_B_60s_001.fits")
    # Snakemake 9.27 cancels nothing that it is just asking for, so this has to come between two rounds of that
    run = cluster.start(night.folder, *night.told, "--seconds-between-status-checks", "3")
    try:
        wait_until(lambda: [job["state"] for job in cluster.jobs] == ["RUNNING"] and cluster.list_calls("squeue"))
        time.sleep(1)
    finally:
        os.killpg(run.pid, signal.SIGINT)
        said = finish(run)
    assert run.returncode != 0, said
    assert cluster.list_calls("scancel") == [["1"]]
    wait_until(lambda: cluster.jobs[0]["state"] == "CANCELLED")
    assert read_products(night.results).keys() == night.content.keys() - removed

    cluster.configure(prolog=0)
    cluster.run(night.folder, *night.told)
    assert len(cluster.jobs) == 2
    assert read_products(night.results) == night.content


def test_member_of_a_group_that_fails_costs_the_others_nothing(cluster, tmp_path):
    """One frame is damaged after the plan was made; and one has a name that a shell would execute."""
    make_night(tmp_path / "raw", flats={"V": 2, "B": 2}, lights={("V", 60.0): 1, ("B", 60.0): 1})
    light = next((tmp_path / "raw").glob("light_B_*.fits"))
    light.rename(light.with_name("light'$(touch PWNED)`touch PWNED`_B.fits"))
    told = ("--config", f"raw={tmp_path}/raw", f"results={tmp_path}/results")
    for results in ("results", "local"):
        run_snakemake(tmp_path, "-n", config={"results": tmp_path / results})
    damage(next((tmp_path / "raw").glob("flat_V_*.fits")))

    run_snakemake(tmp_path, config={"results": tmp_path / "local"}, expect=1)
    printed = cluster.run(tmp_path, *told, expect=1)
    assert not list(tmp_path.rglob("PWNED"))
    made = read_products(tmp_path / "results")
    assert made == read_products(tmp_path / "local")
    names = {Path(path).name for path in made}
    assert {"master_bias.fits", "read_noise.json", "master_dark_60s.fits"} <= names
    assert "master_flat_V.fits" not in names
    failed = [line for line in printed.splitlines() if line.startswith("  failed: ")]
    assert len(failed) == 1
    assert "flat_V_00" in failed[0]
    names = [job["name"] for job in cluster.jobs]
    assert len(names) == len(set(names)), "a job that said why it failed was submitted again"


def damage(path: Path) -> None:
    """Make half of a frame zero, and leave its size and time as they were."""
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(content[: len(content) // 2].ljust(len(content), b"\0"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
