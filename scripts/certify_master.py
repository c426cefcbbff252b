"""Certify a master: hold frames against the combination of all the others, and the master against its limits."""

from darkroom.warm import hand_over

hand_over()

from typing import TextIO

from darkroom.certify import certify_stack
from darkroom.detector import read_detector
from darkroom.job import report_to
from darkroom.masters import MasterShelf
from darkroom.planned import read_job
from darkroom.problems import JobProblem
from darkroom.products import write_figures
from darkroom.stacks import prepare_stack
from darkroom.stamps import name_refusal


def certify_master(
    recipe: dict,
    raw_paths: list[str],
    shelf: MasterShelf,
    certificate: str,
    warn_only: bool,
    threads: int,
    log: TextIO,
) -> None:
    made_by = recipe["made_by"]
    master, previous = shelf.read(recipe["master"]), shelf.read(recipe["previous"])
    stack = prepare_stack(made_by, raw_paths, shelf, read_detector(recipe, shelf), threads, find_full=False)

    figures, failures = certify_stack(stack, made_by, master, previous, recipe["settings"])

    verdict = "failed" if failures else "passed" if figures["proven"] else "unproven"
    path = recipe["master"]["path"]
    print(f"{path}: {verdict}", *failures, sep="\n  ", file=log)
    found = {"master": path, "verdict": verdict, "failures": failures, "figures": figures}
    if failures and not warn_only:  # without its certificate, nothing is made with it
        write_figures(name_refusal(certificate), found, recipe)
        raise JobProblem(f"{path} failed its certification: {'; '.join(failures)}")
    write_figures(certificate, found, recipe)


with report_to(snakemake.log[0]) as log:
    recipe = read_job(snakemake.input.recipe, snakemake.input.frames)
    shelf = MasterShelf.beside(snakemake.output[0], recipe)
    certify_master(
        recipe,
        snakemake.input.frames,
        shelf,
        snakemake.output[0],
        snakemake.params.warn_only,
        snakemake.threads,
        log,
    )
