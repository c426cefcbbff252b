"""Times: when an exposure began, whichever cards say so and in whichever form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from darkroom.quantities import read_number
from darkroom.values import find_value, read_card_name

FIRST_MJD = datetime(1858, 11, 17)  # where Modified Julian Dates begin
JD_OF_MJD = 2400000.5
_DATE = re.compile(r"(\d{4})[-/](\d\d?)[-/](\d\d?)")
_OLD_DATE = re.compile(r"(\d\d?)/(\d\d?)/(\d\d|\d{4})")  # DD/MM/YY, as before 1998
_CLOCK = re.compile(r"(\d\d?):(\d\d?)(?::(\d\d?(?:\.\d*)?))?\s*(?:Z|UTC?|([+-])(\d\d):?(\d\d))?", re.IGNORECASE)


def find_start(header: Mapping[str, Any], cards: list[str], clocks: list[str]) -> str | None:
    """Return when an exposure began in ISO UTC to the millisecond; None if no card tells.

    Parameters
    ----------
    header : mapping
        Card to value.
    cards : list of str
        Those that may hold it, in order of preference: a date with or without a time, or a Julian Date, if MJD or JD
        is in the card's name.
    clocks : list of str
        Those that may hold the time of day to a date without one.
    """
    for card in cards:
        value = find_value(header, [card])
        scale = re.search(r"M?JD", read_card_name(card).keyword.upper())
        start = _read_julian(value, scale[0]) if scale else _read_text(value, find_value(header, clocks))
        if start is not None and 1 < start.year < 9999:  # what an unset clock says; the night before has no date
            return start.isoformat(timespec="milliseconds")
    return None


def _read_julian(value: Any, scale: str) -> datetime | None:
    """Return the moment of a Julian Date; None for whole days, since then the time of day was not written."""
    days = read_number(value)
    if days is None or days == int(days):
        return None
    if scale == "JD":
        days -= JD_OF_MJD
    if not 0 < days < 3e6 or days == int(days):
        return None
    try:
        return FIRST_MJD + timedelta(milliseconds=round(days * 86400e3))
    except OverflowError:
        return None


def _read_text(start: Any, clock: Any) -> datetime | None:
    if not isinstance(start, str):
        return None
    date, *rest = re.split(r"[Tt\s]+", start.strip(), maxsplit=1)
    midnight = _read_date(date)
    if midnight is None:
        return None
    time = rest[0].strip() if rest else ""
    if not time and isinstance(clock, str):
        time = re.sub(r"^\d{4}-\d\d-\d\d[Tt\s]+", "", clock.strip())
    parts = _CLOCK.fullmatch(time)
    if not parts:
        return None
    hours, minutes, seconds = int(parts[1]), int(parts[2]), float(parts[3] or 0)
    if hours > 24 or minutes > 59 or seconds >= 61:  # 60 is a leap second, or a program that rounds up
        return None
    shift = timedelta(hours=int(parts[5] or 0), minutes=int(parts[6] or 0)) * (-1 if parts[4] == "+" else 1)
    try:
        return midnight + timedelta(hours=hours, minutes=minutes, seconds=seconds) + shift
    except OverflowError:
        return None


def _read_date(text: str) -> datetime | None:
    if parts := _DATE.fullmatch(text):
        year, month, day = map(int, parts.groups())
    elif parts := _OLD_DATE.fullmatch(text):
        day, month, year = map(int, parts.groups())
        year += 1900 if len(parts[3]) == 2 else 0
    else:
        return None
    try:
        return datetime(year, month, day)
    except ValueError:
        return None
