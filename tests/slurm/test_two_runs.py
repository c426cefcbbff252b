"""Two runs on one results folder: the second is refused in one line that says who has it, and disturbs nothing."""

import getpass
import socket
from collections.abc import Callable
from pathlib import Path

from tests.slurm.cluster import Cluster
from tests.slurm.plant import BEGINS, Planted, make_fault
from tests.slurm.runs import compare_products, submit
from tests.slurm.test_faults import JOBS


def test_a_second_run_is_refused_in_one_line(
    cluster: Cluster, planted: Callable[[str, str], Planted], eager: Path, tmp_path: Path
) -> None:
    copy = planted("make_master_dark", BEGINS)
    fault = make_fault("wait", tmp_path / "fault")
    mine, others = tmp_path / "mine", tmp_path / "others"
    first = submit(
        cluster, mine, copy.raw, tmp_path / "results", profile=eager, code=copy.code, faults=fault.environment
    )
    cluster.wait_for(fault.has_struck, "a job that waits")
    second = submit(cluster, others, copy.raw, tmp_path / "results", profile=eager, code=copy.code)
    printed = second.finish(expect=1, limit=60)
    [line] = (line for line in printed.splitlines() if "darkroom: " in line)
    for word in (str(tmp_path / "results"), getpass.getuser(), socket.gethostname(), str(first.process.pid), str(mine)):
        assert word in line
    assert "Traceback" not in printed
    assert cluster.list_jobs(others) == []
    fault.release()
    first.finish()
    compare_products(tmp_path / "results", copy.make_undisturbed())
    assert [job.state for job in cluster.list_jobs(mine)] == ["COMPLETED"] * JOBS
