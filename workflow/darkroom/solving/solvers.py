"""Solvers: astrometry.net's solve-field and ASTAP, which find the place of a field on the sky by its stars.

Each gets a list of stars in a private folder and numbers as arguments: nothing that a header says reaches its command
line but as a number that was checked. What it finds is a first guess, which `solution_check` fits and judges.
"""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from darkroom.solving.child_programs import Ended, run_child
from darkroom.solving.field_stars import Stars
from darkroom.solving.hints import Hints, widen_scale
from darkroom.solving.star_indexes import StarIndex

SOLVE_FIELD = ("solve-field",)
ASTAP = ("astap_cli", "astap")
SOLVER_PACKAGES = "Debian: apt-get install astrometry.net astrometry-data-tycho2"
MOST_STARS = 300  # that solve-field gets
MOST_DRAWN = 500  # and ASTAP, which takes no more
GRACE = 5.0  # s of wall time more than it may take of the processor's
ASTAP_STAR = 1.3  # pixels, standard deviation of the stars that are drawn for ASTAP
ASTAP_FULL = 60000  # ADU of the brightest ones
ASTAP_SKY, ASTAP_NOISE = 1000.0, 10.0  # ADU
WHOLE_SKY = 180.0  # degrees
_CORNERS = (0.0, 0.5, 1.0)
_NUMBERS = ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1", "CD1_2", "CD2_1", "CD2_2")
_SIP = re.compile(r"(A|B|AP|BP)_(ORDER|\d_\d)")
_VERSION = re.compile(r"(?:Git revision|solver version)\s+(?:CLI-)?([\w.+-]{1,20})")


class SolverProblem(Exception):
    """Why a solver cannot be used here at all, in one line."""


@dataclass(frozen=True)
class FoundField:
    """What a solver found: a WCS, and which solver by which version; or why it found none, in few words."""

    wcs: WCS | None
    solver: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Solver:
    """A solver on this machine: ``astrometry.net`` or ``ASTAP``, its program, and where its catalogue is, if told."""

    name: str
    program: str
    catalogue: str = ""


def find_solver(wanted: str = "auto", catalogue: str = "") -> Solver:
    """Return the solver to use: ``astrometry.net``, ``ASTAP``, or with ``auto`` the first that is installed.

    Raises
    ------
    SolverProblem
        If it is not there; it tells what to install.
    """
    names = {"astrometry.net": SOLVE_FIELD, "ASTAP": ASTAP}
    if wanted != "auto" and wanted not in names:
        raise SolverProblem(f"{wanted!a} is no solver; there are {', '.join(names)}")
    for name, programs in names.items():
        for program in programs if wanted in ("auto", name) else ():
            if path := shutil.which(program):
                return Solver(name, str(Path(path).resolve()) if name == "ASTAP" else path, catalogue)
    if wanted == "ASTAP":
        raise SolverProblem("no plate solver: no astap_cli or astap is installed (Debian: apt-get install astap-cli)")
    raise SolverProblem(f"no plate solver: solve-field is not installed ({SOLVER_PACKAGES})")


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
    run = _run_astap if solver.name == "ASTAP" else _run_solve_field
    try:
        return run(solver, stars, shape, hints, indexes, folder, max(1.0, seconds))
    except OSError as error:
        raise SolverProblem(f"{solver.program} cannot be run ({error.strerror or error})") from None


def _run_solve_field(
    solver: Solver,
    stars: Stars,
    shape: tuple[int, int],
    hints: Hints,
    indexes: Sequence[StarIndex],
    folder: Path,
    seconds: float,
) -> FoundField:
    _write_star_list(stars[:MOST_STARS], shape, folder / "stars.xyls")
    limit = math.ceil(seconds)
    lines = [f"cpulimit {limit}", *(f"index {index.path}" for index in reversed(indexes))]  # few wide patterns first
    (folder / "engine.cfg").write_text("\n".join(lines) + "\n", encoding="utf-8")
    low, high = widen_scale(hints, shape)
    # fmt: off
    command = [
        solver.program, "stars.xyls", "--dir", ".", "--out", "field", "--temp-dir", ".", "--overwrite",
        "--backend-config", "engine.cfg", "--cpulimit", str(limit), "--no-plots", "--new-fits", "none",
        "--rdls", "none", "--match", "none", "--index-xyls", "none", "--corr", "none",
        "--x-column", "X", "--y-column", "Y", "--width", str(shape[1]), "--height", str(shape[0]), "--crpix-center",
        "--scale-units", "arcsecperpix", f"--scale-low={low:.6g}", f"--scale-high={high:.6g}",
    ]
    # fmt: on
    if hints.position:
        ra, dec = hints.position
        command += [f"--ra={ra:.6f}", f"--dec={dec:.6f}", f"--radius={hints.radius:.4g}"]
    ended = run_child(command, folder, seconds + GRACE)
    if not (folder / "field.wcs").exists():
        return FoundField(None, solver.name, _say_failed(ended, seconds))
    try:
        header = fits.getheader(folder / "field.wcs")
        name = f"{solver.name} {_find_version(str(header.get('HISTORY', '')))}".strip()
        return FoundField(read_solution(header, shape), name)
    except (OSError, ValueError, fits.VerifyError) as error:
        return FoundField(None, solver.name, f"its output makes no sense ({error})")


