"""Solutions: what was found of a light's place on the sky, or why nothing was, as a file of its own.

Such a file is a FITS header without pixels, as astrometry.net's .wcs files are: the cards of the WCS, those of how good
it is, and the size of the image (IMAGEW, IMAGEH). Programs that take a WCS beside an image read it as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from astropy.io import fits

from darkroom.problems import JobProblem
from darkroom.products import write_hdus
from darkroom.solving.solution_measures import Solution
from darkroom.solving.wcs_cards import write_sky_cards
from darkroom.stamps import STAMP, digest_recipe, read_stamp
from darkroom.texts import make_printable

LINE = 72  # characters of a HISTORY card


def write_solution(path: str, recipe: dict[str, Any], outcome: Solution | str) -> None:
    """Write a solution, or in one line the reason why there is none, with its recipe; whole or not at all.

    Raises
    ------
    JobProblem
        If the file cannot be written.
    """
    header = fits.Header()
    header["SOLVED"] = (isinstance(outcome, Solution), "is the place on the sky known?")
    header[STAMP] = (digest_recipe(recipe), "digest of RECIPE")
    if isinstance(outcome, Solution):
        header["IMAGEW"] = (outcome.shape[1], "[pixel] width of the image")
        header["IMAGEH"] = (outcome.shape[0], "[pixel] its height")
        write_sky_cards(header, outcome)
        header.insert("CTYPE1", ("WCSAXES", 2, "axes of the image"))
    else:
        for line in _break_lines(outcome):
            header.add_history(line)
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
            return None, "".join(header.get("HISTORY", []))
    raise JobProblem(f"{path}: is no whole solution; remove it, and it is made again")


def _break_lines(text: str) -> list[str]:
    """Return text in lines for HISTORY cards, which put together are the text again.

    A card's blanks at its end are lost, so a line begins with the blank before which it was broken. (Strings over
    several cards will not do: astropy 8.0 loses parts of those with quotes and ampersands in them.)
    """
    left, lines = " ".join(make_printable(text).encode("ascii", "backslashreplace").decode().split()), []
    while len(left) > LINE:
        blank = left.rfind(" ", 1, LINE + 1)
        cut = blank if blank > 0 else LINE
        lines.append(left[:cut])
        left = left[cut:]
    return [*lines, left]
