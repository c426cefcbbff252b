"""Sky cards: what a header says of where its pixels lie on the sky; read, listed, removed.

Headers are as astrometry programs and observers leave them. What WCSLIB gets is copied out of them and checked, number
by number.
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
# One coordinate system, with or without the letter of another version of it.
_OF_VERSION = re.compile(
    r"(?:WCSAXES|WCSNAME|RADESYS|EQUINOX|LONPOLE|LATPOLE|MJDREF|SPECSYS|VELREF"
    r"|(?:CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CRDER|CSYER|CNAME)[12]"
    r"|(?:CD|PC|PV|PS)[12]_\d{1,2})([A-Z]?)"
)
# Old, IRAF's, of SIP and of the Digitized Sky Survey: all of the first version.
_OF_FIRST = re.compile(
    r"CROTA[12]|RADECSYS|EPOCH|(?:CD|PC)00[12]00[12]|(?:A|B|AP|BP)_(?:ORDER|DMAX|\d_\d)|WAT[0-3]_\d{3}|WCSDIM"
    r"|AMD[XY]\d{1,2}|PPO[1-6]|PLT(?:RA[HMS]|DEC[DMS]|DECSN|SCALE)|[XY]PIXELSZ|CNPIX[12]"
)
_SOLVER_CARDS = (
    "SOLVED", "SOLVER", "SOLVREF", "SOLVNUM", "SOLVALL", "SOLVEXP", "SOLVRMS", "SOLVPIX", "SOLVSCAL", "SOLVROT",
    "SOLVFLIP", "SOLVRA", "SOLVDEC", "SOLVSIZX", "SOLVSIZY",
)  # fmt: skip
_CELESTIAL = re.compile(r"(RA--|DEC-|[GEHS]L(ON|AT)|..L[NT])", re.IGNORECASE)
_COMMENTARY = ("COMMENT", "HISTORY", "")

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


def remove_sky_cards(header: fits.Header) -> None:
    """Remove what tells where pixels lie on the sky, in all ways that are known, and what was told of a solution.

    Other versions (CTYPE1A) go if they are celestial too; those that count the pixels of a chip stay true.
    """
    kept = {version for version in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if not _is_celestial(header, version)}
    for keyword in list(dict.fromkeys(header)):
        parts = _OF_VERSION.fullmatch(keyword)
        gone = (parts is not None and parts[1] not in kept) or _OF_FIRST.fullmatch(keyword) or keyword in _SOLVER_CARDS
        if gone and keyword not in _COMMENTARY:
            header.remove(keyword, ignore_missing=True, remove_all=True)


def list_sky_cards(header: fits.Header) -> list[fits.Card]:
    """Return the cards of a header that tell where pixels lie on the sky, and how that is known."""
    return [card for card in header.cards if card.keyword not in _COMMENTARY and _is_sky_card(card.keyword)]


def _is_sky_card(keyword: str) -> bool:
    return bool(_OF_VERSION.fullmatch(keyword) or _OF_FIRST.fullmatch(keyword) or keyword in _SOLVER_CARDS)


def _is_celestial(header: fits.Header, version: str) -> bool:
    """Return whether a version of the coordinates is of the sky, or of nothing that can be told."""
    types = []
    for axis in (1, 2):
        try:
            types.append(header.get(f"CTYPE{axis}{version}"))
        except (fits.VerifyError, ValueError):
            types.append(None)
    return not all(isinstance(each, str) and not _CELESTIAL.match(each) for each in types)


def _read(header: fits.Header, keyword: str) -> Any:
    with suppress(fits.VerifyError, ValueError):
        return header.get(keyword)
    return None