def _run_astap(
    solver: Solver,
    stars: Stars,
    shape: tuple[int, int],
    hints: Hints,
    indexes: Sequence[StarIndex],
    folder: Path,
    seconds: float,
) -> FoundField:
    """Let ASTAP solve a drawing of the stars, for it takes no list; it knows one scale, not a range."""
    fits.writeto(folder / "stars.fits", _draw_stars(stars[:MOST_DRAWN], shape), overwrite=True)
    command = [solver.program, "-f", "stars.fits", "-o", "field", "-wcs", "-z", "1", "-s", str(MOST_DRAWN)]
    height = 0.0  # then it tries
    if hints.scale:
        height = math.sqrt(hints.scale[0] * hints.scale[1]) * shape[0] / 3600
    ra, dec = hints.position or (0.0, 0.0)
    radius = hints.radius if hints.position else WHOLE_SKY
    command += ["-fov", f"{height:.5g}", "-ra", f"{ra / 15:.7f}", "-spd", f"{dec + 90:.6f}", "-r", f"{radius:.4g}"]
    command += ["-d", solver.catalogue] if solver.catalogue else []
    ended = run_child(command, folder, seconds)
    name = f"{solver.name} {_find_version(ended.said)}".strip()
    told = _read_ini(folder / "field.ini")
    if "star database" in told.get("ERROR", ""):
        raise SolverProblem(
            f"ASTAP has no star database{f' in {solver.catalogue}' if solver.catalogue else ''} "
            "(install one of www.hnsky.org: D05, D20 or D50; H17 or H18 for ASTAP of 2022; into /usr/share/astap/data)"
        )
    if told.get("PLTSOLVD") != "T":
        return FoundField(None, name, _say_failed(ended, seconds))
    try:
        header = fits.Header({name: float(told[name]) for name in _NUMBERS})
        header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
        return FoundField(read_solution(header, shape), name)
    except (KeyError, ValueError) as error:
        return FoundField(None, name, f"its output makes no sense ({error})")


def read_solution(header: fits.Header, shape: tuple[int, int]) -> WCS:
    """Return the WCS of a solver's output, made anew of its numbers.

    Raises
    ------
    ValueError
        If it is no TAN or TAN-SIP, a number is missing or makes no sense, or pixels are not found again.
    """
    types = [str(header.get(f"CTYPE{axis}", "")).strip() for axis in (1, 2)]
    if types not in (["RA---TAN", "DEC--TAN"], ["RA---TAN-SIP", "DEC--TAN-SIP"]):
        raise ValueError(f"coordinates {types[0]!a} and {types[1]!a}")
    cards: dict[str, Any] = {"CTYPE1": types[0], "CTYPE2": types[1], "CUNIT1": "deg", "CUNIT2": "deg", "LONPOLE": 180.0}
    wanted = [*_NUMBERS, *([name for name in header if _SIP.fullmatch(name)] if types[0].endswith("SIP") else [])]
    for name in wanted:
        value = header.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{name} is no number" if name in header else f"no {name}")
        cards[name] = value
    if any(not 0 <= cards[name] <= 9 for name in cards if name.endswith("_ORDER")):
        raise ValueError("a polynomial of no order")
    pixels = np.array([[x * (shape[1] - 1), y * (shape[0] - 1)] for x in _CORNERS for y in _CORNERS])
    try:
        wcs = WCS(fits.Header(cards), fix=False)
        places = wcs.all_pix2world(pixels, 0)
        back = wcs.all_world2pix(places, 0, quiet=True)
    except Exception as error:  # WCSLIB's, of a matrix that cannot be inverted
        raise ValueError("a WCS that cannot be used") from error
    if not np.isfinite(places).all() or not (np.abs(back - pixels) < 1).all():
        raise ValueError("a WCS that cannot be used")
    return wcs


def _write_star_list(stars: Stars, shape: tuple[int, int], path: Path) -> None:
    """Write stars as an x-y list of astrometry.net: pixels from 1, brightest first."""
    columns = [
        fits.Column("X", "D", array=stars[:, 0] + 1),
        fits.Column("Y", "D", array=stars[:, 1] + 1),
        fits.Column("FLUX", "D", array=stars[:, 2]),
    ]
    table = fits.BinTableHDU.from_columns(columns)
    table.header["IMAGEW"], table.header["IMAGEH"] = shape[1], shape[0]
    table.writeto(path, overwrite=True)


def _draw_stars(stars: Stars, shape: tuple[int, int]) -> np.ndarray:
    """Return an image of round stars, the first row the lowest, on a sky with noise that is the same each time."""
    noise = np.random.default_rng(0).normal(ASTAP_SKY, ASTAP_NOISE, shape)
    reach = math.ceil(5 * ASTAP_STAR)
    brightest = stars[0, 2] if len(stars) else 1.0
    for x, y, flux in stars:
        # fainter ones are drawn brighter than they are, so that none is lost in the noise; their order stays
        height = ASTAP_FULL * (flux / brightest) ** 0.5
        top, left = max(0, round(y) - reach), max(0, round(x) - reach)
        part = noise[top : round(y) + reach + 1, left : round(x) + reach + 1]
        rows, columns = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
        part += height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * ASTAP_STAR**2))
    return np.clip(noise, 0, 65535).astype(np.uint16)


def _read_ini(path: Path) -> dict[str, str]:
    """Return what ASTAP writes of a solution; nothing if it wrote nothing."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace")[: 2**16].splitlines()
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, sign, value in (line.partition("=") for line in lines) if sign}


def _find_version(said: str) -> str:
    parts = _VERSION.search(said)
    return parts[1].rstrip(",.") if parts else ""


def _say_failed(ended: Ended, seconds: float) -> str:
    if ended.status is None or re.search(r"limit (was )?reached|CPU time limit", ended.said, re.IGNORECASE):
        return f"stopped after {seconds:.0f} s"
    return "" if ended.status in (0, 1) and "ERROR" not in ended.said else f"it failed: {ended.last_line!a}"
