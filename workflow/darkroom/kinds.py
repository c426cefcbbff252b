"""Kinds: what a header makes a frame: a bias, a dark, a flat or a light."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from darkroom.patterns import match_word, matches
from darkroom.values import find_value

OTHER = "other"  # of a rule: none of the four


def judge_kind(
    header: Mapping[str, Any], said: dict[str, Any], dialect: dict[str, Any], words: dict[str, list[str]]
) -> str | None:
    """Return the kind that a header tells, or None.

    Parameters
    ----------
    header : mapping
        Card to value.
    said : dict
        What the cards say, by concept; exposure in seconds.
    dialect : dict
        Its rules are asked first. They may ask for concepts, cards, and ``told``: what the words make of the kind
        card.
    words : dict
        Those of the settings, which come before the dialect's.
    """
    word = said["kind"]
    told = None if word is None else match_word(str(word), words) or match_word(str(word), dialect["words"])
    values = said | {"told": told}
    for rule in dialect["rules"]:
        if all(
            matches(values[key] if key in values else find_value(header, [key]), pattern)
            for key, pattern in rule["when"].items()
        ):
            return None if rule["kind"] == OTHER else rule["kind"]
    return told
