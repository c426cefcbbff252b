"""Say where the time of a night goes: ``python -m tests.bench.budget [--night long]``.

Darkroom calibrates a night once, cold. Then its start, its end and each of its jobs are run again one by one, and
looked into.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from darkroom.prepare import prepare
from darkroom.prepared import Job, Prepared
from tests.bench.budget_tables import Span, account_for_run, keep_tables, tabulate_jobs, tabulate_run
from tests.bench.competitors import enter_darkroom
from tests.bench.night import NIGHTS, Night, write_night
from tests.bench.report import describe_machine
from tests.bench.rules import ask_rules
from tests.bench.timed import measure
from tests.running import REPOSITORY, UNSEEN

DRY_RUNS = 3
MOST_FUNCTIONS = 12
TAKEN = re.compile(r"^took (\S+) s,", re.MULTILINE)
# A dry run in a process that looks at its watch; then what a summary does: it plans once more, in the same process.
PLANNING = """
import sys, time
watch = [float(sys.argv[1]), time.perf_counter()]
import snakemake.cli
watch.append(time.perf_counter())
import darkroom.prepare
watch.append(time.perf_counter())
plan, planned = darkroom.prepare.prepare, []
def timed(config):
    start = time.perf_counter()
    try:
        return plan(config)
    finally:
        planned.append(time.perf_counter() - start)
darkroom.prepare.prepare = timed
try:
    snakemake.cli.main(sys.argv[3:])
except SystemExit:
    watch.append(time.perf_counter())
timed({"raw": sys.argv[2], "results": "results"})
timed({"raw": sys.argv[2], "results": "results"})
print(*(after - before for before, after in zip(watch, watch[1:])), planned[0], planned[-1])
"""


def read_spans(nights: Prepared, begun: float) -> dict[str, Span]:
    """Return when each job ran, by its name: the last line of its log says what it took.

    ``begun``, in s of the epoch, is when the run did.

    Raises
    ------
    RuntimeError
        If a job left none.
    """
    spans = {}
    for job in nights.jobs.values():
        path = Path(nights.results) / job.log
        taken = TAKEN.findall(path.read_text()) if path.exists() else []
        if not taken:
            raise RuntimeError(f"{job.name}: no time in its log {path}")
        seconds = float(taken[-1])
        end = path.stat().st_mtime - begun
        spans[job.name] = Span(job.kind, end - seconds, end)
    return spans


def describe_job(nights: Prepared, job: Job, threads: int) -> dict[str, Any]:
    """Return what `one_job` needs to run a job's script with so many threads."""
    results = Path(nights.results)
    return {
        "kind": job.kind,
        "library": str(REPOSITORY / "workflow"),
        "script": str(REPOSITORY / "scripts" / f"{job.kind}.py"),
        "input": {
            "recipe": [str(results / job.recipe)],
            "frames": job.frames,
            "masters": [str(results / path) for path in job.masters],
            "lights" if job.kind == "stack_lights" else "products": [str(results / path) for path in job.shows],
        },
        "output": [str(results / path) for path in job.products],
        "names": ["page", "table"] if job.kind == "make_report" else [],
        "log": str(results / job.log),
        "params": {"warn_only": nights.if_failed == "warn", "places": nights.solve},
        "threads": threads,
    }


def write_job(nights: Prepared, job: Job, path: Path, threads: int = 1) -> list[str]:
    """Write what `one_job` needs to `path`, take the job's products away, and return the command that makes them."""
    described = describe_job(nights, job, threads)
    path.write_text(json.dumps(described))
    Path(described["log"]).parent.mkdir(parents=True, exist_ok=True)
    for product in described["output"]:
        Path(product).unlink(missing_ok=True)
    return [sys.executable, str(Path(__file__).with_name("one_job.py")), str(path)]


