"""ASTAP: asked where a drawing of a list of stars is on the sky, for it takes no list."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from astropy.io import fits

from darkroom.solving.child_programs import run_child
from darkroom.solving.field_stars import Stars
from darkroom.solving.found_fields import NUMBERS, FoundField, find_version, read_solution, say_failed
from darkroom.solving.hints import Hints
from darkroom.solving.tools import Solver, SolverProblem, say_no_database

MOST_DRAWN = 500  # stars; it takes no more
WIDTH = 1.3  # pixels, standard deviation of the stars that are drawn
FULL = 60000  # ADU of the brightest ones
SKY, NOISE = 1000.0, 10.0  # ADU
WHOLE_SKY = 180.0  # degrees


def run_astap(
    solver: Solver,
    stars: Stars,
    shape: tuple[int, int],
    hints: Hints,
    folder: Path,
    seconds: float,
) -> FoundField:
    """Let ASTAP look for a field once, at one scale; see `darkroom.solving.solvers.run_solver`."""
    fits.writeto(folder / "stars.fits", _draw_stars(stars[:MOST_DRAWN], shape), overwrite=True)
    command = [solver.program, "-f", "stars.fits", "-o", "field", "-wcs", "-z", "1", "-s", str(MOST_DRAWN)]
    height = 0.0  # then it tries; it knows no range
    if hints.scale:
        height = math.sqrt(hints.scale[0] * hints.scale[1]) * shape[0] / 3600
    ra, dec = hints.position or (0.0, 0.0)
    radius = hints.radius if hints.position else WHOLE_SKY
    command += ["-fov", f"{height:.5g}", "-ra", f"{ra / 15:.7f}", "-spd", f"{dec + 90:.6f}", "-r", f"{radius:.4g}"]
    command += ["-d", solver.catalogue] if solver.catalogue else []
    ended = run_child(command, folder, seconds)
    name = f"{solver.name} {find_version(ended.said)}".strip()
    told = _read_ini(folder / "field.ini")
    if "star database" in told.get("ERROR", ""):
        raise SolverProblem(say_no_database(solver))
    if told.get("PLTSOLVD") != "T":
        return FoundField(None, name, say_failed(ended, seconds))
    try:
        header = fits.Header({name: float(told[name]) for name in NUMBERS})
        header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
        return FoundField(read_solution(header, shape), name)
    except (KeyError, ValueError) as error:
        return FoundField(None, name, f"its output makes no sense ({error})")


def _draw_stars(stars: Stars, shape: tuple[int, int]) -> np.ndarray:
    """Return an image of round stars, the first row the lowest, on a sky with noise that is the same each time."""
    noise = np.random.default_rng(0).normal(SKY, NOISE, shape)
    reach = math.ceil(5 * WIDTH)
    brightest = stars[0, 2] if len(stars) else 1.0
    for x, y, flux in stars:
        # fainter ones are drawn brighter than they are, so that none is lost in the noise; their order stays
        height = FULL * (flux / brightest) ** 0.5
        top, left = max(0, round(y) - reach), max(0, round(x) - reach)
        part = noise[top : round(y) + reach + 1, left : round(x) + reach + 1]
        rows, columns = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
        part += height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * WIDTH**2))
    return np.clip(noise, 0, 65535).astype(np.uint16)


def _read_ini(path: Path) -> dict[str, str]:
    """Return what ASTAP writes of a solution; nothing if it wrote nothing."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace")[: 2**16].splitlines()
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, sign, value in (line.partition("=") for line in lines) if sign}
