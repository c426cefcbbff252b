"""Patterns: whether a header's value or a name is what a dialect or a setting means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase, translate
from functools import lru_cache
from typing import Any, NamedTuple

from darkroom.quantities import read_number

# A glob, a range such as 0..0.5, a number or several of them, as a dialect file gives them.
Pattern = str | float | list
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_SEPARATORS = re.compile(r"[\s_-]+")
_RANGE = re.compile(rf"\s*({_NUMBER})\s*\.\.\s*({_NUMBER})\s*")


class _Compiled(NamedTuple):
    """Patterns of which any is to match: globs as one expression, ranges, and numbers."""

    globs: re.Pattern[str]
    ranges: list[tuple[float, float]]
    numbers: list[float]


def matches(value: Any, pattern: Pattern) -> bool:
    """Whether a header value matches a glob, lies in a range such as ``0..0.5``, or equals a number.

    In globs case, spaces, '_' and '-' do not count.
    """
    if value is None:
        return False
    compiled = _compile(tuple(pattern) if isinstance(pattern, list) else (pattern,))
    if compiled.globs.match(_fold(str(value))):
        return True
    if not compiled.ranges and not compiled.numbers:
        return False
    number = read_number(value)
    return number is not None and (
        any(low <= number <= high for low, high in compiled.ranges)
        or any(abs(number - each) < 1e-6 for each in compiled.numbers)
    )


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
def _compile(patterns: tuple[str | float, ...]) -> _Compiled:
    texts = [pattern for pattern in patterns if isinstance(pattern, str)]
    ranges = [(float(parts[1]), float(parts[2])) for text in texts if (parts := _RANGE.fullmatch(text))]
    globs = "|".join(translate(_fold_glob(text)) for text in texts)
    numbers = [float(pattern) for pattern in patterns if not isinstance(pattern, str)]
    return _Compiled(re.compile(globs if texts else "(?!)"), ranges, numbers)


@lru_cache(4096)
def _fold(text: str) -> str:
    return _SEPARATORS.sub("", text).casefold()


def _fold_glob(pattern: str) -> str:
    """Return a glob to be matched with folded text: in brackets a '-' makes a range and stays."""
    parts = re.split(r"(\[[^\]]+\])", pattern)
    return "".join(part.casefold() if number % 2 else _fold(part) for number, part in enumerate(parts))
