"""A cluster for tests: the stand-ins of Slurm's commands in a folder of their own, and runs that submit to them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.running import REPOSITORY, TIMEOUT

PROFILE = REPOSITORY / "workflow" / "profiles" / "cluster-generic"
STANDIN = Path(__file__).with_name("slurm.py")
PROGRAMS = ("sbatch", "squeue", "sacct", "scancel")
OVER = {"CANCELLED", "COMPLETED", "FAILED", "OUT_OF_MEMORY", "TIMEOUT"}


class Cluster:
    """Stand-ins of Slurm's commands below `folder`.

    Parameters
    ----------
    cpus, mem_mb
        What there is of them; a job waits until its CPUs are free.
    accounting
        Whether sacct tells anything.
    min_job_age
        How many seconds squeue knows a job that has ended.
    needs
        What jobs need whose names match: {"make_*": {"mem_mb": 500, "minutes": 2}}; who asks for less is killed.
    prolog
        How many seconds each job has to wait on its node before its script begins.
    """

    def __init__(self, folder: Path, **own: Any):
        self.state = folder
        self.programs = folder / "bin"
        self.programs.mkdir(parents=True)
        for program in PROGRAMS:
            path = self.programs / program
            path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{STANDIN}" "{folder}" {program} "$@"\n')
            path.chmod(0o755)
        self.settings = {"cpus": 4, "mem_mb": 4000, "accounting": False, "min_job_age": 300, "needs": {}, "prolog": 0}
        self.configure(**own)

    def configure(self, **own: Any) -> None:
        self.settings |= own
        (self.state / "settings.json").write_text(json.dumps(self.settings))

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which the stand-ins are found first."""
        return dict(os.environ) | {"PATH": f"{self.programs}:{os.environ['PATH']}"}

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """All jobs that were submitted, in order."""
        paths = sorted(self.state.glob("jobs/*/job.json"), key=lambda path: int(path.parent.name))
        return [json.loads(path.read_text()) for path in paths]

    def list_calls(self, program: str) -> list[list[str]]:
        """Return the arguments of each call of a program."""
        calls = [json.loads(line) for line in (self.state / "calls").read_text().splitlines()]
        return [arguments for called, *arguments in calls if called == program]

    def start(
        self, folder: Path, *args: str | Path, code: Path = REPOSITORY, profile: str | Path = PROFILE, **more: str
    ) -> subprocess.Popen[str]:
        """Start the workflow in `code`, with `folder` for working directory; `more` is added to the environment."""
        command = [sys.executable, "-m", "snakemake", "-s", code / "Snakefile", "--workflow-profile", profile]
        command += ["--seconds-between-status-checks", "1", *args]
        return subprocess.Popen(
            list(map(str, command)),
            cwd=folder,
            env=self.environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, folder: Path, *args: str | Path, expect: int = 0, **how: Any) -> str:
        """Run Snakemake as `start` does, and return what it printed."""
        process = self.start(folder, *args, **how)
        said = finish(process)
        wrong = f"exit status {process.returncode}, not {expect}\n{said}\n{self.read_logs(folder)}"
        assert process.returncode == expect, wrong
        return said

    def read_logs(self, folder: Path) -> str:
        """Return what the jobs of a run said."""
        return "\n".join(f"{path.name}:\n{path.read_text()}" for path in sorted(folder.glob("slurm_logs/*.log")))

    def stop(self) -> None:
        """Cancel what still waits or runs, and wait until it has ended."""
        for job in self.jobs:
            (self.state / "jobs" / job["id"] / "cancelled").touch()
        wait_until(lambda: all(job["state"] in OVER for job in self.jobs))


def finish(process: subprocess.Popen[str], timeout: float = TIMEOUT) -> str:
    """Wait for a run to end and return what it printed; kill it if it does not."""
    try:
        return process.communicate(timeout=timeout)[0]
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise


def wait_until(condition: Any, timeout: float = 60) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
