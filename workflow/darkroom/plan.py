"""The plan: from frames and settings to the masters and lights that can be made, and what cannot and why. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from darkroom.certificates import Certificate
from darkroom.contracts import Breach, Contents, divide_flat, subtract_bias, subtract_dark
from darkroom.frames import Frame
from darkroom.matching import Master, Match, Miss, Shelf, Wanted, canonical_exposure
from darkroom.measurements import Measurement, Measurements, Source
from darkroom.setups import make_slug
from darkroom.temperatures import mean_temperature, name_temperatures, split_by_temperature


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


@dataclass(frozen=True)
class Refusal:
    """A master that is not made or not used although there are frames for it, and what it lacks."""

    master: Master
    miss: Miss


@dataclass
class Plan:
    """What will be made of the frames: every master that can be made, every light, and what was refused."""

    frames: list[Frame]
    masters: list[Master] = field(default_factory=list)
    lights: list[Light] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    failed: list[Master] = field(default_factory=list)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    bad_pixels: list[BadPixels] = field(default_factory=list)
    measurements: Measurements = field(default_factory=lambda: Measurements([]))
    remarks: list[str] = field(default_factory=list)

    @property
    def made(self) -> list[Light]:
        """The lights that have all their masters."""
        return [light for light in self.lights if not light.misses]

    @property
    def skipped(self) -> list[Light]:
        """The lights that lack a master."""
        return [light for light in self.lights if light.misses]

    @property
    def used_masters(self) -> list[Master]:
        """The masters that some light needs, directly or through another master."""
        used: dict[str, Master] = {}
        waiting = [match.master for light in self.made for match in light.matches]
        while waiting:
            master = waiting.pop()
            if master.path not in used:
                used[master.path] = master
                waiting += [match.master for match in master.darks] + ([master.bias] if master.bias else [])
        return sorted(used.values(), key=lambda master: master.path)

    def list_all(self) -> list[Measurement | Master | Certificate | Light | BadPixels]:
        """Return all that a run may make, in the order of the graph."""
        masters = self.used_masters if self.lights else self.masters
        targets = set(self.checks)
        certificates = [one for one in self.certificates.values() if one.path in targets]
        measurements = [one for one in self.measurements.all if one.path in targets]
        return [*measurements, *masters, *certificates, *self.bad_pixels, *self.made]

    @property
    def checks(self) -> list[str]:
        """The figures and maps that belong to a whole run: of detectors, certificates and bad pixels, below results."""
        masters = self.used_masters if self.lights else self.masters
        places = {(item.frame.night, item.frame.setup) for item in self.made} | {(m.night, m.setup) for m in masters}
        found = [one.path for one in self.measurements.all if (one.night, one.setup) in places]
        found += [self.certificates[master.path].path for master in masters if master.path in self.certificates]
        return found + [one.path for one in self.bad_pixels]

    @property
    def targets(self) -> list[str]:
        """What a run makes: every light that can be made, or every master if there are no lights; and the checks."""
        made: list[Light] | list[Master] = self.made if self.lights else self.masters
        return [item.path for item in made] + self.checks


def make_plan(
    frames: list[Frame], settings: dict[str, Any], judge: Callable[[Certificate], str] = lambda certificate: ""
) -> Plan:
    """Match every light with its masters, and every master with the masters it needs itself.

    ``judge`` tells why a master is not to be used, if it failed its certification.
    """
    plan = Plan(frames)
    usable = [frame for frame in frames if not frame.problem]
    plan.measurements = Measurements(usable)
    lights = [frame for frame in usable if frame.kind == "light"]
    groups = _group_calibrations(usable, settings)
    build = _Builder(plan, settings, judge, {(light.night, light.setup, light.filter) for light in lights})
    biases = build.plan_masters("bias", groups["bias"], lambda bias: _calibrate_bias(bias))
    darks = build.plan_masters("dark", groups["dark"], lambda dark: _calibrate_dark(dark, biases, settings))
    flats = build.plan_masters("flat", groups["flat"], lambda flat: _calibrate_flat(flat, biases, darks, settings))
    plan.masters = [*biases.masters, *darks.masters, *flats.masters]
    for frame, path in _name_lights(lights):
        light = Light(frame, path, sources=_find_sources(frame, plan, settings))
        plan.lights.append(_plan_light(light, biases, darks, flats, settings))
    plan.bad_pixels = _plan_bad_pixels(plan.used_masters if plan.lights else plan.masters)
    return plan


def _plan_bad_pixels(masters: list[Master]) -> list[BadPixels]:
    """Return the maps of bad pixels, one a night and setup, of the darks and flats there are."""
    groups: dict[tuple[str, str], list[Master]] = defaultdict(list)
    for master in masters:
        if master.kind != "bias":
            groups[master.night, master.setup].append(master)
    return [BadPixels(night, setup, members) for (night, setup), members in sorted(groups.items())]


def _find_sources(frame: Frame, plan: Plan, settings: dict[str, Any]) -> dict[str, Source]:
    """Return where the gain and the read noise of a frame, and of what is made of such, come from."""
    detector = settings["detector"]
    return {key: plan.measurements.choose(key, frame, detector) for key in ("gain", "read_noise")}


Group = tuple[tuple[Any, ...], list[Frame]]


def _group_calibrations(frames: Iterable[Frame], settings: dict[str, Any]) -> dict[str, list[Group]]:
    """Return the frames of each master by kind, in order of time."""
    groups: dict[str, dict[tuple[Any, ...], list[Frame]]] = {"bias": {}, "dark": {}, "flat": {}}
    for frame in sorted(frames, key=lambda frame: (frame.start, frame.name)):
        if frame.kind in groups and settings[frame.kind]["use"]:
            what: float | str | None = None
            if frame.kind == "dark" and not settings["dark"]["per_second"]:
                what = canonical_exposure(frame.exposure or 0)
            elif frame.kind == "flat":
                what = frame.filter
            groups[frame.kind].setdefault((frame.night, frame.setup, what), []).append(frame)
    return {kind: _split_groups(kind, found, settings) for kind, found in groups.items()}


def _split_groups(kind: str, groups: dict[tuple[Any, ...], list[Frame]], settings: dict[str, Any]) -> list[Group]:
    """Divide frames of one master whose temperatures lie apart; a part's key ends with its name, if it needs one."""
    names = {(night, setup, _name_master(kind, what)) for night, setup, what in groups}
    divided = []
    for (night, setup, what), frames in sorted(groups.items(), key=lambda item: str(item[0])):
        parts = split_by_temperature(frames, settings[kind]["temperature_tolerance"])
        stem = (night, setup, _name_master(kind, what))
        parted = name_temperatures([mean_temperature(part) for part in parts]) if len(parts) > 1 else [""]
        while any((*stem[:2], _name_master(kind, what, part)) in names - {stem} for part in parted):
            parted = [f"{part}+" for part in parted]  # a filter of that very name
        divided += [((night, setup, what, name), part) for name, part in zip(parted, parts, strict=True)]
    return divided


