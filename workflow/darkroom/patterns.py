"""Patterns: whether a header's value or a name is what a dialect or a setting means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from darkroom.quantities import read_number

# A glob, a range such as 0..0.5, a number or several of them, as a dialect file gives them.
Pattern = str | float | list
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*\.\.\s*({_NUMBER})\s*")


def matches(value: Any, pattern: Pattern) -> bool:
    """Whether a header value matches a glob, lies in a range such as ``0..0.5``, or equals a number.

    In globs case, spaces, '_' and '-' do not count.
    """
    if isinstance(pattern, list):
        return any(matches(value, part) for part in pattern)
    number = read_number(value)
    if isinstance(pattern, str):
        if number is not None and (limits := _read_range(pattern)):
            return limits[0] <= number <= limits[1]
        return value is not None and fnmatchcase(_fold(str(value)), _fold_glob(pattern))
    return number is not None and abs(number - pattern) < 1e-6


def match_word(word: str, words: Mapping[str, list[str]]) -> str | None:
    """Return the kind that one of the words (globs, as in `matches`) stands for, or None."""
    return next((kind for kind, patterns in words.items() if matches(word, patterns)), None)


def match_name(name: str, names: Mapping[str, list[str]]) -> str | None:
    """Return the kind that one of the file or folder names (globs; case does not count) stands for, or None."""
    folded = name.casefold()
    for kind, patterns in names.items():
        if any(fnmatchcase(folded, pattern.casefold()) for pattern in patterns):
            return kind
    return None


@lru_cache(4096)
def _read_range(pattern: str) -> tuple[float, float] | None:
    parts = _RANGE.fullmatch(pattern)
    return (float(parts[1]), float(parts[2])) if parts else None


@lru_cache(4096)
def _fold(text: str) -> str:
    return re.sub(r"[\s_-]+", "", text).casefold()


@lru_cache(4096)
def _fold_glob(pattern: str) -> str:
    """Return a glob to be matched with folded text: in brackets a '-' makes a range and stays."""
    parts = re.split(r"(\[[^\]]+\])", pattern)
    return "".join(part.casefold() if number % 2 else _fold(part) for number, part in enumerate(parts))
