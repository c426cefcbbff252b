"""Fixes: cards of raw headers that the settings correct; the files themselves are left alone."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from darkroom.dialects import list_cards, read_dialects, recognise_dialect
from darkroom.patterns import matches
from darkroom.quantities import SECONDS, read_number
from darkroom.values import find_value, read_card_name

FILE = "file"
_KEYWORD = re.compile(r"[A-Z0-9_-]{1,8}")
_WORDS = re.compile(r"[A-Z0-9_-]+(?: [A-Z0-9_-]+)*")  # of a HIERARCH card
# How the pixels are stored. A correction would not change how they are read.
_STRUCTURE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|[PG]COUNT|GROUPS|EXTEND|BZERO|BSCALE|BLANK|T(FORM|TYPE|FIELDS|ZERO|SCAL)\d*"
    r"|Z(IMAGE|BITPIX|NAXIS\d*|TILE\d+|CMPTYPE|QUANTIZ|BLANK|SCALE|ZERO)|END|CONTINUE|COMMENT|HISTORY"
)
LARGEST = 1e308
TEXT = 68  # characters of a text in a card, where a quote counts twice
# What else holds a concept, so that it has to go where that is set.
_BESIDE = {"binning": ("binning_x", "binning_y")}

Fixes = dict[str, str | float | bool | None]


class FixedCards(Mapping[str, Any]):
    """A header some of whose cards have another value, or are gone; its comments tell nothing of those."""

    def __init__(self, header: Mapping[str, Any], fixes: Mapping[str, Any]):
        self.header = header
        self.fixes = {_name_card(card): value for card, value in fixes.items()}
        self.comments = _Comments(self)

    def __getitem__(self, card: str) -> Any:
        name = _name_card(card)
        if name not in self.fixes:
            return self.header[card]
        if self.fixes[name] is None:
            raise KeyError(card)
        return self.fixes[name]

    def get(self, card: str, default: Any = None) -> Any:
        """Return a card's value, the default where there is no such card."""
        name = _name_card(card)
        if name not in self.fixes:
            return self.header.get(card, default)
        return default if self.fixes[name] is None else self.fixes[name]

    def __contains__(self, card: object) -> bool:
        name = _name_card(str(card))
        return self.fixes[name] is not None if name in self.fixes else card in self.header

    def __iter__(self) -> Iterator[str]:
        own = [card for card in self.header if _name_card(card) not in self.fixes]
        return iter([*own, *(card for card, value in self.fixes.items() if value is not None)])

    def __len__(self) -> int:
        return len(list(iter(self)))


class _Comments:
    def __init__(self, cards: FixedCards):
        self.cards = cards

    def __getitem__(self, card: str) -> str:
        if _name_card(card) in self.cards.fixes:
            return ""
        return str(getattr(self.cards.header, "comments", {})[card])


def find_fixes(header: Mapping[str, Any], name: str, settings: dict[str, Any]) -> Fixes:
    """Return the cards that the rules set for a file, with their values; None takes a card away.

    Parameters
    ----------
    header : mapping
        Card to value.
    name : str
        The file's path below the raw folder.
    settings : dict
        The settings' ``headers`` part; the rules in ``fix`` apply in order, and see what earlier ones set.
    """
    fixes: Fixes = {}
    for rule in settings.get("fix", []):
        seen = apply_fixes(header, fixes)
        _, dialect = recognise_dialect(seen, settings)
        cards = list_cards(dialect, settings)
        if all(_fits(seen, name, key, pattern, cards) for key, pattern in rule["match"].items()):
            for key, value in rule["set"].items():
                fixes |= _set_concept(seen, key, value, cards, dialect) if key in cards else {_name_card(key): value}
    return fixes


