"""Which nights are chosen: what ``nights`` in config.yaml says, held against the nights there are frames of. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date

MOST_LISTED = 8
Range = tuple[str, str]  # the first night and the last one


def list_choice_problems(nights: str | list[str] | None) -> Iterator[str]:
    """Yield what is wrong with the setting, a line each."""
    if nights is None:
        return
    parts = _split(nights)
    if not parts:
        yield "names no night; null takes all"
    for part in parts:
        try:
            _parse(part)
        except ValueError as error:
            yield str(error)


def _split(nights: str | list[str]) -> list[str]:
    """Return nights and ranges one by one; the command line gives several with commas between them."""
    texts = [nights] if isinstance(nights, str) else nights
    parts = [part.strip() for text in texts for part in text.split(",")]
    return [part for part in parts if part]


def _parse(text: str) -> Range:
    """Return the first and the last night of a text such as 2024-03-10 or 2024-03-01..2024-03-31.

    Raises
    ------
    ValueError
        If it is none.
    """
    ends = [end.strip() for end in text.split("..")]
    if len(ends) > 2 or not all(re.fullmatch(r"\d{4}-\d\d-\d\d", end, re.ASCII) for end in ends):
        raise ValueError(f"{text!r} is no night such as 2024-03-10, nor a range such as 2024-03-01..2024-03-31")
    for end in ends:
        try:
            date.fromisoformat(end)
        except ValueError as error:
            raise ValueError(f"{end!r} is no date: {error}") from None
    if ends[0] > ends[-1]:
        raise ValueError(f"{text!r} runs backwards, did you mean '{ends[-1]}..{ends[0]}'?")
    return ends[0], ends[-1]


def choose_nights(nights: str | list[str], known: Iterable[str]) -> set[str]:
    """Return those of the ``known`` nights that the setting names.

    Raises
    ------
    ValueError
        Names each night, and each range, that no frame is of.
    """
    there = sorted(known)
    chosen: set[str] = set()
    problems = []
    for first, last in map(_parse, _split(nights)):
        found = [night for night in there if first <= night <= last]
        if not found:
            problems.append(
                f"no frame is of {first}{'' if first == last else f' to {last}'}; {_say(there, first, last)}"
            )
        chosen.update(found)
    if problems:
        raise ValueError("\n".join(problems))
    return chosen


def _say(there: list[str], first: str, last: str) -> str:
    """Return which nights there are, and the nearest to a range that holds none."""
    if not there:
        return "no frame has a night at all"
    ends = date.fromisoformat(first), date.fromisoformat(last)
    nearest = min(there, key=lambda night: min(abs(date.fromisoformat(night) - end) for end in ends))
    if len(there) == 1:
        return f"all are of {nearest}"
    listed = ", ".join(there) if len(there) <= MOST_LISTED else f"{len(there)} nights from {there[0]} to {there[-1]}"
    return f"the nearest night is {nearest} (there are {listed})"


def name_nights(chosen: Iterable[str]) -> str:
    """Return nights as a person names them."""
    nights = sorted(chosen)
    return ", ".join(nights) if len(nights) <= MOST_LISTED else f"{len(nights)} from {nights[0]} to {nights[-1]}"
