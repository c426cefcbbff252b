"""The plan: from frames and settings to the masters and lights that can be made, and what cannot and why. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from darkroom.certificates import Certificate
from darkroom.contracts import Contents
from darkroom.frames import Frame
from darkroom.matching import Master
from darkroom.measurements import Measurement, Measurements, Source
from darkroom.misses import Miss
from darkroom.plan_lights import Light, name_lights, plan_light
from darkroom.plan_masters import MasterPlanner, Refusal, find_sources
from darkroom.plan_nights import find_nights, keep_chosen, list_needed, list_shown_frames, list_used
from darkroom.plan_previews import NightPage, Pair, Preview, TrendsPage, plan_night_pages, plan_pairs, plan_previews
from darkroom.plan_stacks import PlateSolution, Stack, plan_solutions, plan_stacks


@dataclass
class BadPixels:
    """The bad pixels of one night and setup, from all the masters that its lights get."""

    night: str
    setup: str
    masters: list[Master]
    recipe: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def path(self) -> str:
        """The product, below results."""
        return f"{self.night}/{self.setup}/bad_pixels.fits"


@dataclass
class Plan:
    """What will be made of the frames: every master that can be made, every light, and what was refused.

    Where only some ``nights`` are chosen, all of it is what plays a part for these (but the frames are all): ``lent``
    are masters that lights of other nights get, ``aside`` the paths of those that only flats are compared with, and
    ``asked`` flats of other nights to be certified, since one that failed has changed from them.
    """

    frames: list[Frame]
    masters: list[Master] = field(default_factory=list)
    lights: list[Light] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    failed: list[Master] = field(default_factory=list)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    bad_pixels: list[BadPixels] = field(default_factory=list)
    measurements: Measurements = field(default_factory=lambda: Measurements([]))
    remarks: list[str] = field(default_factory=list)
    compared: bool = True  # whether measurements are made even where nothing needs them
    nights: set[str] = field(default_factory=set)
    lent: list[Master] = field(default_factory=list)
    aside: set[str] = field(default_factory=set)
    asked: list[Master] = field(default_factory=list)
    judged: dict[str, Certificate] = field(default_factory=dict)  # of all masters, those that failed as well
    stacks: list[Stack] = field(default_factory=list)
    alone: list[Light] = field(default_factory=list)  # where lights are stacked, those that nothing goes with
    previews: list[Preview] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    pages: list[NightPage | TrendsPage] = field(default_factory=list)

    @cached_property
    def made(self) -> list[Light]:
        """The lights that have all their masters."""
        return [light for light in self.lights if not light.misses]

    @cached_property
    def skipped(self) -> list[Light]:
        """The lights that lack a master."""
        return [light for light in self.lights if light.misses]

    @property
    def solutions(self) -> list[PlateSolution]:
        """The plate solutions of the lights that are made, where they are solved."""
        return [light.solution for light in self.made if light.solution]

    @cached_property
    def used_masters(self) -> list[Master]:
        """The masters that some light needs, directly or through another master."""
        return sorted(list_used(self.made, self.lent), key=lambda master: master.path)

    @property
    def wanted_masters(self) -> list[Master]:
        """The masters that a run makes: those that lights need, or all of these nights if there are no lights."""
        if self.lights:
            return self.used_masters
        return [master for master in self.masters if master.path not in self.aside]

    def list_made(self) -> list[Measurement | Master | Certificate | BadPixels | PlateSolution | Light | Stack]:
        """Return all that a run may make of raw frames, in the order of the graph."""
        needed, alone = list_needed([*self.wanted_masters, *self.asked], self.certificates)
        masters = sorted(needed, key=lambda master: master.path)
        certified = {master.path for master in needed} - {master.path for master in alone}
        certificates = [one for path, one in self.certificates.items() if path in certified]
        targets = set(self.checks)
        made: list[Master | Light] = [*masters, *self.made]
        sources = [source for item in made for source in item.sources.values()]
        targets |= {source.measurement.path for source in sources if source.measurement}
        measurements = [one for one in self.measurements.all if one.path in targets]
        return [*measurements, *masters, *certificates, *self.bad_pixels, *self.solutions, *self.made, *self.stacks]

    def list_all(self) -> list[Any]:
        """Return all that a run may make, in the order of the graph: what is made of raw frames, pictures, pages."""
        return [*self.list_made(), *self.previews, *self.pairs, *self.pages]

    def list_shown(self) -> list[Preview | Pair | NightPage | TrendsPage]:
        """Return what is made to be looked at."""
        return [*self.previews, *self.pairs, *self.pages]

    @property
    def checks(self) -> list[str]:
        """The figures and maps that belong to a whole run: of detectors, certificates and bad pixels, below results."""
        masters = self.wanted_masters
        places = {(item.frame.night, item.frame.setup) for item in self.made} | {(m.night, m.setup) for m in masters}
        places = {place for place in places if self.takes(place[0])}
        found = [one.path for one in self.measurements.all if self.compared and (one.night, one.setup) in places]
        certified = [*masters, *self.asked]
        found += [self.certificates[master.path].path for master in certified if master.path in self.certificates]
        return found + [one.path for one in self.bad_pixels]

    @property
    def targets(self) -> list[str]:
        """What a run makes: every light that can be made, or every master if there are no lights; and the checks."""
        made: list[Light] | list[Master] = self.made if self.lights else self.wanted_masters
        return [item.path for item in [*made, *self.stacks, *self.list_shown()]] + self.checks

    def takes(self, night: str) -> bool:
        """Whether a night is one of those chosen."""
        return not self.nights or night in self.nights


def make_plan(
    frames: list[Frame],
    settings: dict[str, Any],
    judge: Callable[[Certificate], str] = lambda certificate: "",
    solves: bool = False,
) -> Plan:
    """Match every light with its masters, and every master with the masters it needs itself.

    ``judge`` tells why a master is not to be used, if it failed its certification; ``solves`` says that there is a
    plate solver, and that lights are to be solved.
    """
    plan = Plan(frames, compared=settings["detector"]["compare"])
    usable = [frame for frame in frames if not frame.problem]
    plan.measurements = Measurements(usable)
    lights = [frame for frame in usable if frame.kind == "light"]
    planner = MasterPlanner(settings, plan.measurements, judge, {(one.night, one.setup, one.filter) for one in lights})
    biases, darks, flats = planner.plan_all(usable)
    plan.masters = [*biases.masters, *darks.masters, *flats.masters]
    plan.refused, plan.failed, plan.certificates = planner.refused, planner.failed, planner.certificates
    plan.judged = planner.judged
    chosen, around = find_nights(frames, settings)
    # the lights of a night have most of it in common
    sources: dict[tuple[Any, ...], dict[str, Source]] = {}
    held: dict[tuple[Any, ...], Contents | Miss] = {}
    for frame, path in name_lights([frame for frame in lights if not around or frame.night in around]):
        camera = frame.night, frame.setup, frame.gain, frame.read_noise
        if camera not in sources:
            sources[camera] = find_sources(frame, plan.measurements, settings)
        light = Light(frame, path, sources=sources[camera])
        plan.lights.append(plan_light(light, biases, darks, flats, settings, held))
    if chosen:
        keep_chosen(plan, planner, plan.lights, chosen)
    if settings["lights"]["mask"]:
        # of a night without lights, those masters that lights of other nights get, as where all nights are taken
        masters = plan.used_masters if lights else plan.wanted_masters
        plan.bad_pixels = _plan_bad_pixels([master for master in masters if plan.takes(master.night)])
    if solves:
        plan_solutions(plan.made)
    if settings["stacks"]["use"]:
        plan.stacks = plan_stacks(plan.made, settings["stacks"]["by"])
        stacked = {light.path for stack in plan.stacks for light in stack.lights}
        plan.alone = [light for light in plan.made if light.path not in stacked]
    if settings["previews"]["use"]:
        plan.previews, plan.pairs = plan_previews(plan), plan_pairs(plan)
    if settings["report"]["use"]:
        plan.pages = [*plan_night_pages(plan, list_shown_frames(plan)), TrendsPage()]
    return plan


def _plan_bad_pixels(masters: list[Master]) -> list[BadPixels]:
    """Return the maps of bad pixels, one a night and setup, of the darks and flats there are."""
    groups: dict[tuple[str, str], list[Master]] = defaultdict(list)
    for master in masters:
        if master.kind != "bias":
            groups[master.night, master.setup].append(master)
    return [BadPixels(night, setup, members) for (night, setup), members in sorted(groups.items())]