def apply_fixes(header: Mapping[str, Any], fixes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is to be described in place of the header."""
    return FixedCards(header, fixes) if fixes else header


def list_fix_problems(rules: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with the settings' rules, a line each."""
    for number, rule in enumerate(rules):
        for part in ("match", "set"):
            if not isinstance(rule.get(part), dict):
                yield f"headers.fix.{number}: no {part}, which says {_MEANINGS[part]}"
                continue
            for key, value in rule[part].items():
                problem = _check_key(str(key), part) or _check_value(str(key), value, part)
                if problem:
                    yield f"headers.fix.{number}.{part}: {problem}"
        if rule.get("set") == {}:
            yield f"headers.fix.{number}: sets nothing"


_MEANINGS = {"match": "which frames are meant", "set": "what their cards should say"}


def _fits(header: Mapping[str, Any], name: str, key: str, pattern: Any, cards: dict[str, list[str]]) -> bool:
    """Whether a file is one that a rule means; an empty pattern means a card that says nothing."""
    if key == FILE:
        folded = str(pattern).casefold()
        return any(fnmatchcase(each.casefold(), folded) for each in (name, name.rsplit("/", 1)[-1]))
    value = find_value(header, cards.get(key, [key]))
    return value is None if pattern == "" else matches(value, pattern)


def _set_concept(
    header: Mapping[str, Any], concept: str, value: Any, cards: dict[str, list[str]], dialect: dict[str, Any]
) -> Fixes:
    """Return the cards to set so that a concept has a value, in the unit that it is described in.

    The first card of the concept gets it. Cards that would be asked before it, or change what it means, go; without a
    value all of them do.
    """
    beside = [card for other in _BESIDE.get(concept, ()) for card in cards[other]]
    if concept == "mosaic":
        beside += [card for names in dialect["mosaic"].values() for card in names]
    elif concept == "filter" and value is None:
        beside += cards["wheels"]
    named = [read_card_name(card) for card in cards[concept]]
    whole = [card for card in named if card.part is None and not card.joined]
    gone = [*(named if value is None or not whole else named[: named.index(whole[0])]), *map(read_card_name, beside)]
    keywords = [keyword for card in gone for keyword in card.keywords]
    fixes: Fixes = {_name_card(each): None for each in keywords if find_value(header, [each]) is not None}
    if value is not None and whole:
        scale, number = SECONDS.get(whole[0].unit or "", 1.0), read_number(value)
        fixes[_name_card(whole[0].keyword)] = value if number is None or scale == 1.0 else number / scale
    return fixes


def _check_key(key: str, part: str) -> str:
    concepts = read_dialects()["generic"]["cards"]
    if key in concepts or (key == FILE and part == "match"):
        return ""
    card = _name_card(key)
    if key == card.lower() or not _WORDS.fullmatch(key):
        known = [*concepts, FILE] if part == "match" else list(concepts)
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; cards are written in capitals"
        return f"{key!r} is neither a concept nor a card{hint}"
    if part == "set" and _STRUCTURE.fullmatch(card):
        return f"{key} says how the pixels are stored, which cannot be set"
    return ""


def _check_value(key: str, value: Any, part: str) -> str:
    """Return why a card cannot hold a value."""
    if part == "match":
        return "" if isinstance(value, str | int | float) else f"{key}: a glob or a number is matched, not {value!r}"
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int | float):
        return "" if abs(value) < LARGEST else f"{key}: {str(value)[:20]} is no number that a card can hold"
    if not isinstance(value, str):
        return f"{key}: {value!r} is neither text nor a number"
    if not (value.isascii() and value.isprintable()):
        return f"{key}: {value!r} has characters that are not printable ASCII, which no card can hold"
    room = TEXT if _KEYWORD.fullmatch(key) or key.islower() else 80 - len(f"HIERARCH {_name_card(key)}= ''")
    length = len(value) + value.count("'")
    return f"{key}: a text of {length} characters, where a card holds {room}" if length > room else ""


def _name_card(card: str) -> str:
    return card.upper().removeprefix("HIERARCH ").strip()
