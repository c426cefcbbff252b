"""Nodes whose daemon dies: its jobs live on, or are given to another node while they do.

In neither case had a user to type anything.
"""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.plant import BEGINS, WRITES, Planted, make_fault
from tests.slurm.runs import compare_products
from tests.slurm.test_faults import JOBS, find_waiting, start

Plant = Callable[[str, str], Planted]


@pytest.mark.parametrize("script", ["make_master_dark", "calibrate_lights"])
def test_a_daemon_that_is_killed_and_comes_back(
    cluster: Cluster, planted: Plant, eager: Path, tmp_path: Path, script: str
) -> None:
    fault = make_fault("wait", tmp_path / "fault")
    copy = planted(script, BEGINS)
    run = start(cluster, copy, tmp_path, eager, fault)
    node = find_waiting(cluster, tmp_path, fault).node
    cluster.kill_slurmd(node)
    time.sleep(2)
    cluster.start_slurmd(node)
    fault.release()
    run.finish()
    compare_products(tmp_path / "results", copy.make_undisturbed())
    assert [job.state for job in cluster.list_jobs(tmp_path)] == ["COMPLETED"] * JOBS


@pytest.mark.limit(400)
@pytest.mark.parametrize("script", ["make_master_dark", "calibrate_lights"])
def test_a_node_that_is_given_up_while_its_job_lives_on(
    cluster: Cluster, planted: Plant, eager: Path, tmp_path: Path, script: str
) -> None:
    """Slurm queues the job again; the first one has done its work by then, and writes after the second."""
    fault = make_fault("wait", tmp_path / "fault")
    copy = planted(script, WRITES)
    run = start(cluster, copy, tmp_path, eager, fault)
    job = find_waiting(cluster, tmp_path, fault)
    cluster.kill_slurmd(job.node)

    def moved() -> bool:
        [same] = (each for each in cluster.list_jobs(tmp_path) if each.id == job.id)
        return same.state in ("RUNNING", "COMPLETED") and same.node != job.node

    cluster.wait_for(moved, "the job on another node", 180)
    run.finish()
    compare_products(tmp_path / "results", copy.make_undisturbed())
    fault.release()
    cluster.wait_for(fault.is_over, "the end of the job on the lost node")
    compare_products(tmp_path / "results", copy.make_undisturbed())