def sample_job(nights: Prepared, job: Job, folder: Path, threads: int = 1) -> dict[str, dict[str, float]]:
    """Run a job by itself; return the seconds of its shares (``all`` of them, too), and of functions that calculate.

    Raises
    ------
    RuntimeError
        If it fails.
    """
    shares = folder / "shares.json"
    shares.unlink(missing_ok=True)
    command = write_job(nights, job, folder / "job.json", threads)
    begun = time.perf_counter()
    done = subprocess.run([*command, str(begun), str(shares)], cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begun
    if done.returncode:
        raise RuntimeError(f"{job.name}: exit status {done.returncode}\n{done.stderr}")
    found = json.loads(shares.read_text())
    found["shares"]["all"] = seconds
    return found


def time_planning(command: Sequence[str], raw: Path, folder: Path) -> tuple[dict[str, float], float]:
    """Return the seconds of what a run does before its first job, by name, and of planning once more.

    ``command`` is that of the run, which is planned in ``folder``.
    """
    arguments = list(command[command.index("snakemake") + 1 :])
    launch = [sys.executable, "-c", PLANNING, str(time.perf_counter()), str(raw), *arguments, "-n"]
    done = subprocess.run(launch, cwd=folder, capture_output=True, text=True, check=True)
    python, snakemake, darkroom, dry, plan, again = map(float, done.stdout.split()[-6:])
    parts = {"Python": python, "import Snakemake": snakemake, "import Darkroom": darkroom, "index and plan": plan}
    return parts | {"Snakemake's rules and graph": dry - plan}, again


def draw_up_budget(night: Night, folder: Path, cores: int) -> list[str]:
    """Run Darkroom on a night, and its parts again; return the tables, a line each."""
    raw = folder / "raw"
    write_night(night, raw)
    place = Path(tempfile.mkdtemp(prefix="run-", dir=folder))
    darkroom = enter_darkroom(raw, cores)
    run = measure(darkroom.prepare(place), place, place / "run.log")
    begun = time.time() - run.seconds
    nights = prepare({"raw": str(raw), "results": str(place / "results"), **UNSEEN})
    spans = read_spans(nights, begun)
    dry = [Path(tempfile.mkdtemp(prefix="dry-", dir=folder)) for _ in range(DRY_RUNS)]
    planned = [time_planning(darkroom.prepare(each), raw, each)[0] for each in dry]
    first = {name: median(each[name] for each in planned) for name in planned[0]}
    last = median(time_planning(darkroom.prepare(place), raw, place)[1] for _ in range(DRY_RUNS))
    told = ask_rules(raw, dry[0] / "asked", cores=cores)
    sampled, functions = {}, Counter()
    for name, job in nights.jobs.items():
        found = sample_job(nights, job, place, told[job.products[0]]["threads"])
        sampled[name] = found["shares"]
        functions.update(found["functions"])
    lines = tabulate_run(account_for_run(run.seconds, [*spans.values()], first, last))
    lines += ["", *tabulate_jobs(spans, sampled, cores)]
    lines += ["", "| arithmetic | s |", "|---|---:|"]
    return lines + [f"| `{where or 'scripts'}` | {part:.2f} |" for where, part in functions.most_common(MOST_FUNCTIONS)]


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Say where the time of a night goes.")
    parser.add_argument("--night", choices=NIGHTS, default="standard", help="how many frames; default: standard")
    parser.add_argument("--size", type=int, default=2048, help="rows and columns of a frame, pixels; default: 2048")
    parser.add_argument("--cores", type=int, default=2, help="default: 2")
    parser.add_argument("--folder", type=Path, help="scratch folder, which keeps the night; default: a temporary one")
    parser.add_argument("--keep", action="store_true", help="put the tables into docs/speed.md")
    return parser.parse_args()


def main() -> None:
    options = read_options()
    night = replace(NIGHTS[options.night], size=options.size)
    # what is run takes the library beside these tests
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(REPOSITORY / "workflow"), os.environ.get("PYTHONPATH")])
    )
    frames = len(night.list_frames())
    heading = [f"{options.night.capitalize()} night: {frames} frames of {night.size} x {night.size}.", ""]
    heading += [f"{describe_machine()}.", ""]
    with tempfile.TemporaryDirectory(prefix="darkroom-budget-") as folder:
        place = options.folder or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        lines = heading + draw_up_budget(night, place.resolve(), options.cores)
    print("\n".join(lines))
    if options.keep:
        keep_tables(REPOSITORY / "docs" / "speed.md", lines)


if __name__ == "__main__":
    main()
