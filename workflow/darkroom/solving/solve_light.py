"""Solving a light: hints, solver, check; all in one call that leaves nothing behind."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.history import ADVICE
from darkroom.problems import JobProblem
from darkroom.solving.field_stars import Stars, find_field_stars
from darkroom.solving.found_fields import FoundField
from darkroom.solving.hints import RADIUS, Hints, list_attempts, read_hints, widen_scale
from darkroom.solving.index_advice import advise_indexes, find_pattern_range, name_missing_scales
from darkroom.solving.solution import Solution
from darkroom.solving.solution_check import HIGHEST_ORDER, RefusedSolution, check_solution
from darkroom.solving.solvers import run_solver
from darkroom.solving.star_indexes import StarIndex, choose_indexes, read_index_stars, read_indexes
from darkroom.solving.tools import PACKAGES, Solver, SolverProblem, find_tools, name_folders

# What the settings' part may say, and what it is where they do not.
DEFAULTS: dict[str, Any] = {
    "solver": "auto",  # or astrometry.net or ASTAP
    "indexes": [],  # folders of index files; [] is where they usually are
    "catalogue": "",  # the folder of ASTAP's star database
    "scale": None,  # [low, high], seconds of arc a pixel
    "position": None,  # [RA, Dec]
    "radius": RADIUS,  # degrees around it
    "time_limit": 60,  # s
    "distortion": HIGHEST_ORDER,  # highest order of the polynomial
}
FEWEST_STARS = 10
ROOM = 1.2  # half diagonals around the middle in which catalogue stars are read
CROWD = 3  # times as many catalogue stars as stars that are found: of these, most would match by chance


class UnsolvedLight(JobProblem):
    """Why a light has no solution, in one line."""


def solve_light(
    data: NDArray[Any],
    header: Mapping[str, Any],
    settings: Mapping[str, Any],
    cards: Mapping[str, Any],
    mask: NDArray[np.uint8] | None = None,
    mosaic: bool = False,
) -> Solution:
    """Find where a light lies on the sky.

    Parameters
    ----------
    data : array, shape (rows, columns)
        The calibrated light.
    header : mapping
        Its cards.
    settings : mapping
        As `DEFAULTS`.
    cards : mapping
        What its cards are called that tell scale and place; see `darkroom.dialects.list_hint_cards`.
    mask : array of uint8, same shape, optional
        Its quality plane.
    mosaic : bool
        Whether it is a colour mosaic.

    Raises
    ------
    UnsolvedLight
        If there is no solver, no index for such a field, no solution, or none that passes the check.
    ValueError
        If the settings' scale or position is none.
    """
    wanted = DEFAULTS | dict(settings)
    try:
        tools = find_tools(wanted)
        if tools.solver is None or tools.missing:
            raise SolverProblem(tools.missing)
        hints = read_hints(header, data.shape, wanted, cards)
        indexes = read_indexes(tools.indexes)
        if tools.solver.name != "ASTAP":
            _demand_indexes(indexes, data.shape, hints, wanted["indexes"])
        stars = find_field_stars(data, mask, mosaic)
        if len(stars) < FEWEST_STARS:
            raise SolverProblem(f"only {len(stars)} stars stand out, too few to know the field by ({FEWEST_STARS})")
        return _solve(tools.solver, stars, data.shape, hints, indexes, wanted)
    except SolverProblem as problem:
        raise UnsolvedLight(str(problem)) from None


def _demand_indexes(indexes: Sequence[StarIndex], shape: tuple[int, int], hints: Hints, folders: Sequence[str]) -> None:
    """Refuse to search where no index has patterns of the field's size."""
    low, high = find_pattern_range(shape, widen_scale(hints, shape))
    if choose_indexes(indexes, low, high) or (indexes and not hints.scale):
        return
    where = name_folders(folders)
    if not indexes:  # but files that are called so
        raise SolverProblem(f"no star index in {where} can be read{ADVICE}{advise_indexes(['07', '19'])}")
    raise SolverProblem(
        f"no star index for patterns of {low:.1f}' to {high:.1f}', as this field has; those in {where} have "
        f"{indexes[0].low:.0f}' to {max(index.high for index in indexes):.0f}'{ADVICE}"
        f"{advise_indexes(_name_missing(indexes, low, high)) or 'no index is as fine'}"
    )


