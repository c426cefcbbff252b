"""Measure how Snakemake bears many ready jobs, each of which makes an empty file: ``python -m tests.scale.ready``."""

import argparse
import sys
import tempfile
from pathlib import Path

import yaml

from tests.bench.timed import measure
from tests.running import REPOSITORY

SNAKEFILE = """
rule all:
    input: expand("made/{number}", number=range(int(config["jobs"])))

rule make:
    output: "made/{number}"
    shell: "> {output}"

def lift(record):  # as darkroom.progress does, so that no timer is waited for
    if getattr(record, "event", None) == "workflow_started":
        workflow.scheduling_settings.max_jobs_per_timespan = None
    return True

from snakemake.logging import logger
logger.addFilter(lift)
"""
PROFILE = yaml.safe_load((REPOSITORY / "profiles" / "default" / "config.yaml").read_text())
SCHEDULERS = {
    "as the profile has it": ["scheduler", "scheduler-subsample"],
    "greedy, all jobs": ["scheduler"],
    "Snakemake's default": [],
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.scale.ready", description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=[500, 1000, 2000], help="how many, for each measurement")
    parser.add_argument("--all", action="store_true", help="with Snakemake's other schedulers, too")
    args = parser.parse_args()
    print("| jobs | scheduler | seconds | milliseconds of the processor a job |", "| --- | --- | --- | --- |", sep="\n")
    for jobs in args.jobs:
        for name, keys in list(SCHEDULERS.items())[: None if args.all else 1]:
            options = [f"--{key}={PROFILE[key]}" for key in keys]
            with tempfile.TemporaryDirectory() as folder:
                place = Path(folder)
                (place / "Snakefile").write_text(SNAKEFILE)
                command = [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "all", *options]
                took = measure([*command, "--config", f"jobs={jobs}"], place, place / "printed.log")
                assert len(list((place / "made").iterdir())) == jobs
            each = 1000 * took.processor / jobs
            print(f"| {jobs:,} | {name} | {took.seconds:.0f} | {each:.1f} |", flush=True)


if __name__ == "__main__":
    main()