def _new_master(kind: str, key: tuple[Any, ...], frames: list[Frame]) -> Master:
    night, setup, what, group = key  # what: the exposure of darks (None for a rate), the filter of flats
    starts = [_start(frame) for frame in frames]
    time = starts[0] + sum((start - starts[0] for start in starts), start=timedelta(0)) / len(starts)
    path = f"{night}/{setup}/{_name_master(kind, what, group)}.fits"
    master = Master(kind, night, setup, path, frames, time, group=group)
    if kind == "dark":
        master.exposure = what
        master.per_second = what is None
    elif kind == "flat":
        master.filter = what
    return master


def _name_master(kind: str, what: Any, group: str = "") -> str:
    end = f"_{group}" if group else ""
    if kind == "bias":
        return f"master_bias{end}"
    if kind == "dark":
        return f"master_dark_rate{end}" if what is None else f"master_dark_{what:g}s{end}"
    return f"master_flat_{make_slug(what)}{end}"


def _start(frame: Frame) -> datetime:
    assert frame.start, "a usable frame has a start"
    return datetime.fromisoformat(frame.start)


@dataclass
class _Builder:
    """Plans the masters of each kind; ``lit`` are nights, setups and filters of lights."""

    plan: Plan
    settings: dict[str, Any]
    judge: Callable[[Certificate], str]
    lit: set[tuple[str, str, str | None]]

    def plan_masters(self, kind: str, groups: list[Group], calibrate: Callable[[Master], Miss | None]) -> Shelf:
        """Return the masters that can be made; ``calibrate`` gives each the masters it needs or says what it lacks."""
        masters: list[Master] = []
        refused = []
        for key, frames in groups:
            master = _new_master(kind, key, frames)
            master.sources = _find_sources(frames[0], self.plan, self.settings)
            miss = _miss_frames(master, self.settings[kind]["combine"])
            try:
                miss = miss or calibrate(master) or self._certify(master, masters)
            except Breach as breach:
                miss = _miss_contract(master.night, master.setup, f"its frames' calibration {breach}")
            if miss:
                refused.append(master)
                self.plan.refused.append(Refusal(master, miss))
            else:
                masters.append(master)
        return Shelf(kind, self.settings[kind], masters, refused)

    def _certify(self, master: Master, earlier: list[Master]) -> Miss | None:
        """Plan the master's certification; return that it failed, if that is known already."""
        if not self.settings["certification"]["use"]:
            return None
        certificate = Certificate(master, self._find_previous(master, earlier))
        why = self.judge(certificate)
        if why:
            self.plan.failed.append(master)
            where = f"(night {master.night}, setup {master.setup})"
            return Miss(master.kind, "that passes certification", where, why, "certification.failed: warn uses it")
        self.plan.certificates[master.path] = certificate
        return None

    def _find_previous(self, master: Master, earlier: list[Master]) -> Master | None:
        """Return the flat of the last night before that has lights of the same setup and filter."""
        if master.kind != "flat":
            return None
        alike = [
            other
            for other in earlier
            if (other.setup, other.filter) == (master.setup, master.filter)
            and other.night < master.night
            and (other.night, other.setup, other.filter) in self.lit
        ]
        return max(alike, key=lambda other: other.night, default=None)


