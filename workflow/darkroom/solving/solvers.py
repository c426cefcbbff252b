"""Solvers: astrometry.net's solve-field and ASTAP, which find the place of a field on the sky by its stars.

Each gets a list of stars in a private folder and numbers as arguments: nothing that a header says reaches its command
line but as a number that was checked. What it finds is a first guess, which `solution_check` fits and judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from darkroom.solving.astap import run_astap
from darkroom.solving.field_stars import Stars
from darkroom.solving.found_fields import FoundField
from darkroom.solving.hints import Hints
from darkroom.solving.solve_field import run_solve_field
from darkroom.solving.star_indexes import StarIndex
from darkroom.solving.tools import Solver, SolverProblem


def run_solver(
    solver: Solver,
    stars: Stars,
    shape: tuple[int, int],
    hints: Hints,
    indexes: Sequence[StarIndex],
    folder: Path,
    seconds: float,
) -> FoundField:
    """Let a solver look for a field once, by some hints.

    Parameters
    ----------
    solver : Solver
        Which one.
    stars : array, shape (stars, 3)
        As of `darkroom.solving.field_stars.find_field_stars`.
    shape : tuple of int
        Rows and columns of the frame.
    hints : Hints
        All of which it believes.
    indexes : sequence of StarIndex
        Those that solve-field looks through.
    folder : Path
        An empty private one.
    seconds : float
        That it may take.

    Raises
    ------
    SolverProblem
        If it cannot be started, or has no catalogue.
    """
    seconds = max(1.0, seconds)
    try:
        if solver.name == "ASTAP":
            return run_astap(solver, stars, shape, hints, folder, seconds)
        return run_solve_field(solver, stars, shape, hints, indexes, folder, seconds)
    except OSError as error:
        raise SolverProblem(f"{solver.program} cannot be run ({error.strerror or error})") from None
