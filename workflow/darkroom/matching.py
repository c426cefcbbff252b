"""Matching: which master fits a frame, why, what else there was, and why not.

A master fits if setup and filter are the same and the temperature is within the tolerance; one that is unknown fits,
as nothing speaks against it, and the match says so. The order of preference is the own night before other nights within
the age limit; then a known temperature before an unknown one; then, for darks, the same exposure, the nearest one
within the tolerance, a bias-free one scaled by time, and of one exposure the nearest temperature, where it differs by
over a degree; then the nearest in time, the earlier one of two.
The order in which frames or nights arrived plays no part.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from darkroom.contracts import Contents
from darkroom.nights import nights_apart
from darkroom.temperatures import NOTEWORTHY, describe_difference, is_near, mean_temperature, round_up

# How much of an exposure a dark's may differ before using it unscaled is no advice to give.
SMALL_GAP = 0.1


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
    bias: Master | None = None
    darks: list[Match] = field(default_factory=list)
    contents: Contents = field(default_factory=Contents)
    sources: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
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
        # where no frame has a temperature there is nothing to say of it
        self._measured = {master.setup for master in [*masters, *self.refused] if master.temperature is not None}

    def find(self, wanted: Wanted) -> Match | Miss:
        """Return the best master for what is wanted, or why there is none."""
        nights = self._by_setup.get((wanted.setup, wanted.filter), {})
        fits = [match for master in nights.get(wanted.night, []) if (match := self._fit(master, wanted))]
        if not fits and self.rules["max_age_days"]:
            fits = [
                match
                for night, masters in nights.items()
                if 0 < nights_apart(night, wanted.night) <= self.rules["max_age_days"]
                for master in masters
                if (match := self._fit(master, wanted))
            ]
        if not fits:
            return self._miss(wanted)
        best, *others = sorted(fits, key=lambda match: self._order(match, wanted))
        best.runners_up = [f"{other.master.path} ({other.why})" for other in others]
        return best

    def _fit(self, master: Master, wanted: Wanted) -> Match | None:
        """Return how the master serves, its night apart, or None."""
        tolerance = self.rules["temperature_tolerance"]
        use = self._fit_exposure(master, wanted)
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

    def _fit_exposure(self, master: Master, wanted: Wanted) -> tuple[str, float] | None:
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

    def _miss(self, wanted: Wanted) -> Miss:
        """Say what was sought, the nearest things there were, and the key that would allow one of them."""
        what = {
            "bias": "",
            "dark": f"near {wanted.exposure or 0:.4g} s",
            "flat": f"in {wanted.filter or 'no filter'}",
        }
        where = f"(night {wanted.night}, setup {wanted.setup})"
        there, remedy = self._look_around(wanted)
        off = f"{self.kind}.use: false goes without"
        derived = bool(self._find_refused(wanted))
        return Miss(self.kind, what[self.kind], where, there, f"{remedy}; {off}" if remedy else off, derived)

    def _find_refused(self, wanted: Wanted) -> list[Master]:
        """Return the masters that would be there if they lacked nothing themselves."""
        return [
            master
            for master in self.refused
            if (master.setup, master.filter) == (wanted.setup, wanted.filter)
            and nights_apart(master.night, wanted.night) <= self.rules["max_age_days"]
        ]

    def _look_around(self, wanted: Wanted) -> tuple[str, str]:
        """Return what there is that comes nearest, and the key that would allow it."""
        of_setup = [master for master in self.masters if master.setup == wanted.setup]
        fitting = [master for master in of_setup if master.filter == wanted.filter]
        if refused := self._find_refused(wanted):
            return f"{_some([f'{master.label} of {master.night}' for master in refused])} cannot be made", ""
        if not self.masters:
            return f"there is no {self.kind} frame at all", ""
        if not of_setup:
            setups = sorted({master.setup for master in self.masters})
            return f"there are {self.kind} frames of setup {_some(setups)} only", ""
        if not fitting:
            filters = sorted({master.filter or "no filter" for master in of_setup})
            return (
                f"there are flats in {_some(filters)} only",
                "headers.cards.filter, if another card has it",
            )
        limit = self.rules["max_age_days"]
        near = [master for master in fitting if nights_apart(master.night, wanted.night) <= limit]
        if near:
            return self._look_closer(near, wanted)
        others = [master for master in fitting if self._fit(master, wanted)]
        nearest = min(others or fitting, key=lambda m: (nights_apart(m.night, wanted.night), m.night))
        age = nights_apart(nearest.night, wanted.night)
        there = f"the nearest is of {nearest.night}, {age} night{'s' * (age > 1)} away"
        remedy = f"{self.kind}.max_age_days: {age}"
        if not others:  # its age is not all that speaks against it
            closer, more = self._look_closer([nearest], wanted)
            return f"{there}, and {closer}", f"{remedy} (now {limit}) with {more}"
        return there, f"{remedy} allows it (now {limit})"

    def _look_closer(self, near: list[Master], wanted: Wanted) -> tuple[str, str]:
        """Return what speaks against masters of the setup and filter whose nights would do."""
        tolerance = self.rules["temperature_tolerance"]
        cold = [master for master in near if is_near(master.temperature, wanted.temperature, tolerance)]
        warm = [master for master in near if not is_near(master.temperature, wanted.temperature, tolerance)]
        if not warm:
            return self._look_at_exposures(cold, wanted.exposure or 0)
        there, remedy = self._look_at_temperatures(warm, wanted)
        if cold:
            others, other = self._look_at_exposures(cold, wanted.exposure or 0)
            return f"{there}, and {others}", f"{remedy}, or {other}"
        return there, remedy

    def _look_at_temperatures(self, warm: list[Master], wanted: Wanted) -> tuple[str, str]:
        """Return the nearest of the masters that are too warm or too cold, and what would allow it."""
        asked = wanted.temperature or 0.0
        usable = [master for master in warm if self._fit_exposure(master, wanted)]
        nearest = min(usable or warm, key=lambda master: (abs((master.temperature or 0) - asked), master.path))
        temperature = nearest.temperature or 0.0
        exposure = "a rate" if nearest.per_second else f"{nearest.exposure or 0:g} s"
        there = f"there is {exposure if self.kind == 'dark' else 'one'} at {round(temperature, 1) + 0.0:g} C"
        there += f", {describe_difference(temperature, asked)}"
        key = f"{self.kind}.temperature_tolerance: {round_up(abs(temperature - asked)):g}"
        more = "allows it" if usable else f"with {self._look_at_exposures([nearest], wanted.exposure or 0)[1]}"
        return there, f"{key} {more}"

    def _look_at_exposures(self, near: list[Master], wanted: float) -> tuple[str, str]:
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
