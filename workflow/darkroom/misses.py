"""Misses: why no master fits, what there is that comes nearest, and which key of config.yaml would allow it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from darkroom.nights import nights_apart
from darkroom.temperatures import describe_difference, is_near, round_up

if TYPE_CHECKING:
    from darkroom.matching import Master, Shelf, Wanted

# How much of an exposure a dark's may differ before using it unscaled is no advice to give.
SMALL_GAP = 0.1


@dataclass(frozen=True)
class Miss:
    """No master fits: what was sought where, what there was, and which key of config.yaml would allow it.

    ``derived`` tells that there are frames for it, but that a master it needs itself is missing.
    """

    kind: str
    what: str
    where: str
    there: str
    remedy: str
    derived: bool = False

    def __str__(self) -> str:
        sought = " ".join(filter(None, ["no", self.kind, self.what, self.where]))
        return f"{sought}: {self.there}; {self.remedy}"


def explain_miss(shelf: Shelf, wanted: Wanted) -> Miss:
    """Say what was sought, the nearest things there were, and the key that would allow one of them."""
    what = {
        "bias": "",
        "dark": f"near {wanted.exposure or 0:.4g} s",
        "flat": f"in {wanted.filter}" if wanted.filter else "without a filter",
    }
    where = f"(night {wanted.night}, setup {wanted.setup})"
    there, remedy = _look_around(shelf, wanted)
    off = f"{shelf.kind}.use: false goes without"
    derived = bool(_find_refused(shelf, wanted))
    return Miss(shelf.kind, what[shelf.kind], where, there, f"{remedy}; {off}" if remedy else off, derived)


def _find_refused(shelf: Shelf, wanted: Wanted) -> list[Master]:
    """Return the masters that would be there if they lacked nothing themselves."""
    return [
        master
        for master in shelf.refused
        if (master.setup, master.filter) == (wanted.setup, wanted.filter)
        and nights_apart(master.night, wanted.night) <= shelf.rules["max_age_days"]
    ]


def _look_around(shelf: Shelf, wanted: Wanted) -> tuple[str, str]:
    """Return what there is that comes nearest, and the key that would allow it."""
    fitting = shelf.list_alike(wanted)
    if refused := _find_refused(shelf, wanted):
        return f"{_some([f'{master.label} of {master.night}' for master in refused])} cannot be made", ""
    if not shelf.masters:
        if shelf.refused:
            return f"no master {shelf.kind} can be made of the frames that there are", ""
        return f"there is no {shelf.kind} frame at all", ""
    of_setup = fitting or [master for master in shelf.masters if master.setup == wanted.setup]
    if not of_setup:
        setups = sorted({master.setup for master in shelf.masters})
        return f"there are {shelf.kind} frames of setup {_some(setups)} only", ""
    if not fitting:
        filters = sorted({master.filter or "no filter" for master in of_setup})
        return (
            f"there are flats in {_some(filters)} only",
            "headers.cards.filter, if another card has it",
        )
    limit = shelf.rules["max_age_days"]
    near = list(shelf.list_around(wanted, limit))
    if near:
        return _look_closer(shelf, near, wanted)
    by_age = sorted(fitting, key=lambda master: (nights_apart(master.night, wanted.night), master.night))
    fit = next((master for master in by_age if shelf.fit(master, wanted)), None)
    nearest = fit or by_age[0]
    age = nights_apart(nearest.night, wanted.night)
    there = f"the nearest is of {nearest.night}, {age} night{'s' * (age > 1)} away"
    remedy = f"{shelf.kind}.max_age_days: {age}"
    if not fit:  # its age is not all that speaks against it
        closer, more = _look_closer(shelf, [nearest], wanted)
        return f"{there}, and {closer}", f"{remedy} (now {limit}) with {more}"
    return there, f"{remedy} allows it (now {limit})"


def _look_closer(shelf: Shelf, near: list[Master], wanted: Wanted) -> tuple[str, str]:
    """Return what speaks against masters of the setup and filter whose nights would do."""
    tolerance = shelf.rules["temperature_tolerance"]
    cold = [master for master in near if is_near(master.temperature, wanted.temperature, tolerance)]
    warm = [master for master in near if not is_near(master.temperature, wanted.temperature, tolerance)]
    if not warm:
        return _look_at_exposures(shelf, cold, wanted.exposure or 0)
    there, remedy = _look_at_temperatures(shelf, warm, wanted)
    if cold:
        others, other = _look_at_exposures(shelf, cold, wanted.exposure or 0)
        return f"{there}, and {others}", f"{remedy}, or {other}"
    return there, remedy


def _look_at_temperatures(shelf: Shelf, warm: list[Master], wanted: Wanted) -> tuple[str, str]:
    """Return the nearest of the masters that are too warm or too cold, and what would allow it."""
    asked = wanted.temperature or 0.0
    usable = [master for master in warm if shelf.fit_exposure(master, wanted)]
    nearest = min(usable or warm, key=lambda master: (abs((master.temperature or 0) - asked), master.path))
    temperature = nearest.temperature or 0.0
    exposure = "a rate" if nearest.per_second else f"{nearest.exposure or 0:g} s"
    there = f"there is {exposure if shelf.kind == 'dark' else 'one'} at {round(temperature, 1) + 0.0:g} C"
    there += f", {describe_difference(temperature, asked)}"
    key = f"{shelf.kind}.temperature_tolerance: {round_up(abs(temperature - asked)):g}"
    more = "allows it" if usable else f"with {_look_at_exposures(shelf, [nearest], wanted.exposure or 0)[1]}"
    return there, f"{key} {more}"


def _look_at_exposures(shelf: Shelf, near: list[Master], wanted: float) -> tuple[str, str]:
    there = f"there is {_some(sorted({f'{master.exposure:g} s' for master in near}))}"
    keys = []
    gap = min(abs((master.exposure or 0) - wanted) for master in near)
    if gap <= SMALL_GAP * wanted:
        keys.append(f"dark.exposure_tolerance: {gap:.4g}")
    if all(master.holds_bias for master in near):
        there += ", which holds its bias and so cannot be scaled"
        keys.append("dark.subtract_bias: true with bias.use: true (and bias frames)")
    else:
        keys.append("dark.scale: true")
    return there, f"{' or '.join(keys)} allows it"


def _some(words: list[str]) -> str:
    return ", ".join(words[:4]) + (f" and {len(words) - 4} more" if len(words) > 4 else "")
