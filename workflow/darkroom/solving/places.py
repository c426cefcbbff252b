"""Places: right ascension and declination as people and programs write them."""

from __future__ import annotations

import re
from typing import Any

from darkroom.quantities import read_number

_SEXAGESIMAL = re.compile(
    r"\s*([+-]?)\s*(\d{1,3})[\s:hd°]+(\d{1,2})(?:[\s:m']+(\d{1,2}(?:\.\d*)?)\s*[s\"]?)?\s*", re.IGNORECASE
)
_HOURS = re.compile(r"\b(hours?|hrs?|h|hh|hms)\b", re.IGNORECASE)
_DEGREES = re.compile(r"\b(deg|degs|degrees?)\b", re.IGNORECASE)


def read_right_ascension(value: Any, comment: str = "") -> float | None:
    """Return degrees from a card's right ascension: a number is in degrees, ``16 41 41`` in hours.

    A comment that names the other unit is believed. None for what is none.
    """
    number = read_number(value)
    hours = number is None
    if _HOURS.search(comment) and not _DEGREES.search(comment):
        hours = True
    elif _DEGREES.search(comment) and not _HOURS.search(comment):
        hours = False
    degrees = _read_angle(value, number)
    if degrees is None or (degrees := degrees * (15 if hours else 1)) < 0 or degrees > 360:
        return None
    return degrees % 360


def read_declination(value: Any) -> float | None:
    """Return degrees from a card's declination, a number or text such as ``+36 27 35``; None if it is none."""
    degrees = _read_angle(value, read_number(value))
    return degrees if degrees is not None and abs(degrees) <= 90 else None


def _read_angle(value: Any, number: float | None) -> float | None:
    if number is not None or not isinstance(value, str):
        return number
    parts = _SEXAGESIMAL.fullmatch(value)
    if not parts or int(parts[3]) >= 60 or float(parts[4] or 0) > 60:
        return None
    angle = int(parts[2]) + int(parts[3]) / 60 + float(parts[4] or 0) / 3600
    return -angle if parts[1] == "-" else angle
