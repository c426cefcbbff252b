"""Nights: from noon to noon at the site."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache
from typing import Any


def find_night(start: str, longitude: float | None, site: dict[str, Any]) -> tuple[str, str]:
    """Return the night (the date of the evening) that a frame belongs to, and a note if the site is not known.

    Parameters
    ----------
    start : str
        ISO UTC of the exposure's start.
    longitude : float or None
        Degrees, east positive, from the header.
    site : dict
        The settings' ``site`` part.
    """
    note = ""
    offset = site["night_offset_hours"]
    if offset is None:
        if longitude is None:
            longitude = site["longitude"]
        if longitude is None:
            note = "no longitude in the header or site.longitude: nights run from noon to noon UTC"
        # mean solar time is UTC + longitude / 15; a night keeps the date of its evening
        offset = (((longitude or 0.0) + 180) % 360 - 180) / 15 - 12
    moment = datetime.fromisoformat(start) + timedelta(hours=offset)
    return moment.date().isoformat(), note


def nights_apart(first: str, second: str) -> int:
    """Return the number of days from one night to another, never negative."""
    return abs(number_night(first) - number_night(second))


@cache
def number_night(night: str) -> int:
    """Return a night as a number of days."""
    return date.fromisoformat(night).toordinal()
