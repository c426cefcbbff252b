"""What one submitted job costs, by the size of the plan: ``python -m tests.scale.submitted --frames 1000 10000``.

A job on a cluster parses the workflow again. The job for the masters of a night is submitted to a command that only
keeps its script, which is then run by itself.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from tests.running import REPOSITORY
from tests.scale.nights import write_nights

PROFILE = REPOSITORY / "workflow" / "profiles" / "cluster-generic"
# What the main process writes for a job that it waits for, and removes at its end.
WAITING = re.compile(r"--wait-for-files-file '[^']*'")
PATIENCE = 1200.0  # s until the plan is made


def keep_script(folder: Path) -> Path:
    """Plan what is below `folder`, and return the script of the first job that is submitted."""
    script = folder / "job.sh"
    command = [sys.executable, "-m", "snakemake", "-s", REPOSITORY / "Snakefile", "--workflow-profile", PROFILE]
    command += ["--jobs", "1", "--cluster-generic-submit-cmd", f"echo 1; cp -t {folder}/scripts"]
    command += ["--cluster-generic-status-cmd", "echo running; true", "--cluster-generic-cancel-cmd", "true"]
    command += ["--config", f"raw={folder}/raw", f"results={folder}/results"]
    (folder / "scripts").mkdir()
    with (folder / "run.log").open("wb") as log:
        run = subprocess.Popen(list(map(str, command)), cwd=folder, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + PATIENCE
        while not (kept := list((folder / "scripts").iterdir())):
            if run.poll() is not None or time.monotonic() > end:
                raise RuntimeError((folder / "run.log").read_text()[-4000:])
            time.sleep(0.2)
        time.sleep(1)
        os.killpg(run.pid, signal.SIGKILL)  # as if the login node went down; its jobs go on
        run.wait()
    script.write_text(WAITING.sub("", kept[0].read_text()))
    return script


def measure(folder: Path, frames: int) -> str:
    """Return a row of the table for so many frames."""
    write_nights(folder / "raw", frames)
    script = keep_script(folder)
    begun, before = time.monotonic(), getrusage(RUSAGE_CHILDREN)
    subprocess.run(["sh", script], cwd=folder, check=True, capture_output=True)
    seconds, after = time.monotonic() - begun, getrusage(RUSAGE_CHILDREN)
    processor = sum(after[:2]) - sum(before[:2])
    table = (folder / "results" / ".cache" / "jobs.json").stat().st_size / 1e6
    return f"| {frames:,} | {table:.1f} | {seconds:.1f} | {processor:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what a submitted job costs, by the size of the plan.")
    parser.add_argument("--frames", type=int, nargs="+", default=[1000, 10000])
    options = parser.parse_args()
    print("| frames | table of jobs, MB | seconds | of the processor |\n| --- | --- | --- | --- |")
    for frames in options.frames:
        with tempfile.TemporaryDirectory(prefix="darkroom-submitted-") as name:
            print(measure(Path(name).resolve(), frames), flush=True)


if __name__ == "__main__":
    main()
