"""What a person sees at the end of a run: what was made, what was not and why, and where it lies."""

from __future__ import annotations

import contextlib
import gc
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from darkroom.asked import submits
from darkroom.certificates import QUARANTINE, set_aside
from darkroom.job import read_problems
from darkroom.prepare import PlanError, prepare
from darkroom.prepared import Prepared
from darkroom.progress import MOST_WARNINGS, ProgressHandler
from darkroom.runs import Run
from darkroom.stamps import BLOCK
from darkroom.whole_files import say_unwritable

ENDED = "ended without a word, as when it is killed for its memory or its time"


def summarise(
    planned: Prepared,
    config: dict[str, Any],
    progress: ProgressHandler | None = None,
    failed: bool = False,
    stream: TextIO | None = None,
) -> None:
    """Look at the night again after a run; print what was made, what was not and why, and where it lies.

    If masters failed their certification meanwhile, and others can take their place, the run goes on with those,
    unless it was told to end.
    """
    stream = stream or sys.stderr
    run = progress.run if progress else None
    try:
        nights = prepare(config, bool(run and submits(run.workflow)))
    except (PlanError, OSError):  # a folder is gone by now: what was planned is the best there is
        nights = planned
    try:
        aside = set_aside(Path(nights.results), nights.failed)
    except OSError as error:  # they stay where they are, and nothing is made with them
        print(f"darkroom: {say_unwritable(Path(nights.results) / QUARANTINE, error)}", file=stream)
        aside = []
    for path in aside:
        print(f"darkroom: failed its certification, set aside: {path}", file=stream)
    stopped = progress is not None and progress.stopped
    go_on = not stopped and not nights.refusal and any(job.due for job in nights.jobs.values())
    if go_on and set(nights.failed) - set(planned.failed):
        print("darkroom: planning again, with the next best masters", file=stream, flush=True)
        _run_again(run)
    silent = [
        f"{job.message}: {ENDED}; see {Path(nights.results) / job.log}"
        for job in (progress.list_silent() if progress and not stopped else [])
    ]
    print("\n".join(_summarise(planned, nights, failed, silent)), file=stream, flush=True)
    if failed and not stopped:
        from darkroom.unfinished import show_unfinished  # what draws is imported where it is needed

        for page in show_unfinished(planned, nights, silent):
            print(f"  look: {Path(nights.results) / page} (what there is of the night)", file=stream)


def _run_again(run: Run | None) -> None:
    """Run the same command again in place of this run, which still holds Snakemake's lock of the working directory."""
    if run:
        run.end()
    command = [sys.executable, "-m", "snakemake", *sys.argv[1:], "--nolock"]
    process = subprocess.Popen(command, cwd=_find_start())
    signal.signal(signal.SIGTERM, lambda number, frame: process.terminate())
    while True:  # Ctrl-C is for the new run, which ends what it has begun
        with contextlib.suppress(KeyboardInterrupt):
            sys.exit(process.wait())


def _find_start() -> Path | None:
    """Return the folder where the command was given, which its paths start from; Snakemake left it for --directory."""
    from snakemake.common.workdir_handler import WorkdirHandler

    gc.unfreeze()  # what was there before the plan was made is hidden else
    handlers = [one for one in gc.get_objects() if isinstance(one, WorkdirHandler)]
    return next((one.olddir for one in handlers if one.olddir is not None), None)


def _summarise(planned: Prepared, nights: Prepared, failed: bool, silent: list[str]) -> list[str]:
    results, counts = Path(nights.results), nights.summary
    made = counts["lights"] - counts["stale_lights"]
    sought = planned.summary["lights"] + planned.summary["skipped"]
    lines = [
        f"Darkroom: {counts['nights']} night(s), {counts['setups']} setup(s), {counts['masters']} master(s); "
        f"{made} of {sought} light(s) calibrated"
    ]
    lines += [f"  {line}" for path in counts["flats"] for line in _read_left_out(results / path)]
    if counts["skipped"]:
        lines.append(f"  {counts['skipped']} light(s) skipped, for want of a master:")
    lines += [f"  {line}" for line in nights.warnings[:MOST_WARNINGS]]
    if failed:
        lines += [f"  failed: {line}" for line in _read_failures(planned)]
        lines += [f"  failed: {line}" for line in silent[:MOST_WARNINGS]]
        lines += [f"  ended: {nights.refusal}"] if nights.refusal else []
    lines += list(_tell_unsolved(results, counts["solutions"]))
    for what, paths in (("lights", nights.lights), ("stacks", counts["stacks"])):
        for folder in sorted({str((results / path).parent) for path in paths})[:MOST_WARNINGS]:
            lines.append(f"  {what}: {folder}")
    told = [f"  {line}" for path in counts["stacks"] for line in _read_left_out(results / path)]
    lines += told[:MOST_WARNINGS]
    lines += [f"  and {len(told) - MOST_WARNINGS} more such lines; see the page"] if told[MOST_WARNINGS:] else []
    pages = [page for page in counts["pages"] if not failed and (results / page).exists()]
    if len(pages) > MOST_WARNINGS:
        pages = [*pages[: MOST_WARNINGS - 1], pages[-1]]
    lines += [f"  look: {results / page}" for page in pages]
    lines.append(f"  report: {results / 'plan.txt'} (what each frame got and why), {results / 'frames.csv'}")
    return lines


def _tell_unsolved(results: Path, solutions: list[str]) -> Iterator[str]:
    """Yield how many lights could not be solved, and why the first of them."""
    unsolved = [path for path in solutions if _is_unsolved(results / path)]
    if unsolved:
        from astropy.io import fits

        from darkroom.history import NOT_SOLVED, read_reason

        name = unsolved[0].rsplit("/", 1)[-1].removesuffix(".wcs")
        reason = read_reason(fits.getheader(results / unsolved[0]), NOT_SOLVED)
        yield f"  {len(unsolved)} of {len(solutions)} light(s) not solved; {name}: {reason}"


def _is_unsolved(solution: Path) -> bool:
    """Return whether a solution says that there is none, by its first cards."""
    try:
        with solution.open("rb") as file:
            return re.search(rb"SOLVED  = +F ", file.read(BLOCK)) is not None
    except OSError:
        return False


def _read_left_out(product: Path) -> list[str]:
    """Return which flat frames a master flat did without, or lights a stack, from its header; or why there is none."""
    from astropy.io import fits

    from darkroom.history import LEFT_OUT, NO_STACK, list_sentences

    try:
        header = fits.getheader(product)
    except OSError:  # gone, or damaged, and not needed for what was to be made
        return []
    sentences = [*list_sentences(header, LEFT_OUT), *list_sentences(header, NO_STACK)]
    return [f"{product.name}: {sentence}" for sentence in sentences]


def _read_failures(nights: Prepared) -> list[str]:
    logs = [Path(nights.results) / job.log for job in nights.jobs.values() if job.stale]
    return list(dict.fromkeys(line for log in logs for line in read_problems(log)))
