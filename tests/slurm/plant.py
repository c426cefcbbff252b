"""A copy of the workflow whose jobs suffer what the environment says, and what it makes when nothing happens."""

from dataclasses import dataclass
from pathlib import Path

from tests.slurm.daemons import find_processes
from tests.slurm.runs import run_locally
from tests.workflow.reduced import copy_workflow

CALL = '__import__("tests.slurm.faults", fromlist=["suffer"]).suffer(str(snakemake.output[0]))'
BEGINS = "with report_to("  # where a script begins its work
WRITES = "    write_product("  # where it has done all of it, and what it made is still to be written


@dataclass
class Fault:
    """What one job is to suffer, and whether it does by now."""

    how: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"FAULT": self.how, "FAULT_FOLDER": str(self.folder)}

    def has_struck(self) -> bool:
        return (self.folder / "struck").exists()

    def release(self) -> None:
        """Let a job go on that waits."""
        (self.folder / "released").touch()

    def is_over(self) -> bool:
        """Whether no process is left of all that were to suffer."""
        return not find_processes("FAULT_FOLDER", self.folder)


def make_fault(how: str, folder: Path) -> Fault:
    """Return a fault: 'fail', 'wait' or 'hog', as in `suffer`."""
    folder.mkdir(parents=True)
    return Fault(how, folder)


@dataclass
class Planted:
    """A copy of the workflow with a fault, and what it makes of a night where no fault is asked for.

    A product tells of the code that made it, so those of the original workflow have other bytes.
    """

    code: Path
    raw: Path
    folder: Path

    def make_undisturbed(self, *args: str | Path) -> Path:
        """Return the results of a local run with such arguments; it takes place once."""
        results = self.folder / "-".join(["results", *(Path(arg).stem for arg in args)])
        if not results.exists():
            run_locally(self.folder / "local", self.raw, results, *args, code=self.code)
        return results


def plant(folder: Path, raw: Path, script: str, before: str) -> Planted:
    """Copy the workflow, with a fault before the one line of a script that begins so."""
    code = copy_workflow(folder / "code")
    path = code / "scripts" / f"{script}.py"
    lines = path.read_text().splitlines()
    [place] = (number for number, line in enumerate(lines) if line.startswith(before))
    indent = before[: len(before) - len(before.lstrip())]
    path.write_text("\n".join([*lines[:place], indent + CALL, *lines[place:], ""]))
    return Planted(code, raw, folder)
