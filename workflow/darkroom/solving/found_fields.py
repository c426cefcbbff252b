"""Found fields: what a solver told of where a field is, read so that no output of it does harm."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from darkroom.solving.child_programs import Ended

NUMBERS = ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1", "CD1_2", "CD2_1", "CD2_2")
_CORNERS = (0.0, 0.5, 1.0)
_SIP = re.compile(r"(A|B|AP|BP)_(ORDER|\d_\d)")
_VERSION = re.compile(r"(?:Git revision|solver version)\s+(?:CLI-)?([\w.+-]{1,20})")


@dataclass(frozen=True)
class FoundField:
    """What a solver found: a WCS, and which solver by which version; or why it found none, in few words."""

    wcs: WCS | None
    solver: str = ""
    reason: str = ""


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
    wanted = [*NUMBERS, *([name for name in header if _SIP.fullmatch(name)] if types[0].endswith("SIP") else [])]
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


def find_version(said: str) -> str:
    """Return the version that a solver says it is of; nothing if it says none."""
    parts = _VERSION.search(said)
    return parts[1].rstrip(",.") if parts else ""


def say_failed(ended: Ended, seconds: float) -> str:
    """Return why a solver came to no end of its own, in few words; nothing if it just found no field."""
    if ended.status is None or re.search(r"limit (was )?reached|CPU time limit", ended.said, re.IGNORECASE):
        return f"stopped after {seconds:.0f} s"
    return "" if ended.status in (0, 1) and "ERROR" not in ended.said else f"it failed: {ended.last_line!a}"
