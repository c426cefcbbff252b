"""Runs of the workflow, on a cluster and on this machine alone, and whether they made the same."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.running import REPOSITORY
from tests.slurm.cluster import Cluster

PROFILES = REPOSITORY / "workflow" / "profiles"
PLUGINS = Path(__file__).parent / "plug"
LIMIT = 240.0  # s for one run

started: list["Run"] = []  # of a test, which may fail before it waits for their end


@dataclass
class Run:
    """Snakemake at work in `folder`; what it prints goes to `log`."""

    command: list[str]
    folder: Path
    log: Path
    process: subprocess.Popen

    @property
    def printed(self) -> str:
        return self.log.read_text(errors="replace")

    def finish(self, expect: int | None = 0, limit: float = LIMIT) -> str:
        """Wait until it ends as expected, and return what it printed; after `limit` seconds it is killed."""
        try:
            status = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TimeoutError(f"no end within {limit:g} s: {self.told}") from None
        except BaseException:
            self.kill()
            raise
        if expect is not None and status != expect:
            raise AssertionError(f"exit status {status}, not {expect}: {self.told}")
        return self.printed

    def kill(self) -> None:
        """End Snakemake by kill -9, as a machine that goes down does: what it submitted goes on."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @property
    def told(self) -> str:
        return f"{' '.join(self.command)}\n{self.printed[-8000:]}"


def start_run(
    folder: Path,
    raw: Path,
    results: Path,
    *args: str | Path,
    code: Path = REPOSITORY,
    environment: Mapping[str, str] | None = None,
) -> Run:
    """Start Snakemake in `folder`, on the raw frames and for the results that are named."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "snakemake", "-s", str(code / "Snakefile"), *map(str, args)]
    command += ["--config", f"raw={raw}", f"results={results}"]
    paths = [str(REPOSITORY), str(PLUGINS), os.environ.get("PYTHONPATH", "")]
    environment = {**(environment or os.environ), "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    log = folder / f"snakemake_{len(list(folder.glob('snakemake_*.log')))}.log"
    with log.open("wb") as printed:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # killed with its local jobs, if it must be
        )
    started.append(Run(command, folder, log, process))
    return started[-1]


def kill_started() -> None:
    """End what was started and still runs."""
    while started:
        run = started.pop()
        if run.process.poll() is None:
            run.kill()


def run_locally(folder: Path, raw: Path, results: Path, *args: str | Path, code: Path = REPOSITORY) -> str:
    """Run the workflow on this machine, and return what was printed."""
    return start_run(folder, raw, results, "--cores", "2", *args, code=code).finish()


def submit(
    cluster: Cluster,
    folder: Path,
    raw: Path,
    results: Path,
    *args: str | Path,
    profile: Path = PROFILES / "slurm",
    code: Path = REPOSITORY,
    faults: Mapping[str, str] | None = None,
) -> Run:
    """Start the workflow on a cluster; `faults` are variables for what the jobs are to suffer."""
    environment = {**cluster.environment, **(faults or {})}
    return start_run(folder, raw, results, "--workflow-profile", profile, *args, code=code, environment=environment)


def make_eager(profile: Path, folder: Path) -> Path:
    """Write the profile for Slurm again, for a plugin that asks each second; all else stays as it is."""
    settings = yaml.safe_load((profile / "config.yaml").read_text())
    eager = {
        key.replace("slurm-", "slurm-eager-", 1) if key.startswith("slurm-") else key: value
        for key, value in settings.items()
    }
    eager["executor"] = "slurm-eager"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(eager))
    return folder


def digest_products(results: Path) -> dict[str, str]:
    """Return digests of the bytes of all that was made, by path below `results`: of the nights, and of the tables."""
    paths = [path for path in results.glob("????-??-??/**/*") if path.is_file()]
    paths += [results / name for name in ("frames.csv", "certification.csv", "detectors.csv")]
    return {str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}


def compare_products(results: Path, others: Path) -> int:
    """Demand the same products with the same bytes in both folders; return how many there are."""
    made, expected = digest_products(results), digest_products(others)
    assert made.keys() == expected.keys(), f"not in both: {sorted(made.keys() ^ expected.keys())}"
    unlike = [path for path in made if made[path] != expected[path]]
    assert not unlike, f"other bytes: {unlike}"
    return len(made)