def _miss_frames(master: Master, combine: dict[str, Any]) -> Miss | None:
    """Return what is missing where minmax would drop every frame."""
    dropped, number = combine["low"] + combine["high"], len(master.frames)
    if combine["reject"] != "minmax" or dropped < number:
        return None
    there, remedy = f"{number} of them, and minmax drops {dropped}", f"{master.kind}.combine.low and high can be less"
    return Miss(master.kind, "frames enough", f"(night {master.night}, setup {master.setup})", there, remedy)


def _calibrate_bias(master: Master) -> None:
    master.contents = _hold_raw(master.frames[0], dark=False)


def _calibrate_dark(master: Master, biases: Shelf, settings: dict[str, Any]) -> Miss | None:
    """Free a dark of its bias where that is wanted; one whose bias is missing is refused."""
    master.holds_bias = not (settings["bias"]["use"] and settings["dark"]["subtract_bias"])
    master.contents = _hold_raw(master.frames[0])
    if not master.holds_bias:
        bias = biases.find(Wanted(master.night, master.setup, master.time, temperature=master.temperature))
        if isinstance(bias, Miss):
            return bias
        master.bias = bias.master
        linear = bool(settings["detector"]["linearity"])
        master.contents = replace(subtract_bias(master.contents, bias.master.contents), linear=linear)
    if master.per_second:
        master.contents = replace(master.contents, unit="adu/s")
    return None


