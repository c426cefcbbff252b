"""astrometry.net's solve-field: asked where a list of stars is on the sky."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from astropy.io import fits

from darkroom.solving.child_programs import run_child
from darkroom.solving.field_stars import Stars
from darkroom.solving.found_fields import FoundField, find_version, read_solution, say_failed
from darkroom.solving.hints import Hints, widen_scale
from darkroom.solving.star_indexes import StarIndex
from darkroom.solving.tools import Solver

MOST_STARS = 300  # that it gets
GRACE = 5.0  # s of wall time more than it may take of the processor's


def run_solve_field(
    solver: Solver,
    stars: Stars,
    shape: tuple[int, int],
    hints: Hints,
    indexes: Sequence[StarIndex],
    folder: Path,
    seconds: float,
) -> FoundField:
    """Let solve-field look for a field once; see `darkroom.solving.solvers.run_solver`."""
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
        return FoundField(None, solver.name, say_failed(ended, seconds))
    try:
        header = fits.getheader(folder / "field.wcs")
        name = f"{solver.name} {find_version(str(header.get('HISTORY', '')))}".strip()
        return FoundField(read_solution(header, shape), name)
    except (OSError, ValueError, fits.VerifyError) as error:
        return FoundField(None, solver.name, f"its output makes no sense ({error})")


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
