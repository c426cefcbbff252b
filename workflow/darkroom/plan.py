"""The plan: from frames and settings to the masters and lights that can be made, and what cannot and why. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from darkroom.certificates import Certificate
from darkroom.contracts import Breach, Contents, divide_flat
from darkroom.frames import Frame
from darkroom.matching import Master, Match, Shelf, canonical_exposure
from darkroom.measurements import Measurement, Measurements, Source
from darkroom.misses import Miss
from darkroom.plan_masters import (
    MasterPlanner,
    Refusal,
    calibrate_contents,
    find_sources,
    miss_bias_removal,
    miss_contract,
    want,
)
from darkroom.plan_nights import find_nights, keep_chosen, list_needed, list_used
from darkroom.setups import make_slug


@dataclass
class Light:
    """A light to be calibrated: its frame, its product below results and the masters it gets."""

    frame: Frame
    path: str
    bias: Match | None = None
    dark: Match | None = None
    flat: Match | None = None
    misses: list[Miss] = field(default_factory=list)
    contents: Contents = field(default_factory=Contents)
    sources: dict[str, Source] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def matches(self) -> list[Match]:
        """The matches of bias, dark and flat that there are."""
        return [match for match in (self.bias, self.dark, self.flat) if match]

    @property
    def group(self) -> tuple[str, str, str, str]:
        """Night, setup, filter and exposure: the lights that one batch may hold."""
        exposure = f"{canonical_exposure(self.frame.exposure or 0):g}s"
        return self.frame.night, self.frame.setup, self.frame.filter or "", exposure


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

    @cached_property
    def made(self) -> list[Light]:
        """The lights that have all their masters."""
        return [light for light in self.lights if not light.misses]

    @cached_property
    def skipped(self) -> list[Light]:
        """The lights that lack a master."""
        return [light for light in self.lights if light.misses]

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

    def list_all(self) -> list[Measurement | Master | Certificate | Light | BadPixels]:
        """Return all that a run may make, in the order of the graph."""
        needed, alone = list_needed([*self.wanted_masters, *self.asked], self.certificates)
        masters = sorted(needed, key=lambda master: master.path)
        certified = {master.path for master in needed} - {master.path for master in alone}
        certificates = [one for path, one in self.certificates.items() if path in certified]
        targets = set(self.checks)
        made: list[Master | Light] = [*masters, *self.made]
        sources = [source for item in made for source in item.sources.values()]
        targets |= {source.measurement.path for source in sources if source.measurement}
        measurements = [one for one in self.measurements.all if one.path in targets]
        return [*measurements, *masters, *certificates, *self.bad_pixels, *self.made]

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
        return [item.path for item in made] + self.checks

    def takes(self, night: str) -> bool:
        """Whether a night is one of those chosen."""
        return not self.nights or night in self.nights


def make_plan(
    frames: list[Frame], settings: dict[str, Any], judge: Callable[[Certificate], str] = lambda certificate: ""
) -> Plan:
    """Match every light with its masters, and every master with the masters it needs itself.

    ``judge`` tells why a master is not to be used, if it failed its certification.
    """
    plan = Plan(frames, compared=settings["detector"]["compare"])
    usable = [frame for frame in frames if not frame.problem]
    plan.measurements = Measurements(usable)
    lights = [frame for frame in usable if frame.kind == "light"]
    planner = MasterPlanner(settings, plan.measurements, judge, {(one.night, one.setup, one.filter) for one in lights})
    biases, darks, flats = planner.plan_all(usable)
    plan.masters = [*biases.masters, *darks.masters, *flats.masters]
    plan.refused, plan.failed, plan.certificates = planner.refused, planner.failed, planner.certificates
    chosen, around = find_nights(frames, settings)
    # the lights of a night have most of it in common
    sources: dict[tuple[Any, ...], dict[str, Source]] = {}
    held: dict[tuple[Any, ...], Contents | Miss] = {}
    for frame, path in _name_lights([frame for frame in lights if not around or frame.night in around]):
        camera = frame.night, frame.setup, frame.gain, frame.read_noise
        if camera not in sources:
            sources[camera] = find_sources(frame, plan.measurements, settings)
        light = Light(frame, path, sources=sources[camera])
        plan.lights.append(_plan_light(light, biases, darks, flats, settings, held))
    if chosen:
        keep_chosen(plan, planner, plan.lights, chosen)
    if settings["lights"]["mask"]:
        # of a night without lights, those masters that lights of other nights get, as where all nights are taken
        masters = plan.used_masters if lights else plan.wanted_masters
        plan.bad_pixels = _plan_bad_pixels([master for master in masters if plan.takes(master.night)])
    return plan


def _plan_bad_pixels(masters: list[Master]) -> list[BadPixels]:
    """Return the maps of bad pixels, one a night and setup, of the darks and flats there are."""
    groups: dict[tuple[str, str], list[Master]] = defaultdict(list)
    for master in masters:
        if master.kind != "bias":
            groups[master.night, master.setup].append(master)
    return [BadPixels(night, setup, members) for (night, setup), members in sorted(groups.items())]


def _plan_light(
    light: Light,
    biases: Shelf,
    darks: Shelf,
    flats: Shelf,
    settings: dict[str, Any],
    held: dict[tuple[Any, ...], Contents | Miss],
) -> Light:
    """Give a light its masters or say what it lacks; ``held`` are the contents of those that were planned before."""
    frame = light.frame
    found: dict[str, Match | Miss] = {}
    if settings["dark"]["use"]:
        found["dark"] = darks.find(want(frame, exposure=frame.exposure))
    dark = found.get("dark")
    # a dark that still holds its bias takes the light's bias off with it; subtracting a bias too would count it twice
    if settings["bias"]["use"] and not (isinstance(dark, Match) and dark.master.holds_bias):
        found["bias"] = biases.find(want(frame))
    if settings["flat"]["use"]:
        found["flat"] = flats.find(want(frame, filter=frame.filter))
    light.misses = [result for result in found.values() if isinstance(result, Miss)]
    light.misses += _miss_for_cosmic_rays(light, settings["lights"]["cosmic_rays"])
    if not light.misses:
        light.bias, light.dark, light.flat = (_as_match(found.get(kind)) for kind in ("bias", "dark", "flat"))
        used = [(match.master.path, match.scale) for match in light.matches]
        key = frame.night, frame.setup, bool(frame.overscan), frame.exposure, *used, light.sources["gain"].is_known
        if key not in held:
            held[key] = _keep_contract(light, settings)
        match held[key]:
            case Contents() as contents:
                light.contents = contents
            case miss:
                light.misses = [miss]
    return light


def _keep_contract(light: Light, settings: dict[str, Any]) -> Contents | Miss:
    """Return what a light holds once it is calibrated, or what does not fit."""
    frame = light.frame
    try:
        contents = calibrate_contents(frame, light.bias, light.dark, settings)
        if contents.bias and not contents.overscan:
            return miss_bias_removal(frame.night, frame.setup)
        if light.flat:
            contents = divide_flat(contents, light.flat.master.contents)
    except Breach as breach:
        return miss_contract(frame.night, frame.setup, f"the light {breach}")
    in_electrons = settings["lights"]["unit"] == "electron" and light.sources["gain"].is_known
    return replace(contents, unit="electron" if in_electrons else "adu")


def _miss_for_cosmic_rays(light: Light, rays: dict[str, Any]) -> list[Miss]:
    """Return what L.A.Cosmic needs to know of a camera and neither settings, header nor frames tell."""
    lacking = [key for key, source in light.sources.items() if rays["use"] and not source.is_known]
    where = f"(night {light.frame.night}, setup {light.frame.setup})"
    return [
        Miss(key, "for cosmic rays", where, "neither header nor frames tell", f"detector.{key} gives it")
        for key in lacking
    ]


def _as_match(result: Match | Miss | None) -> Match | None:
    return result if isinstance(result, Match) else None


def _name_lights(frames: list[Frame]) -> list[tuple[Frame, str]]:
    """Return each light's product below results; two of one name in one folder are told apart by their raw folders."""
    named = defaultdict(list)
    for frame in sorted(frames, key=lambda frame: (frame.start, frame.name)):
        stem = frame.name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        named[f"{frame.night}/{frame.setup}/lights/{make_slug(stem)}".casefold()].append((frame, stem))
    paths = []
    for members in named.values():
        for frame, stem in members:
            slug = make_slug(stem) if len(members) == 1 else f"{make_slug(stem)}-{make_slug(frame.name + '/')[-6:]}"
            paths.append((frame, f"{frame.night}/{frame.setup}/lights/{slug}.fits"))
    return sorted(paths, key=lambda item: (item[0].start, item[0].name))
