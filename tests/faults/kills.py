"""Kills at random moments: what is left of a run then, and what the same command makes of it."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psutil

from darkroom.hold import FILE
from darkroom.stamps import read_stamp
from tests.camera import Camera
from tests.simulator import simulate_night
from tests.workflow.reduced import copy_workflow

LIMIT = 300.0  # s for one run, on a machine that has other work
HOW = ("snakemake", "job", "group", "all")  # what is killed, in turn
PHASES = ("parse", "masters", "lights", "end")
TABLES = ("frames.csv", "certification.csv", "detectors.csv", "plan.csv", "plan.txt")
SCRIPT, WARM = ".snakemake/scripts/", "darkroom.warm"  # in the command lines of jobs, and of the warm process


@dataclass
class Run:
    """Snakemake at work in a folder; what it prints goes to `log`."""

    process: subprocess.Popen
    log: Path

    @property
    def printed(self) -> str:
        return self.log.read_text(errors="replace")

    def finish(self) -> int:
        """Wait for the end; return the exit status."""
        try:
            return self.process.wait(LIMIT)
        except BaseException:
            self.end_all()
            raise

    def list_family(self) -> list[psutil.Process]:
        """Return Snakemake's process and all that it has started; nothing if it has ended."""
        try:
            parent = psutil.Process(self.process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def list_jobs(self) -> list[psutil.Process]:
        """Return the processes of jobs: scripts, and what the warm process has forked for them."""
        jobs = []
        for process in self.list_family()[1:]:
            try:
                command = " ".join(process.cmdline())
                forked = WARM in command and WARM in " ".join(process.parent().cmdline())
            except (psutil.Error, AttributeError):  # ended meanwhile
                continue
            if SCRIPT in command or forked:
                jobs.append(process)
        return jobs

    def find_warm(self) -> psutil.Process | None:
        """Return the warm process, if there is one yet."""
        for process in self.list_family()[1:]:
            with contextlib.suppress(psutil.Error):
                if process.ppid() == self.process.pid and WARM in " ".join(process.cmdline()):
                    return process
        return None

    def end_all(self) -> None:
        """End Snakemake and all that it has started."""
        kill_processes(self.list_family())
        self.process.wait()


@dataclass
class Subject:
    """A night that is reduced again and again, by a copy of the workflow that nobody edits meanwhile."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, shape: tuple[int, int] = (300, 400)) -> "Subject":
        copy_workflow(folder / "code")
        own = {"biases": 5, "darks": {60.0: 5}, "flats": {"B": 4, "V": 4}, "lights": {("V", 60.0): 16, ("B", 60.0): 12}}
        simulate_night(folder / "raw", camera=Camera(shape=shape), **own)
        return cls(folder)

    @property
    def environment(self) -> dict[str, str]:
        """The surroundings of a run: the copy's library, and a folder of its own for what is temporary."""
        return os.environ | {"PYTHONPATH": str(self.folder / "code" / "workflow"), "TMPDIR": str(self.temporary)}

    @cached_property
    def temporary(self) -> Path:
        folder = self.folder / "tmp"  # short, for the name of a socket
        folder.mkdir()
        return folder

    @property
    def raw(self) -> Path:
        return self.folder / "raw"

    def start(
        self,
        folder: Path,
        *args: str,
        raw: Path | None = None,
        results: str = "results",
        faults: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> Run:
        """Start Snakemake in a folder, with two cores, and variables for what it is to suffer."""
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "snakemake", "-s", str(self.folder / "code" / "Snakefile"), "--cores", "2"]
        command += [*args, "--config", f"raw={raw or self.raw}", f"results={results}", "lights_per_job=4"]
        log = log or folder / f"snakemake_{len(list(folder.glob('snakemake_*.log')))}.log"
        with log.open("wb") as printed:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=self.environment | dict(faults or {}),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Run(process, log)

    @cached_property
    def undisturbed(self) -> dict[str, bytes]:
        """The content of all that a run makes which nothing happens to."""
        begun = time.monotonic()
        run = self.start(self.folder / "undisturbed")
        assert run.finish() == 0, run.printed
        self.seconds = time.monotonic() - begun
        return read_products(self.folder / "undisturbed" / "results")


def kill_processes(processes: list[psutil.Process]) -> None:
    """Kill processes, unless they have ended, and wait for their ends."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, 30)


def read_products(results: Path) -> dict[str, bytes]:
    """Return the content of all products and tables, by path below results."""
    paths = [path for path in results.glob("????-??-??/**/*") if path.is_file() and not path.name.startswith(".")]
    paths += [results / name for name in TABLES]
    return {str(path.relative_to(results)): path.read_bytes() for path in sorted(paths) if path.exists()}


def list_leftovers(results: Path) -> list[str]:
    """Return the temporary files below results, and claims to its hold."""
    return [str(path) for pattern in (".*.tmp", "run.*.json") for path in results.rglob(pattern)]


def find_phase(results: Path, expected: dict[str, bytes]) -> str:
    """Return how far a run has come, by what lies in its results."""
    if not (results / FILE).exists():
        return "end" if list(results.glob("logs/calibrate_lights/*/*/*.log")) else "parse"
    if all((results / path).exists() for path in expected):
        return "end"
    return "lights" if list(results.glob("logs/calibrate_lights/*/*/*.log")) else "masters"


@dataclass
class Round:
    """One kill, what it struck, and what is wrong with what came of it."""

    number: int
    how: str
    moment: float
    at_once: bool
    phase: str = ""
    left: int = 0
    problem: str = ""

    def __str__(self) -> str:
        orphans = "at once" if self.at_once else "later"
        outcome = self.problem or "recovered, the same bytes"
        return (
            f"{self.number:3d}  {self.how:9s}  at {self.moment:5.2f} s  {self.phase:8s} "
            f"{self.left:3d} product(s) there, run again {orphans:7s}  {outcome}"
        )


def play(subject: Subject, number: int, seed: int) -> Round:
    """Kill a run at a random moment, look at what it left, and give the very same command again."""
    expected = subject.undisturbed
    rng = random.Random(f"{seed} {number}")
    round = Round(number, HOW[number % len(HOW)], 0.0, at_once=number // len(HOW) % 2 == 0)
    folder = subject.folder / f"round_{number}"
    results = folder / "results"
    try:
        while not round.phase:  # a run that had ended by then was not killed, and does not count
            shutil.rmtree(folder, ignore_errors=True)
            round.moment = rng.uniform(0.1, 1.0) * subject.seconds
            run = subject.start(folder)
            round.phase = strike(run, round, results, expected)
        round.left, round.problem = look_at(results, expected)
        again = subject.start(folder)
        status = again.finish()
        if not round.problem and status:
            round.problem = f"exit status {status}:\n{again.printed}"
        round.problem = round.problem or look_whether_done(subject, folder, expected, number % 5 == 0)
    finally:
        run.end_all()
    if not round.problem:
        shutil.rmtree(folder)
    return round


def strike(run: Run, round: Round, results: Path, expected: dict[str, bytes]) -> str:
    """Kill what is to be killed when its moment has come, or, of jobs, once there is one.

    Returns the phase of the run; nothing if it had ended by then.
    """
    begun = time.monotonic()
    while time.monotonic() - begun < round.moment and run.process.poll() is None:
        time.sleep(0.005)
    jobs = run.list_jobs()
    while round.how == "job" and not jobs and run.process.poll() is None:
        time.sleep(0.005)
        jobs = run.list_jobs()
    family = run.list_family()
    phase = find_phase(results, expected) if run.process.poll() is None and (jobs or round.how != "job") else ""
    if round.how == "snakemake":
        run.process.kill()
    elif round.how == "job" and jobs:
        kill_processes([jobs[-1 if round.at_once else 0]])  # the fork of the warm process, or the script that waits
    elif round.how == "group":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.process.pid, signal.SIGKILL)
    elif round.how == "all":
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()  # so that none starts another meanwhile
        family = run.list_family()
        kill_processes(family)
    run.finish()
    if not round.at_once:  # what still runs comes to its end
        psutil.wait_procs(family, LIMIT)
    return phase


def is_late(results: Path, path: str) -> bool:
    """Return whether a page, or its table, is that of a run that failed: it bears no stamp, and is made anew."""
    page = results / path.replace("lights.csv", "report.html")
    return page.name == "report.html" and page.exists() and read_stamp(page) is None and ends_whole(page)


def ends_whole(page: Path) -> bool:
    return page.read_bytes().endswith(b"</html>\n")


def look_at(results: Path, expected: dict[str, bytes]) -> tuple[int, str]:
    """Return how many products there are, and what is wrong with them: each is whole, and there is no other."""
    found = {path: content for path, content in read_products(results).items() if path not in TABLES}
    odd = [path for path, content in found.items() if content != expected.get(path) and not is_late(results, path)]
    return len(found), f"not whole: {', '.join(odd)}" if odd else ""


def look_whether_done(subject: Subject, folder: Path, expected: dict[str, bytes], foresee: bool) -> str:
    """Return what is wrong with the results after the second run: bytes, leftovers, something to be done still."""
    results = folder / "results"
    found = read_products(results)
    if odd := [path for path in found.keys() | expected.keys() if found.get(path) != expected.get(path)]:
        return f"other bytes: {', '.join(sorted(odd))}"
    if left := list_leftovers(results):
        return f"left behind: {', '.join(left)}"
    if foresee:
        run = subject.start(folder, "-n")
        if run.finish() or "Nothing to be done" not in run.printed:
            return f"still to be done:\n{run.printed}"
    if left := [path.name for path in subject.temporary.glob("darkroom-*")]:
        return f"left behind: {', '.join(left)}"
    return ""


def count_phases(rounds: list[Round]) -> str:
    """Return how many kills fell in which phase of a run."""
    return ", ".join(f"{sum(one.phase == phase for one in rounds)} in {phase}" for phase in PHASES)
