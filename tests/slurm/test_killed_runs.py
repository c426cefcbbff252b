"""Snakemake killed by kill -9 while its jobs run on, and started again.

What a user had to type: the very same command once more, or one with other settings. Nothing had to be cancelled or
unlocked first.
"""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.plant import BEGINS, WRITES, Fault, Planted, make_fault
from tests.slurm.runs import compare_products, run_locally, submit
from tests.slurm.test_faults import start

OTHER = "bias: {combine: {sigma: 4.0}}\n"  # other biases, so other darks, flats and lights

Plant = Callable[[str, str], Planted]


def kill_while_jobs_run(cluster: Cluster, copy: Planted, folder: Path, profile: Path, fault: Fault) -> None:
    """Start the night, and kill Snakemake once a job waits, whose Snakemake has no master then."""
    run = start(cluster, copy, folder, profile, fault)
    cluster.wait_for(fault.has_struck, "a job that waits")
    run.kill()


def let_orphans_end(cluster: Cluster, folder: Path, fault: Fault) -> None:
    """Let the job that waits go on, and all others end."""
    assert any(job.state == "RUNNING" for job in cluster.list_jobs(folder)), "no orphan is left"
    fault.release()
    cluster.wait_for(lambda: all(job.ended for job in cluster.list_jobs(folder)), "the end of all jobs", 120)


def expect_nothing_to_do(copy: Planted, folder: Path, *args: str | Path) -> None:
    assert "Nothing to be done" in run_locally(folder, copy.raw, folder / "results", "-n", *args, code=copy.code)


@pytest.mark.parametrize("script", ["make_master_dark", "calibrate_lights"])
@pytest.mark.parametrize("before", [BEGINS, WRITES], ids=["before it begins", "before it writes"])
def test_killed_and_started_again_with_other_settings(
    cluster: Cluster, planted: Plant, eager: Path, tmp_path: Path, script: str, before: str
) -> None:
    """What the orphan makes in the end must not pass for what the second run has made."""
    copy = planted(script, before)
    fault = make_fault("wait", tmp_path / "fault")
    other = copy.folder / "other.yaml"
    other.write_text(OTHER)
    kill_while_jobs_run(cluster, copy, tmp_path, eager, fault)
    again = submit(
        cluster, tmp_path, copy.raw, tmp_path / "results", "--configfile", other, profile=eager, code=copy.code
    )
    again.finish()
    expected = copy.make_undisturbed("--configfile", other)
    compare_products(tmp_path / "results", expected)
    let_orphans_end(cluster, tmp_path, fault)
    compare_products(tmp_path / "results", expected)
    expect_nothing_to_do(copy, tmp_path, "--configfile", other)


@pytest.mark.parametrize("script", ["make_master_dark", "calibrate_lights"])
def test_killed_and_started_again(cluster: Cluster, planted: Plant, eager: Path, tmp_path: Path, script: str) -> None:
    """The orphan goes on while the second run makes the same products."""
    copy = planted(script, BEGINS)
    fault = make_fault("wait", tmp_path / "fault")
    kill_while_jobs_run(cluster, copy, tmp_path, eager, fault)
    again = start(cluster, copy, tmp_path, eager, fault)
    time.sleep(4)
    let_orphans_end(cluster, tmp_path, fault)
    again.finish()
    compare_products(tmp_path / "results", copy.make_undisturbed())
    expect_nothing_to_do(copy, tmp_path)


@pytest.mark.parametrize("left", ["all", "lights"])
@pytest.mark.parametrize("settings", ["other", "same"])
def test_killed_while_its_jobs_wait_in_the_queue(
    cluster: Cluster, planted: Plant, eager: Path, tmp_path: Path, left: str, settings: str
) -> None:
    """Jobs of the killed run that begin when the second one is over: of all that is to be made, or of the lights."""
    copy = planted("make_master_dark", BEGINS)
    results = tmp_path / "results"
    if left == "lights":
        run_locally(tmp_path, copy.raw, results, code=copy.code)
        for light in results.glob("*/*/lights/*.fits"):
            light.unlink()
    other = copy.folder / "other.yaml"
    other.write_text(OTHER)
    args = ["--configfile", other] if settings == "other" else []

    orphans = kill_while_jobs_wait(cluster, copy, tmp_path, eager, 2 if left == "lights" else 1)
    submit(cluster, tmp_path, copy.raw, results, *args, profile=eager, code=copy.code).finish()
    compare_products(results, copy.make_undisturbed(*args))
    cluster.ask("scontrol", "release", *orphans)
    cluster.wait_for(lambda: all(job.ended for job in cluster.list_jobs(tmp_path)), "the end of all jobs", 120)
    assert list((tmp_path / "slurm_logs").rglob(f"{orphans[0]}.log")), "the orphan had no log, so it did not begin"
    compare_products(results, copy.make_undisturbed(*args))
    expect_nothing_to_do(copy, tmp_path, *args)


def kill_while_jobs_wait(cluster: Cluster, copy: Planted, folder: Path, profile: Path, number: int) -> list[str]:
    """Kill Snakemake once so many jobs are in the queue, none of which has begun; return their ids, held back."""
    cluster.ask("scontrol", "update", "NodeName=ALL", "State=DRAIN", "Reason=test")
    try:
        first = submit(cluster, folder, copy.raw, folder / "results", profile=profile, code=copy.code)
        cluster.wait_for(lambda: len(cluster.list_jobs(folder)) == number, "jobs that wait")
        first.kill()
        orphans = [str(job.id) for job in cluster.list_jobs(folder)]
        cluster.ask("scontrol", "hold", *orphans)
        # The plugin removes empty folders of logs when a run ends; a job that has none for its own cannot begin.
        for place in (folder / "slurm_logs").iterdir():
            (place / "of_an_earlier_job.log").touch()
    finally:
        cluster.ask("scontrol", "update", "NodeName=ALL", "State=RESUME")
    return orphans
