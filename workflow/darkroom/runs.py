"""A run: it begins when Snakemake is about to start jobs, takes the results folder, and leaves it at its end."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from darkroom.asked import deletes
from darkroom.hold import Hold, ResultsInUse, describe_killed
from darkroom.prepared import CACHE, Prepared, write_job_table
from darkroom.staleness import RECIPES
from darkroom.whole_files import END

ABANDONED = 3600.0  # s after which nobody writes to a temporary file of the plan any more
READ_ONLY = {"plan"}  # rules that only read the results folder
TOTAL = "total"  # what Snakemake counts beside its rules


class Run:
    """What a run does to its results folder besides its jobs."""

    def __init__(self, nights: Prepared, workflow: Any):
        self.nights = nights
        self.workflow = workflow
        self.results = Path(nights.results)
        self.hold: Hold | None = None
        self.queue = ""

    def begin(self, rules: Iterable[str]) -> None:
        """Take the results folder, and make it ready for jobs of these rules; end here if another run has it."""
        if self.workflow.dryrun or set(rules) <= READ_ONLY | {TOTAL}:
            return
        hold = Hold(self.results)
        due = [job for job in self.nights.jobs.values() if job.due]
        try:
            killed = hold.take()
            hold.name_queue(self.queue)
            if self.workflow.non_local_exec:
                write_job_table(self.nights)
            remove_former_recipes(self.results, {job.recipe for job in self.nights.jobs.values()})
            for job in due:  # what it said the last time is no word on this one
                (self.results / job.log).unlink(missing_ok=True)
        except ResultsInUse as problem:
            sys.exit(f"darkroom: {problem}")
        except OSError as error:
            where = error.filename2 or error.filename or self.results
            sys.exit(f"darkroom: {where}: {error.strerror}; make way or room there, and run again")
        self.hold = hold
        remove_temporary({(self.results / job.products[0]).parent for job in due})
        planned = {(self.results / job.recipe).parent for job in due}
        remove_temporary({self.results, self.results / CACHE, *planned}, ABANDONED)
        if killed and (killed.queue or self.workflow.non_local_exec):
            print(f"darkroom: {describe_killed(killed)}", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the results folder to the next run."""
        if self.hold:
            self.hold.release()


def demand_working_folder() -> None:
    """End here if Snakemake, which keeps its own files in the working directory, cannot write to them."""
    kept = Path(".snakemake")
    try:
        kept.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=kept):
            pass
    except OSError as error:
        sys.exit(
            f"darkroom: {kept.absolute().parent}: Snakemake cannot write to its files there ({error.strerror}); "
            "run it in another folder, or name one (--directory FOLDER)"
        )


def refuse_to_delete(results: Path) -> None:
    """End here if another run has the results folder, and Snakemake was asked to delete what is in it."""
    holder = Hold(results).find_holder() if deletes() else None
    if holder:
        sys.exit(f"darkroom: {results}: in use by a run of {holder}; nothing is deleted")


def remove_former_recipes(results: Path, planned: set[str]) -> None:
    """Remove the recipe files that are not planned any more, so that no job of a former run writes what it made."""
    for path in (results / RECIPES).rglob("*.json"):
        if str(path.relative_to(results)) not in planned:
            path.unlink(missing_ok=True)


def remove_temporary(folders: Iterable[Path], age: float = 0.0) -> None:
    """Remove temporary files of processes that were killed, if they are older than an age in seconds.

    Who has the results folder may remove all of those beside products at once: a job of a former run that writes one
    still would only make once more what is due now. A dry run may write a plan at any time.
    """
    for folder in folders:
        for path in folder.glob(f".*{END}"):
            try:
                if not age or time.time() - path.stat().st_mtime > age:
                    path.unlink()
            except OSError:  # renamed or removed meanwhile, or not ours
                pass
