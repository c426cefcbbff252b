"""Nights on a real Slurm: every light made, in few jobs, with the bytes that this machine makes."""

from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.compare import compare, make_table
from tests.slurm.nights import write_nights
from tests.slurm.runs import PROFILES, compare_products, submit

NIGHTS = 10
JOBS = 3  # of one night: masters and all that is measured, and the lights in each of two filters


def run_and_compare(cluster: Cluster, folder: Path, night: Path, *args: str, profile: Path) -> str:
    """Run the night on a cluster, as the profile says; demand the products of the local run, and few jobs."""
    printed = submit(cluster, folder, night / "raw", folder / "results", *args, profile=profile).finish()
    assert compare_products(folder / "results", night / "results") > 0
    assert "6 of 6 light(s) calibrated" in printed
    jobs = cluster.list_jobs(folder)
    assert [job.state for job in jobs] == ["COMPLETED"] * JOBS
    return printed


def test_a_night_goes_to_slurm_as_the_profile_is(cluster: Cluster, night: Path, tmp_path: Path) -> None:
    run_and_compare(cluster, tmp_path, night, profile=PROFILES / "slurm")


@pytest.mark.parametrize("command", ["squeue", "sacct"])
def test_a_night_goes_to_a_slurm_with_accounting(
    accounted: Cluster, night: Path, tmp_path: Path, eager: Path, command: str
) -> None:
    run_and_compare(accounted, tmp_path, night, "--slurm-eager-status-command", command, profile=eager)


def test_a_night_is_submitted_by_a_command(cluster: Cluster, night: Path, tmp_path: Path) -> None:
    run_and_compare(cluster, tmp_path, night, profile=PROFILES / "cluster-generic")


@pytest.mark.limit(1500)
def test_ten_nights_cost_few_jobs(accounted: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = write_nights(tmp_path / "raw", NIGHTS)
    costs = compare(accounted, tmp_path / "raw", tmp_path)
    with capsys.disabled():
        print(f"\n{NIGHTS} nights, {frames} frames\n{make_table(costs)}")
    assert frames >= 400
    assert all(cost.alike == cost.products for cost in costs)
    assert costs[0].products >= frames / 2 + NIGHTS * 4  # the lights, and the masters
    # Flats are held against those of the night before, so their certificates wait for another night's masters.
    most = NIGHTS * (JOBS + 3)
    assert all(NIGHTS * JOBS <= cost.jobs <= most for cost in costs[1:])
