"""Matching: which master fits a frame, why, what else there was, and why not.

A master fits if setup and filter are the same and the temperature is within the tolerance; one that is unknown fits,
as nothing speaks against it, and the match says so. The order of preference is the own night before other nights within
the age limit; then a known temperature before an unknown one; then, for darks, the same exposure, the nearest one
within the tolerance, a bias-free one scaled by time, and of one exposure the nearest temperature, where it differs by
over a degree; then the nearest in time, the earlier one of two.
The order in which frames or nights arrived plays no part.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from darkroom.contracts import Contents
from darkroom.misses import Miss, explain_miss
from darkroom.nights import nights_apart, number_night
from darkroom.temperatures import NOTEWORTHY, describe_difference, is_near, mean_temperature

MOST_RUNNERS_UP = 10  # named; of a year of flats, each light would name hundreds


@dataclass
class Master:
    """A master frame that can be made: what it is, what it is made of and what it holds.

    ``exposure`` in seconds (darks; None for a rate per second), ``time`` the mean start of its frames,
    ``group`` its temperature in words where its night has masters of several,
    ``holds_bias`` whether the bias is still in it, ``sources`` where its gain and read noise come from.
    """

    kind: str
    night: str
    setup: str
    path: str
    frames: list[Any]
    time: datetime
    exposure: float | None = None
    filter: str | None = None
    group: str = ""
    per_second: bool = False
    holds_bias: bool = False
    bias: Match | None = None
    darks: list[Match] = field(default_factory=list)
    contents: Contents = field(default_factory=Contents)
    sources: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def matches(self) -> list[Match]:
        """The masters that its frames get: of the bias, and of the dark of each frame."""
        return [*([self.bias] if self.bias else []), *self.darks]

    @cached_property
    def mean_exposure(self) -> float:
        """The mean exposure of its frames, in seconds."""
        return sum(frame.exposure for frame in self.frames) / len(self.frames)

    @cached_property
    def temperature(self) -> float | None:
        """The mean temperature of its frames in deg C, as far as it is known."""
        return mean_temperature(self.frames)

    @property
    def label(self) -> str:
        """The master as a person says it, without its night."""
        what = ""
        if self.kind == "dark":
            what = " rate" if self.per_second else f" {self.exposure:g} s"
        elif self.kind == "flat":
            what = f" {self.filter or 'without filter'}"
        return f"master {self.kind}{what}" + (f" ({self.group})" if self.group else "")


@dataclass(frozen=True)
class Wanted:
    """What a frame (or a master to be made) asks for."""

    night: str
    setup: str
    time: datetime
    exposure: float | None = None
    filter: str | None = None
    temperature: float | None = None


@dataclass
class Match:
    """A master that fits: ``scale`` is what a dark is multiplied by; ``runners_up`` what else would have done.

    ``warning`` says what could not be checked.
    """

    master: Master
    why: str
    scale: float = 1.0
    runners_up: list[str] = field(default_factory=list)
    warning: str = ""


def canonical_exposure(seconds: float) -> float:
    """Return an exposure to four digits: what shutters scatter by (180.006 and 180.009 s) is one exposure."""
    return float(f"{seconds:.4g}")


class Shelf:
    """The masters of one kind that can be made, found by setup (and filter) and night."""

    def __init__(self, kind: str, rules: dict[str, Any], masters: list[Master], refused: list[Master] | None = None):
        self.kind = kind
        self.rules = rules
        self.masters = masters
        self.refused = refused or []
        self._by_setup: dict[tuple[str, str | None], dict[str, list[Master]]] = defaultdict(lambda: defaultdict(list))
        for master in masters:
            self._by_setup[master.setup, master.filter][master.night].append(master)
        self._fits: dict[tuple[Any, ...], list[Match] | Miss] = {}
        # the nights of each in order, so that those within an age are found without a look at all
        self._calendar = {key: sorted((number_night(night), night) for night in n) for key, n in self._by_setup.items()}
        # where no frame has a temperature there is nothing to say of it
        self._measured = {master.setup for master in [*masters, *self.refused] if master.temperature is not None}

    def find(self, wanted: Wanted) -> Match | Miss:
        """Return the best master for what is wanted, or why there is none."""
        # all but the time of it, which only puts them in order: the lights of a night ask alike
        key = wanted.night, wanted.setup, wanted.exposure, wanted.filter, wanted.temperature
        if key not in self._fits:
            self._fits[key] = self._find_fits(wanted) or explain_miss(self, wanted)
        fits = self._fits[key]
        if isinstance(fits, Miss):
            return fits
        best, *others = sorted(fits, key=lambda match: self._order(match, wanted)) if len(fits) > 1 else fits
        named = [f"{other.master.path} ({other.why})" for other in others[:MOST_RUNNERS_UP]]
        if len(others) > MOST_RUNNERS_UP:
            named.append(f"{len(others) - MOST_RUNNERS_UP} others")
        best.runners_up = best.runners_up or named
        return best if best.runners_up == named else replace(best, runners_up=named)  # most are one and the same

    def _find_fits(self, wanted: Wanted) -> list[Match]:
        """Return the masters of the own night that fit, else those of other nights within the age limit."""
        nights = self._by_setup.get((wanted.setup, wanted.filter), {})
        fits = [match for master in nights.get(wanted.night, []) if (match := self.fit(master, wanted))]
        if not fits and self.rules["max_age_days"]:
            around = self.list_around(wanted, self.rules["max_age_days"])
            fits = [match for master in around if (match := self.fit(master, wanted))]
        return fits

    def list_alike(self, wanted: Wanted) -> list[Master]:
        """Return the masters of the setup and filter, of whatever night."""
        nights = self._by_setup.get((wanted.setup, wanted.filter), {})
        return [master for masters in nights.values() for master in masters]

    def list_around(self, wanted: Wanted, days: int) -> Iterator[Master]:
        """Yield the masters of the setup and filter of nights up to so many days away, the earliest first."""
        key = wanted.setup, wanted.filter
        calendar, day = self._calendar.get(key, []), number_night(wanted.night)
        first = bisect_left(calendar, day - days, key=lambda entry: entry[0])
        last = bisect_right(calendar, day + days, key=lambda entry: entry[0])
        for _, night in calendar[first:last]:
            yield from self._by_setup[key][night]

    def fit(self, master: Master, wanted: Wanted) -> Match | None:
        """Return how the master serves, its night apart, or None."""
        tolerance = self.rules["temperature_tolerance"]
        use = self.fit_exposure(master, wanted)
        if use is None or not is_near(master.temperature, wanted.temperature, tolerance):
            return None
        how, scale = use
        age = nights_apart(master.night, wanted.night)
        when = "own night" if age == 0 else f"{master.night}, {age} night{'s' * (age > 1)} away"
        match = Match(master, f"{when}, {how}", scale)
        if master.temperature is not None and wanted.temperature is not None:
            if abs(master.temperature - wanted.temperature) > NOTEWORTHY[self.kind]:
                match.why += f", {describe_difference(master.temperature, wanted.temperature)}"
        elif tolerance is not None and (wanted.temperature is not None or wanted.setup in self._measured):
            match.why += ", temperature unknown"
            whose = f"of the {master.label} of {master.night}" if master.temperature is None else "of the frame itself"
            match.warning = f"nothing tells whether the {self.kind}'s temperature fits: that {whose} is unknown"
        return match

    def fit_exposure(self, master: Master, wanted: Wanted) -> tuple[str, float] | None:
        """Return in words how the master serves and what it is multiplied by, or None if its exposure is wrong."""
        if self.kind != "dark":
            return "same setup" + (f", filter {master.filter}" if self.kind == "flat" else ""), 1.0
        exposure = wanted.exposure
        assert exposure is not None, "darks are sought by exposure"
        if master.per_second:
            return f"rate times {exposure:g} s", exposure
        assert master.exposure is not None, "a master dark has an exposure"
        if canonical_exposure(exposure) == master.exposure:
            return "same exposure", 1.0
        if abs(master.exposure - exposure) <= self.rules["exposure_tolerance"]:
            return f"{master.exposure:g} s within {self.rules['exposure_tolerance']:g} s", 1.0
        if self.rules["scale"] and not master.holds_bias:
            scale = exposure / master.mean_exposure
            return f"{master.exposure:g} s scaled by {scale:.4g}", scale
        return None

    def _order(self, match: Match, wanted: Wanted) -> tuple[Any, ...]:
        master = match.master
        exposure, degrees, known = (0, 0.0, 0.0), 0.0, self.rules["temperature_tolerance"] is None
        if not known and master.temperature is not None and wanted.temperature is not None:
            known = True
            degrees = abs(master.temperature - wanted.temperature)
        if self.kind == "dark" and not master.per_second:
            difference = abs((master.exposure or 0) - (wanted.exposure or 0))
            same = canonical_exposure(wanted.exposure or 0) == master.exposure
            level = 0 if same else 1 if match.scale == 1.0 else 2
            exposure = (level, 0.0 if same else difference, -(master.exposure or 0))
        if self.kind != "dark" or degrees <= NOTEWORTHY[self.kind]:
            degrees = 0.0
        seconds = abs((master.time - wanted.time).total_seconds())
        return not known, exposure, degrees, seconds, master.time, master.path
