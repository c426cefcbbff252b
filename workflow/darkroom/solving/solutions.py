"""Solutions: what was found of a light's place on the sky, or why nothing was, as a file of its own.

Such a file is a FITS header without pixels, as astrometry.net's .wcs files are: the cards of the WCS, those of how good
it is, and the size of the image (IMAGEW, IMAGEH). Programs that take a WCS beside an image read it as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from astropy.io import fits

from darkroom.history import NOT_SOLVED, add_sentence, read_reason
from darkroom.problems import JobProblem
from darkroom.products import write_hdus
from darkroom.solving.solution import Solution
from darkroom.solving.wcs_cards import copy_sky_cards, write_sky_cards
from darkroom.stamps import STAMP, digest_recipe, read_stamp


def write_solution(path: str, recipe: dict[str, Any], outcome: Solution | str) -> None:
    """Write a solution, or in one line the reason why there is none, with its recipe; whole or not at all.

    Raises
    ------
    JobProblem
        If the file cannot be written.
    """
    header = fits.Header()
    header[STAMP] = (digest_recipe(recipe), "digest of RECIPE")
    if isinstance(outcome, Solution):
        header["IMAGEW"] = (outcome.shape[1], "[pixel] width of the image")
        header["IMAGEH"] = (outcome.shape[0], "[pixel] its height")
        write_sky_cards(header, outcome)
        header.insert("CTYPE1", ("WCSAXES", 2, "axes of the image"))
    else:
        header["SOLVED"] = (False, "is the place on the sky known?")
        add_sentence(header, f"{NOT_SOLVED}{outcome}")
    write_hdus(path, [fits.PrimaryHDU(header=header)], recipe)


def read_solution_cards(path: str) -> tuple[fits.Header | None, str]:
    """Return the header of a solution, or None and the reason why there is none.

    Raises
    ------
    JobProblem
        If there is no such file, or it is no whole solution.
    """
    try:
        whole = read_stamp(Path(path)) is not None
        header = fits.getheader(path) if whole else fits.Header()
    except (OSError, ValueError) as error:
        raise JobProblem(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    match header.get("SOLVED"):
        case True if {"IMAGEW", "IMAGEH", "CTYPE1"} <= set(header):
            return header, ""
        case False:
            return None, read_reason(header, NOT_SOLVED)
    raise JobProblem(f"{path}: is no whole solution; remove it, and it is made again")


def add_solution(header: fits.Header, path: str, digest: str) -> None:
    """Write into a light's header what its solution holds, or why there is none.

    Raises
    ------
    JobProblem
        If the solution is gone, damaged, made by another recipe or of an image of another size.
    """
    solved, reason = read_solution_cards(path)
    if read_stamp(Path(path)) != digest:
        raise JobProblem(f"{path}: made by another recipe than the plan's; run snakemake again")
    if solved is None:
        header["SOLVED"] = (False, "is the place on the sky known?")
        add_sentence(header, f"{NOT_SOLVED}{reason}")
        return
    try:
        copy_sky_cards(solved, header)
    except ValueError as problem:
        raise JobProblem(f"{path}: {problem}; remove it, and it is made again") from None
