"""What jobs suffer. The environment says what: FAULT=fail, wait or hog, and FAULT_FOLDER, where that is kept track of.

Jobs import this, so it imports little.
"""

import os
import subprocess
import time
from pathlib import Path

PATIENCE = 600  # s


def suffer(product: str) -> None:
    """Suffer what the environment says: 'fail' and 'wait' strike one job once, 'hog' each job each time."""
    how = os.environ.get("FAULT")
    if how is None:
        return
    folder = Path(os.environ["FAULT_FOLDER"])
    if how == "hog":
        hog_memory(folder)
        return
    try:
        with (folder / "struck").open("x") as file:
            file.write(product)
    except FileExistsError:
        return
    if how == "fail":
        raise RuntimeError("a disk that was away for a moment")
    end = time.monotonic() + PATIENCE
    while not (folder / "released").exists() and time.monotonic() < end:
        time.sleep(0.1)


def hog_memory(folder: Path) -> None:
    """Take more memory than the first attempt asked for, until somebody has had the time to notice."""
    try:
        with (folder / "struck").open("x") as file:
            file.write(ask_memory())
    except FileExistsError:
        pass
    megabytes = float((folder / "struck").read_text().removesuffix("M"))
    held = bytearray(round(megabytes * 1.1) * 2**20)
    held[:: 2**12] = b"\1" * len(held[:: 2**12])  # each page
    time.sleep(6)


def ask_memory() -> str:
    """Return what this job asked for, such as 500M."""
    command = ["squeue", "-h", "-j", os.environ["SLURM_JOB_ID"], "-o", "%m"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
