"""Solutions and stacks that are submitted to a stand-in of Slurm: the bytes of a local run, by jobs that fit."""

import os

import pytest
from astropy.io import fits

from tests.running import UNSEEN_FILE, run_snakemake
from tests.workflow.solving_night import FIELD, configure, install_tools, write_night
from tests.workflow.standin.cluster import Cluster

pytestmark = pytest.mark.slow


def read_products(results):
    paths = [path for path in results.glob("2*/**/*") if path.suffix in (".fits", ".json", ".wcs")]
    return {str(path.relative_to(results)): path.read_bytes() for path in paths}


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path / "slurm")
    yield cluster
    cluster.stop()


def test_solutions_and_stacks_are_the_bytes_of_a_local_run(cluster, tmp_path, monkeypatch):
    write_night(tmp_path / "raw")
    tools = install_tools(tmp_path / "tools")
    monkeypatch.setenv("PATH", f"{tools.programs}:{os.environ['PATH']}")
    configure(tmp_path, tools, stacks={"use": True}, results="results")
    run_snakemake(tmp_path, configfile="settings.yaml", config={"results": tmp_path / "local"})
    calls = len(tools.read_calls())

    told = ("--configfile", UNSEEN_FILE, "settings.yaml")
    cluster.run(tmp_path, *told, "--config", f"raw={tmp_path}/raw", f"results={tmp_path}/results")
    made = read_products(tmp_path / "results")
    assert made == read_products(tmp_path / "local")
    (stack,) = (tmp_path / "results").glob("2*/*/stacks/*.fits")
    assert fits.getheader(stack)["NCOMBINE"] == 2
    assert fits.getheader(stack)["SOLVED"] is True
    assert {path.rpartition("/")[2] for path in made if path.endswith(".wcs")} == {
        "blank0.wcs",
        "field0.wcs",
        "field1.wcs",
    }

    # the folder of the indexes, which no recipe tells, got to the job that needs it
    assert len(tools.read_calls()) == 2 * calls > 0

    jobs = {kind: job for kind in ("solve", "calibrate", "stack") for job in cluster.jobs if kind in job["name"]}
    for kind, job in jobs.items():
        print(f"{kind}: {job['name']}: {job['mem_mb']} MB, {job['minutes']} minutes, {job['cpus']} cpus")
    assert {job["state"] for job in cluster.jobs} == {"COMPLETED"}
    assert len(jobs) == 3
    assert len(cluster.jobs) == 4  # and the masters
    frame = 4e-6 * FIELD.shape[0] * FIELD.shape[1]  # MB of a plane
    for job in jobs.values():
        assert 550 + 10 * frame < job["mem_mb"] < 1000
        assert job["cpus"] == 1
    # solving three lights may take three times the limit, however small they are
    assert 5 + 3 <= jobs["solve"]["minutes"] <= 5 + 3 + 2
    assert 5 < jobs["stack"]["minutes"] <= 10
