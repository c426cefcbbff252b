"""What nights cost on this machine and on a real Slurm: ``python -m tests.slurm.compare [--nights 10]``.

Prints tables in Markdown. The frames are small, so that it tells what jobs cost by themselves; those of ``--bench
standard`` or ``--bench long`` are the nights of `tests.bench`, of 2048 x 2048 pixels, and tell what they cost in all.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from tests.bench.night import NIGHTS, write_night
from tests.slurm.cluster import Cluster
from tests.slurm.configuration import Knobs
from tests.slurm.install import find_obstacle, install
from tests.slurm.nights import write_nights
from tests.slurm.runs import PROFILES, Run, digest_products, start_run, submit

LIMIT = 1200.0  # s for one run
KNOBS = Knobs(memory=16000, accounting=True, memory_kills=True)  # held to the memory that they ask for


@dataclass(frozen=True)
class Cost:
    """What a run took: `processor` in s of Snakemake, and `in_jobs` of what it submitted; `alike` of `products`."""

    way: str
    jobs: int
    seconds: float
    processor: float
    in_jobs: float
    alike: int
    products: int


def measure(run: Run) -> tuple[float, float]:
    """Wait for a run; return the seconds that passed, and those of the processor in all processes that it started.

    Nothing else that this process started may end meanwhile.
    """
    begun, before = time.monotonic(), getrusage(RUSAGE_CHILDREN)
    run.finish(limit=LIMIT)
    after = getrusage(RUSAGE_CHILDREN)
    return time.monotonic() - begun, sum(after[:2]) - sum(before[:2])


def compare(cluster: Cluster, raw: Path, folder: Path) -> list[Cost]:
    """Run the nights in all ways, one after another, with the profiles as they are."""
    local = start_run(folder / "local", raw, folder / "local" / "results", "--cores", "2")
    seconds, processor = measure(local)
    expected = digest_products(folder / "local" / "results")
    costs = [Cost("local, 2 cores", 0, seconds, processor, 0.0, len(expected), len(expected))]
    for name in ("slurm", "cluster-generic"):
        place = folder / name
        seconds, processor = measure(submit(cluster, place, raw, place / "results", profile=PROFILES / name))
        jobs = cluster.list_jobs(place)
        made = digest_products(place / "results")
        alike = sum(made.get(path) == digest for path, digest in expected.items())
        costs.append(
            Cost(name, len(jobs), seconds, processor, read_cpu(cluster, place), alike, len(made.keys() | expected))
        )
    return costs


def read_cpu(cluster: Cluster, folder: Path) -> float:
    """Return the processor time of all jobs, once accounting has heard of the last one."""
    jobs = cluster.list_jobs(folder)
    cluster.wait_for(lambda: cluster.count_accounted(jobs) == len(jobs), "accounts of all jobs")
    return cluster.read_cpu_seconds(jobs)


def tabulate_jobs(cluster: Cluster, folder: Path) -> str:
    """Return what each job of a run asked for and took, as a table in Markdown."""
    lines = [
        "| job | CPUs | memory asked, MB | taken, MB | minutes asked | wall s | CPU s |",
        "|---|---|---|---|---|---|---|",
    ]
    for job in cluster.list_jobs(folder):
        fields = "ReqCPUS,ReqMem,MaxRSS,TimelimitRaw,ElapsedRaw,TotalCPU"
        steps = [line.split("|") for line in cluster.ask("sacct", "-nPj", str(job.id), "-o", fields).splitlines()]
        cpus, asked, _, minutes, seconds, processor = steps[0]
        taken = sum(int(step[2].rstrip("K")) for step in steps if step[2].endswith("K")) / 1024
        lines.append(f"| {job.id} | {cpus} | {asked.rstrip('M')} | {taken:.0f} | {minutes} | {seconds} | {processor} |")
    return "\n".join(lines)


def make_table(costs: Sequence[Cost]) -> str:
    """Return the costs as a table in Markdown."""
    lines = [
        "| where | Slurm jobs | wall s | CPU s of Snakemake | CPU s in jobs | CPU s in all | identical products |",
        "|---|---|---|---|---|---|---|",
    ]
    for cost in costs:
        total = cost.processor + cost.in_jobs
        lines.append(
            f"| {cost.way} | {cost.jobs or ''} | {cost.seconds:.0f} | {cost.processor:.0f} | "
            f"{f'{cost.in_jobs:.0f}' if cost.jobs else ''} | {total:.0f} | {cost.alike} of {cost.products} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare a local run with a real Slurm on this machine.")
    parser.add_argument("--nights", type=int, default=10, help="nights of 40 frames")
    parser.add_argument("--bench", choices=NIGHTS, help="instead, one of the nights of tests.bench")
    options = parser.parse_args()
    obstacle = install() or find_obstacle()
    if obstacle:
        print(f"skipped: {obstacle}")
        return 0
    with tempfile.TemporaryDirectory(prefix="darkroom-compare-") as name, Cluster(KNOBS) as cluster:
        folder = Path(name).resolve()
        if options.bench:
            write_night(NIGHTS[options.bench], folder / "raw")
        else:
            write_nights(folder / "raw", options.nights)
        frames = len(list((folder / "raw").rglob("*.fits")))
        print(f"{frames} frames; {cluster.knobs.nodes} virtual nodes on one machine\n")
        print(make_table(compare(cluster, folder / "raw", folder)))
        if options.bench:
            print("", tabulate_jobs(cluster, folder / "slurm"), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
