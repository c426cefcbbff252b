"""Cards: which of a raw header's stay true in a product, how they move with a trim, what a master's header says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from astropy.io import fits

from darkroom.mosaics import find_mosaic
from darkroom.sections import Section, parse_section

# True of the raw data alone: their encoding, their range, how to display them, where their overscan was.
# fmt: off
RAW_ONLY = frozenset([
    "BZERO", "BSCALE", "BLANK", "ZBLANK", "DATAMIN", "DATAMAX", "SATURATE", "PEDESTAL", "CBLACK", "CWHITE", "CSTRETCH",
    "CHECKSUM", "DATASUM", "BUNIT", "NAXIS3", "NAXIS4", "EXTEND", "PCOUNT", "GCOUNT", "GROUPS", "INHERIT", "NEXTEND",
    "EXTNAME", "EXTVER", "EXTLEVEL", "ZNAXIS", "ZBITPIX", "ZCMPTYPE", "ZIMAGE", "ZDATASUM", "ZHECKSUM", "FZALGOR",
    "FZTILE", "FZQMETHD", "FZQVALUE", "FZINT2F", "FZDTHRSD",
])
# fmt: on
OVERSCAN = frozenset(["BIASSEC", "TRIMSEC", "DATASEC", "COVER", "ROVER"])
# Where the image lies on the chip: true of the trimmed one only if it is what they were said of.
CHIP = frozenset(["CCDSEC", "DETSEC"])
# A master has no place on the sky.
_WCS = re.compile(
    r"(CTYPE|CRVAL|CRPIX|CDELT|CROTA|CUNIT|CSYER|CRDER|CNAME)\d[A-Z]?|(CD|PC|PV|PS)\d+_\d+[A-Z]?"
    r"|(WCSNAME|WCSAXES|RADESYS|EQUINOX|LONPOLE|LATPOLE)[A-Z]?|(RADECSYS|EPOCH)"
)
# Where one amplifier's pixels lie; a mosaic has those of all.
_OF_AMPLIFIER = re.compile(
    r"E?GAIN|RDNOISE|READNOIS|(DATA|BIAS|TRIM|DET|CCD|AMP)SEC|[LAD]T[VM]\d(_\d)?|AMPNAME|IMAGEID"
)
# Times of one exposure; a master's are made anew.
_TIMES = re.compile(r"(MJD|DATE|TIME|JD|HJD|BJD)-(OBS|BEG|AVG|MID|END)|JD|UT|UTC|ST|LST|JD-HELIO")
_KEYWORD = re.compile(r"[A-Z0-9_-]{1,8}")
GAINS = ("EGAIN", "GAIN")
UNITS = {
    "adu": ("adu", "unit of the image"),
    "adu/s": ("adu/s", "unit of the image"),
    "relative": ("", "normalised, no unit"),
}
_COMMENTARY = ("COMMENT", "HISTORY", "")
# Old names of cards that a standard since has renamed (FITS Standard 4.0, table 22).
_RENAMED = {"RADECSYS": "RADESYS", "EPOCH": "EQUINOX"}


def describe_light(raw: fits.Header, recipe: dict[str, Any], gain: float | None = None) -> fits.Header:
    """Return a calibrated light's header: every card of the raw header that is still true, moved with the trim.

    ``gain`` (e-/ADU) is what the light was multiplied by; None if it is in ADU. A card that tells this gain is true of
    electrons no more.
    """
    header = _keep_true_cards(raw, recipe)
    header["BUNIT"] = ("electron" if gain else "adu", "unit of the image")
    for keyword in GAINS if gain else ():
        with suppress(fits.VerifyError, TypeError, ValueError):
            if float(header.get(keyword, "nan")) in (gain, recipe["detector"]["gain"]["value"]):
                header.remove(keyword)
    frame = recipe["frames"][0]
    header["RAWFILE"] = ascii(frame["name"])[1:-1]  # a comment might not fit
    header["RAWID"] = (frame["digest"], "its digest")
    return header


def describe_master(raws: Sequence[fits.Header], recipe: dict[str, Any]) -> fits.Header:
    """Return a master's header: the cards on which all its frames agree, and times and exposure of the whole.

    EXPTIME is the mean exposure, DATE-OBS the first start, DATE-END the last end (UTC).
    """
    header = _keep_true_cards(raws[0], recipe)
    keep_common_cards(header, raws[1:])
    frames = recipe["frames"]
    exposures = [frame["exposure"] or 0.0 for frame in frames]
    starts = [datetime.fromisoformat(frame["start"]) for frame in frames]
    ends = [start + timedelta(seconds=seconds) for start, seconds in zip(starts, exposures, strict=True)]
    header["IMAGETYP"] = (f"MASTER {recipe['kind'].upper()}", "kind of frame")
    header["EXPTIME"] = (round(sum(exposures) / len(exposures), 6), "[s] mean exposure of the frames")
    header["BUNIT"] = UNITS[recipe["holds"]["unit"]]
    header["DATE-OBS"] = (min(starts).isoformat(timespec="milliseconds"), "start of the first frame, UTC")
    header["DATE-END"] = (max(ends).isoformat(timespec="milliseconds"), "end of the last frame, UTC")
    return header


def keep_common_cards(header: fits.Header, others: Sequence[fits.Header]) -> None:
    """Remove from a header what others do not say as well, and what is true of one exposure: place, times, words."""
    for card in list(header.cards):
        if card.keyword in _COMMENTARY:
            continue
        of_one = _WCS.fullmatch(card.keyword) or _TIMES.fullmatch(card.keyword)
        if of_one or not _is_common(card, others):
            header.remove(card.keyword, ignore_missing=True, remove_all=True)
    for keyword in ("COMMENT", "HISTORY"):
        header.remove(keyword, ignore_missing=True, remove_all=True)


def move_origin(header: fits.Header, x: int, y: int) -> None:
    """Move the reference pixel of each WCS as pixels do that begin ``x`` columns and ``y`` rows later."""
    for axis, offset in (("1", x), ("2", y)):
        for keyword in dict.fromkeys(header):
            if re.fullmatch(f"CRPIX{axis}[A-Z]?", keyword):
                _shift_card(header, keyword, -offset)


def shift_coordinates(header: fits.Header, trim: str) -> None:
    """Move what counts pixels with a trim in FITS notation: CRPIX of each WCS, LTV, the origin of a subframe."""
    section = parse_section(trim)
    for axis, letter, offset in (("1", "X", section.x1 - 1), ("2", "Y", section.y1 - 1)):
        if offset:
            _shift_card(header, f"{letter}ORGSUBF", offset)
            for keyword in dict.fromkeys(header):  # each once
                if re.fullmatch(f"CRPIX{axis}[A-Z]?|LTV{axis}", keyword):
                    _shift_card(header, keyword, -offset)


def move_to_mosaic(header: fits.Header, row: int, column: int, turned: bool) -> fits.Header:
    """Return an amplifier's header as that of the mosaic, on which its first stored pixel lies at ``row``, ``column``.

    The coordinates move along; those of an amplifier that is ``turned`` are true of it alone and go.
    """
    moved = header.copy()
    for keyword in {name for name in header if _OF_AMPLIFIER.fullmatch(name) or (turned and _WCS.fullmatch(name))}:
        moved.remove(keyword, ignore_missing=True, remove_all=True)
    move_origin(moved, -column, -row)
    return moved


def correct_header(header: fits.Header, fixes: dict[str, Any]) -> fits.Header:
    """Return a raw header with what the settings say in place of its cards, and a word on what they said before."""
    corrected = header.copy()
    for keyword, value in fixes.items():
        try:
            before = corrected.get(keyword)
        except fits.VerifyError:
            before = "what cannot be read"
        corrected.remove(keyword, ignore_missing=True, remove_all=True)
        if value is not None:
            corrected[keyword] = value
        corrected.add_history(f"{keyword} set by the settings, was {before!a}")
    return corrected


def _shift_card(header: fits.Header, keyword: str, offset: int) -> None:
    with suppress(fits.VerifyError, KeyError, TypeError):  # what is not there or no number cannot move
        header[keyword] = header[keyword] + offset


def _is_common(card: fits.Card, others: Sequence[fits.Header]) -> bool:
    try:
        return all(other.get(card.keyword) == card.value for other in others)
    except fits.VerifyError:  # a card that cannot be parsed says nothing
        return False


def clean_header(header: fits.Header) -> fits.Header:
    """Return the header with every card as the standard wants it; what cannot be mended is kept as HISTORY."""
    clean = fits.Header()
    lost = []
    for card in header.cards:
        try:
            card.verify("silentfix+exception")
            if card.keyword in _COMMENTARY:
                clean.append(card, bottom=True)
            elif not _KEYWORD.fullmatch(card.keyword) and not str(card).startswith("HIERARCH "):
                lost.append(ascii(str(card).rstrip()))
            elif card.keyword in clean:
                lost.append(f"{card.keyword} = {card.value!r} (again)")
            else:
                clean.append(card)
        except (fits.VerifyError, ValueError):
            lost.append(ascii((card._image or card.keyword)[:72].rstrip()))  # str(card) would fail as well
    for text in lost:
        clean.add_history(f"raw card: {text}")
    if any(isinstance(card.value, str) and len(card.value) > 67 for card in clean.cards):
        clean["LONGSTRN"] = ("OGIP 1.0", "long values go on in CONTINUE cards")
    for old, new in _RENAMED.items():
        if old in clean:
            if new in clean or not _is_equinox(clean[old], new):
                del clean[old]
            else:
                clean.rename_keyword(old, new)
    return clean


def _is_equinox(value: Any, keyword: str) -> bool:
    return keyword != "EQUINOX" or isinstance(value, int | float)


def _keep_true_cards(raw: fits.Header, recipe: dict[str, Any]) -> fits.Header:
    """Return a raw header without what is true of the raw data alone, moved with the trim."""
    overscan = recipe["settings"]["overscan"]
    gone = RAW_ONLY
    if overscan:
        gone |= OVERSCAN
        if overscan["trim"] and _read_section(raw, "DATASEC") != parse_section(overscan["trim"]):
            gone |= CHIP
    header = raw.copy(strip=True)
    for keyword in gone:
        header.remove(keyword, ignore_missing=True, remove_all=True)
    if overscan and overscan["trim"]:
        shift_coordinates(header, overscan["trim"])
        if mosaic := find_mosaic(recipe):
            _name_mosaic(header, mosaic, parse_section(overscan["trim"]).shape[0])
    return header


def _name_mosaic(header: fits.Header, mosaic: str, rows: int) -> None:
    """Say which colours a trimmed image begins with; of one whose first row is the lowest, as programs turn it over."""
    with suppress(fits.VerifyError):
        if str(header.get("ROWORDER")).strip().upper() == "BOTTOM-UP" and rows % 2 == 0:
            mosaic = mosaic[2:] + mosaic[:2]
    for keyword in ("XBAYROFF", "YBAYROFF"):
        header.remove(keyword, ignore_missing=True, remove_all=True)
    header["BAYERPAT"] = (mosaic, "colours of the first two rows")


def _read_section(header: fits.Header, keyword: str) -> Section | None:
    with suppress(fits.VerifyError, ValueError):
        return parse_section(str(header.get(keyword)))
    return None
