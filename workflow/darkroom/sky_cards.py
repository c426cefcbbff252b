"""Sky cards: what a header says of where its pixels lie on the sky, checked before WCSLIB gets it.

Headers are as astrometry programs and observers leave them. What is needed is copied out of them, number by number.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from typing import Any

from astropy.io import fits

SYSTEMS = ("ICRS", "FK5", "FK4", "FK4-NO-E")
# Pixels to the sky (FITS Standard 4.0, 8; SIP: Shupe et al. 2005), by numbers.
_NUMBERS = re.compile(
    r"CRVAL[12]|CRPIX[12]|CDELT[12]|CROTA[12]|(CD|PC)[12]_[12]|PV[12]_([0-9]|[123][0-9])"
    r"|LONPOLE|LATPOLE|EQUINOX|[AB]_[0-9]_[0-9]"
)
HIGHEST_ORDER = 9  # of SIP

Cards = tuple[tuple[str, Any], ...]


def read_sky_cards(header: fits.Header) -> Cards | None:
    """Return the cards that tell where each pixel lies on the sky, checked; None if they do not."""
    types = [_read(header, f"CTYPE{axis}") for axis in (1, 2)]
    if not all(isinstance(each, str) and len(each) <= 12 for each in types):
        return None
    types = [each.strip().upper() for each in types]
    if sorted(each[:4].rstrip("-") for each in types) != ["DEC", "RA"] or types[0][4:] != types[1][4:]:
        return None
    cards: dict[str, Any] = {"CTYPE1": types[0], "CTYPE2": types[1], "CUNIT1": "deg", "CUNIT2": "deg"}
    for axis in (1, 2):
        unit = _read(header, f"CUNIT{axis}")
        if unit is not None and str(unit).strip().casefold() not in ("", "deg", "degree", "degrees"):
            return None
    for keyword in dict.fromkeys(header):
        if _NUMBERS.fullmatch(keyword):
            value = _read(header, keyword)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                return None
            cards[keyword] = float(value)
    system = _read(header, "RADESYS")
    if isinstance(system, str) and system.strip().upper() in SYSTEMS:
        cards["RADESYS"] = system.strip().upper()
    if types[0].endswith("-SIP"):
        for name in ("A_ORDER", "B_ORDER"):
            order = _read(header, name)
            if isinstance(order, bool) or not isinstance(order, int) or not 0 <= order <= HIGHEST_ORDER:
                return None
            cards[name] = order
    if not {"CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2"} <= cards.keys():
        return None
    return tuple(sorted(cards.items()))


def _read(header: fits.Header, keyword: str) -> Any:
    with suppress(fits.VerifyError, ValueError):
        return header.get(keyword)
    return None