def _solve(
    solver: Solver,
    stars: Stars,
    shape: tuple[int, int],
    hints: Hints,
    indexes: Sequence[StarIndex],
    settings: Mapping[str, Any],
) -> Solution:
    """Try one way after the other until the time is over; return the first solution that passes the check.

    The same stars have the same solution, as long as no attempt that could succeed is stopped by the time limit.
    """
    end, reasons = time.monotonic() + float(settings["time_limit"]), []
    attempts = list_attempts(hints)
    for number, attempt in enumerate(attempts):
        left = (end - time.monotonic()) / (len(attempts) - number)  # a wrong hint leaves time for others
        if left < 0.5:
            reasons.append(f"{attempt.text}: no time left")
            break
        suited = choose_indexes(indexes, *find_pattern_range(shape, widen_scale(attempt, shape)))
        with tempfile.TemporaryDirectory(prefix="darkroom-solve-", ignore_cleanup_errors=True) as place:
            folder = Path(place)
            found = run_solver(solver, stars, shape, attempt, suited, folder, left)
            if found.wcs is None:
                reasons.append(f"{attempt.text}: {found.reason or 'no pattern matches'}")
                continue
            try:
                return _check(found, stars, shape, attempt, indexes, settings, folder)
            except RefusedSolution as refused:
                reasons.append(f"{attempt.text}: a solution was refused, {refused}")
    reason = f"{solver.name} found nothing with {len(stars)} stars ({'; '.join(reasons)})"
    raise SolverProblem(f"{reason}{ADVICE}{_advise(hints, shape, indexes)}")


def _check(
    found: FoundField,
    stars: Stars,
    shape: tuple[int, int],
    hints: Hints,
    indexes: Sequence[StarIndex],
    settings: Mapping[str, Any],
    folder: Path,
) -> Solution:
    assert found.wcs is not None, "it was found"
    middle = found.wcs.all_pix2world((shape[1] - 1) / 2, (shape[0] - 1) / 2, 0)
    (a, b), (c, d) = found.wcs.pixel_scale_matrix
    radius = min(90.0, ROOM * math.hypot(*shape) / 2 * math.sqrt(abs(a * d - b * c)))
    catalogue, reference = _read_catalogue(indexes, float(middle[0]), float(middle[1]), radius, len(stars), folder)
    if not len(catalogue):
        raise RefusedSolution(
            f"no index has stars there to check it by (astrometry.net's indexes, and its query-starkd: {PACKAGES})"
        )
    sure = hints.scale if hints.sure_of_scale else None
    solution = check_solution(found.wcs, stars, shape, catalogue, sure, int(settings["distortion"]))
    return replace(solution, solver=found.solver, reference=reference)


def _read_catalogue(
    indexes: Sequence[StarIndex], ra: float, dec: float, radius: float, stars: int, folder: Path
) -> tuple[NDArray[np.float64], str]:
    """Return the stars of the finest indexes that do not have many more than the light, and what they are of."""
    found: tuple[NDArray[np.float64], str] = np.empty((0, 2)), ""
    for low in sorted({index.low for index in indexes}):
        alike = [index for index in indexes if index.low == low]  # parts of the sky, each in a file of its own
        parts = [read_index_stars(index, ra, dec, radius, folder) for index in alike]
        rows = np.unique(np.concatenate(parts), axis=0)
        if len(rows):
            found = rows, Path(alike[0].path).name
        if 0 < len(rows) <= CROWD * stars:
            break
    return found


def _name_missing(indexes: Sequence[StarIndex], low: float, high: float) -> list[str]:
    return name_missing_scales([(index.low, index.high) for index in indexes], low, high)


def _advise(hints: Hints, shape: tuple[int, int], indexes: Sequence[StarIndex]) -> str:
    """Return what might help."""
    advice = []
    if hints.scale:
        low, high = find_pattern_range(shape, hints.scale)
        if missing := _name_missing(indexes, low, high):
            advice.append(advise_indexes(missing))
    told = [name for name, known in (("scale", hints.scale), ("position", hints.position)) if not known]
    if told:
        advice.append(f"tell its {' and '.join(told)} in the settings")
    advice.append("give it more time")
    return ", or ".join(advice)
