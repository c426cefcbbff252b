"""What jobs suffer: a line planted in a script of a copied workflow, told by the environment whom to strike, and how.

    FAULT=wait  FAULT_FOLDER=/somewhere  FAULT_PRODUCT=master_dark

strikes the first job that makes a product of such a name, once. Without FAULT nothing happens, so that the same copy
makes the undisturbed products (a product knows the code that made it, so those of the original workflow are others).
"""

import os
import time
from pathlib import Path

from tests.workflow.reduced import copy_workflow

CALL = '__import__("tests.slurm.faults", fromlist=["suffer"]).suffer(str(snakemake.output[0]))'
FIRST = "with report_to("  # where a script begins its work
WRITING = "    write_product("  # where it has done all of it
PATIENCE = 600  # s


def copy_with_faults(folder: Path, script: str, before: str = FIRST) -> Path:
    """Copy the workflow, with a fault before the only line of a script that begins so."""
    code = copy_workflow(folder)
    path = code / "scripts" / f"{script}.py"
    lines = path.read_text().splitlines()
    [place] = (number for number, line in enumerate(lines) if line.startswith(before))
    indent = before[: len(before) - len(before.lstrip())]
    lines.insert(place, indent + CALL)
    path.write_text("\n".join(lines) + "\n")
    return code


def strike(how: str, folder: Path) -> dict[str, str]:
    """Return the environment in which the first job of that script is struck; `folder` is for that fault alone."""
    folder.mkdir(parents=True)
    return {"FAULT": how, "FAULT_FOLDER": str(folder)}


def suffer(product: str) -> None:
    """Suffer what the environment says, once a fault: 'fail', or 'wait' until released. 'hog' hits every attempt."""
    how = os.environ.get("FAULT")
    if how is None:
        return
    folder = Path(os.environ["FAULT_FOLDER"])
    if how == "hog":
        hog_memory(folder)
        return
    try:
        (folder / "struck").touch(exist_ok=False)
    except FileExistsError:
        return
    (folder / "product").write_text(product)
    if how == "fail":
        raise RuntimeError("a disk that was away for a moment")
    end = time.monotonic() + PATIENCE
    while not (folder / "released").exists() and time.monotonic() < end:
        time.sleep(0.1)


def hog_memory(folder: Path) -> None:
    """Take a little more memory than the first attempt asked for, and hold it until somebody has had time to notice."""
    asked = os.environ["SLURM_MEM_PER_NODE"]
    try:
        with (folder / "struck").open("x") as file:
            file.write(asked)
    except FileExistsError:
        asked = (folder / "struck").read_text()
    held = bytearray(round(float(asked) * 1.1) * 2**20)
    held[:: 2**12] = b"\1" * len(held[:: 2**12])  # each page
    time.sleep(6)