def _calibrate_flat(master: Master, biases: Shelf, darks: Shelf, settings: dict[str, Any]) -> Miss | None:
    """Give each flat frame what takes its bias and dark off; a flat that would keep its bias is refused."""
    if settings["dark"]["use"] and settings["flat"]["subtract_dark"]:
        for frame in master.frames:
            dark = darks.find(_wanted(frame, exposure=frame.exposure))
            if isinstance(dark, Miss):
                return replace(dark, remedy=f"{dark.remedy}; flat.subtract_dark: false takes the bias alone off flats")
            master.darks.append(dark)
    if settings["bias"]["use"] and not any(match.master.holds_bias for match in master.darks):
        bias = biases.find(Wanted(master.night, master.setup, master.time, temperature=master.temperature))
        if isinstance(bias, Miss):
            return bias
        master.bias = bias.master
    for number, frame in enumerate(master.frames):
        used = master.darks[number] if master.darks else None
        master.contents = _calibrate_contents(frame, master.bias, used, settings)
    if master.contents.bias and not master.contents.overscan:
        return _miss_bias_removal(master.night, master.setup)
    master.contents = replace(master.contents, unit="relative")
    return None


def _hold_raw(frame: Frame, dark: bool = True) -> Contents:
    return Contents(dark=dark, overscan=bool(frame.overscan))


def _calibrate_contents(frame: Frame, bias: Master | None, dark: Match | None, settings: dict[str, Any]) -> Contents:
    """Return what a frame holds less its bias and dark.

    Raises
    ------
    Breach
        If one does not fit the other; matching gives no such pair.
    """
    contents = _hold_raw(frame)
    if bias:
        contents = subtract_bias(contents, bias.contents)
        contents = replace(contents, linear=bool(settings["detector"]["linearity"]))
    if dark:
        contents = subtract_dark(contents, dark.master.contents, dark.scale, frame.exposure)
    return contents


def _plan_light(light: Light, biases: Shelf, darks: Shelf, flats: Shelf, settings: dict[str, Any]) -> Light:
    frame = light.frame
    found: dict[str, Match | Miss] = {}
    if settings["dark"]["use"]:
        found["dark"] = darks.find(_wanted(frame, exposure=frame.exposure))
    dark = found.get("dark")
    # a dark that still holds its bias takes the light's bias off with it; subtracting a bias too would count it twice
    if settings["bias"]["use"] and not (isinstance(dark, Match) and dark.master.holds_bias):
        found["bias"] = biases.find(_wanted(frame))
    if settings["flat"]["use"]:
        found["flat"] = flats.find(_wanted(frame, filter=frame.filter))
    light.misses = [result for result in found.values() if isinstance(result, Miss)]
    light.misses += _miss_for_cosmic_rays(light, settings["lights"]["cosmic_rays"])
    if not light.misses:
        light.bias, light.dark, light.flat = (_as_match(found.get(kind)) for kind in ("bias", "dark", "flat"))
        light.misses = _keep_contract(light, settings)
    return light


def _keep_contract(light: Light, settings: dict[str, Any]) -> list[Miss]:
    """Find what a light holds once it is calibrated; return what does not fit."""
    frame = light.frame
    try:
        contents = _calibrate_contents(frame, light.bias.master if light.bias else None, light.dark, settings)
        if contents.bias and not contents.overscan:
            return [_miss_bias_removal(frame.night, frame.setup)]
        if light.flat:
            contents = divide_flat(contents, light.flat.master.contents)
    except Breach as breach:
        return [_miss_contract(frame.night, frame.setup, f"the light {breach}")]
    in_electrons = settings["lights"]["unit"] == "electron" and light.sources["gain"].is_known
    light.contents = replace(contents, unit="electron" if in_electrons else "adu")
    return []


def _miss_contract(night: str, setup: str, breach: str) -> Miss:
    return Miss("calibration", "that fits", f"(night {night}, setup {setup})", breach, "plan.txt says what each holds")


def _miss_bias_removal(night: str, setup: str) -> Miss:
    there, remedy = "nothing takes its bias off", "bias.use: true, whole darks or an overscan would"
    return Miss("bias", "", f"(night {night}, setup {setup})", there, remedy)


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


def _wanted(frame: Frame, exposure: float | None = None, filter: str | None = None) -> Wanted:
    return Wanted(frame.night, frame.setup, _start(frame), exposure, filter, frame.temperature)


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
