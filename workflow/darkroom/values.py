"""Values: what the first of several cards says that says anything, and in which unit.

Cards are named as in the dialects: ``EXPTIME``; ``EXPTIME [ms]`` if it is not in seconds; ``SUBRECT#2`` for the
second number in its text; ``PREAMP + GAIN`` for both together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from darkroom.patterns import Pattern, matches
from darkroom.quantities import SECONDS

_CARD = re.compile(r"\s*(.+?)(?:#(\d+))?(?:\s*\[\s*(\w+)\s*\])?\s*")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
# Units of what a card may hold.
TIMES, TEMPERATURES = tuple(SECONDS), ("K",)
# Units in a comment: in square brackets, as the FITS Standard (4.3.2) recommends, or in words.
_BRACKETS = re.compile(r"\[\s*([A-Za-z]+)\s*\]")
_UNIT_WORDS = {
    "s": re.compile(r"\bsec(ond)?s?\b", re.IGNORECASE),
    "ms": re.compile(r"\b(milli-?sec(ond)?s?|ms|msec)\b", re.IGNORECASE),
    "us": re.compile(r"\b(micro-?sec(ond)?s?|us|usec)\b", re.IGNORECASE),
    "min": re.compile(r"\bminutes?\b", re.IGNORECASE),
    "K": re.compile(r"\bkelvins?\b", re.IGNORECASE),
}


class NamedCard(NamedTuple):
    """A card as a dialect names it: its keyword, which number in its text is meant, and the unit."""

    keyword: str
    part: int | None = None
    unit: str | None = None
    joined: tuple[str, ...] = ()

    @property
    def keywords(self) -> tuple[str, ...]:
        """The cards that are meant, of which it may be several together."""
        return self.joined or (self.keyword,)


@cache
def read_card_name(name: str) -> NamedCard:
    """Return what ``SUBRECT#2`` or ``EXPTIME [ms]`` names."""
    if " + " in name:
        return NamedCard(name, joined=tuple(name.split(" + ")))
    parts = _CARD.fullmatch(name)
    if not parts:
        return NamedCard(name)
    return NamedCard(parts[1], int(parts[2]) if parts[2] else None, parts[3])


def find_value(header: Mapping[str, Any], cards: list[str], unsaid: Pattern = "") -> Any:
    """Return the value of the first of the cards that says something, without blanks around it; None if none does.

    ``unsaid`` are values that say nothing either, such as UNKNOWN.
    """
    for card in cards:
        value = _read_value(header, read_card_name(card))
        if value is not None and not (unsaid and matches(value, unsaid)):
            return value
    return None


def find_quantity(
    header: Mapping[str, Any], cards: list[str], read: Callable[[Any, str], float | None], units: tuple[str, ...] = ()
) -> float | None:
    """Return what the first of the cards says that holds such a quantity; None if none does.

    ``read`` gets a value and its unit, which is empty where nothing tells it; ``units`` are those that a comment may.
    """
    for card in cards:
        named = read_card_name(card)
        value = _read_value(header, named)
        if value is not None:
            quantity = read(value, named.unit or _find_unit(header, named.keyword, units))
            if quantity is not None:
                return quantity
    return None


def read_comment(header: Mapping[str, Any], keyword: str) -> str:
    """Return a card's comment; nothing if it has none, or cannot be parsed."""
    missing: tuple[type[Exception], ...] = (KeyError, IndexError, *_import_types()[0])
    try:
        return str(getattr(header, "comments", {})[keyword])
    except missing:
        return ""


def _find_unit(header: Mapping[str, Any], keyword: str, units: tuple[str, ...]) -> str:
    """Return the unit that a card's comment tells, of those that it may; nothing if it tells none."""
    comment = read_comment(header, keyword) if units else ""
    if (brackets := _BRACKETS.search(comment)) and brackets[1] in units:
        return brackets[1]
    return next((unit for unit, words in _UNIT_WORDS.items() if unit in units and words.search(comment)), "")


def _read_value(header: Mapping[str, Any], card: NamedCard) -> Any:
    if card.joined:
        values = [_read_value(header, read_card_name(keyword)) for keyword in card.joined]
        return "+".join(str(value) for value in values if value is not None) or None
    unparsed, undefined = _import_types()
    try:
        value = header.get(card.keyword)
    except unparsed:  # a card that cannot be parsed says nothing
        return None
    if isinstance(value, str):
        value = value.strip()
    if value is None or value == "" or isinstance(value, undefined):
        return None
    if card.part is None:
        return value
    numbers = _NUMBER.findall(str(value))
    return numbers[card.part - 1] if 0 < card.part <= len(numbers) else None


@cache
def _import_types() -> tuple[tuple[type[Exception], ...], type]:
    """Return what astropy raises for a card that it cannot parse, and the type of a card's value that has none.

    Importing astropy takes half a second, which a run that knows all its frames already can do without.
    """
    from astropy.io.fits import VerifyError
    from astropy.io.fits.card import Undefined

    return (VerifyError, ValueError), Undefined
