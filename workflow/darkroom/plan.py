"""The plan: from frames and settings to the masters and lights that can be made, and what cannot and why. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from darkroom.frames import Frame
from darkroom.matching import Master, Match, Miss, Shelf, Wanted, canonical_exposure
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


@dataclass(frozen=True)
class Refusal:
    """A master that cannot be made although there are frames for it, and what it lacks."""

    master: Master
    miss: Miss


@dataclass
class Plan:
    """What will be made of the frames: every master that can be made, every light, and what was refused."""

    frames: list[Frame]
    masters: list[Master] = field(default_factory=list)
    lights: list[Light] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
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


def make_plan(frames: list[Frame], settings: dict[str, Any]) -> Plan:
    """Match every light with its masters, and every master with the masters it needs itself."""
    plan = Plan(frames)
    usable = [frame for frame in frames if not frame.problem]
    groups = _group_calibrations(usable, settings)
    biases = _plan_masters("bias", groups["bias"], settings, plan)
    darks = _plan_masters("dark", groups["dark"], settings, plan, lambda dark: _calibrate_dark(dark, biases, settings))
    flats = _plan_masters(
        "flat", groups["flat"], settings, plan, lambda flat: _calibrate_flat(flat, biases, darks, settings)
    )
    plan.masters = [*biases.masters, *darks.masters, *flats.masters]
    paths = _name_lights([frame for frame in usable if frame.kind == "light"])
    for frame, path in paths:
        plan.lights.append(_plan_light(Light(frame, path), biases, darks, flats, settings))
    return plan


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


def _plan_masters(
    kind: str,
    groups: list[Group],
    settings: dict[str, Any],
    plan: Plan,
    calibrate: Callable[[Master], Miss | None] = lambda master: None,
) -> Shelf:
    """Return the masters that can be made; ``calibrate`` gives each the masters it needs or says what it lacks."""
    masters, refused = [], []
    for key, frames in groups:
        master = _new_master(kind, key, frames)
        miss = _miss_frames(master, settings[kind]["combine"]) or calibrate(master)
        if miss:
            refused.append(master)
            plan.refused.append(Refusal(master, miss))
        else:
            masters.append(master)
    return Shelf(kind, settings[kind], masters, refused)


def _miss_frames(master: Master, combine: dict[str, Any]) -> Miss | None:
    """Return what is missing where minmax would drop every frame."""
    dropped, number = combine["low"] + combine["high"], len(master.frames)
    if combine["reject"] != "minmax" or dropped < number:
        return None
    there, remedy = f"{number} of them, and minmax drops {dropped}", f"{master.kind}.combine.low and high can be less"
    return Miss(master.kind, "frames enough", f"(night {master.night}, setup {master.setup})", there, remedy)


def _calibrate_dark(master: Master, biases: Shelf, settings: dict[str, Any]) -> Miss | None:
    """Free a dark of its bias where that is wanted; one whose bias is missing is refused."""
    master.holds_bias = not (settings["bias"]["use"] and settings["dark"]["subtract_bias"])
    if not master.holds_bias:
        bias = biases.find(Wanted(master.night, master.setup, master.time, temperature=master.temperature))
        if isinstance(bias, Miss):
            return bias
        master.bias = bias.master
    return None


def _calibrate_flat(master: Master, biases: Shelf, darks: Shelf, settings: dict[str, Any]) -> Miss | None:
    """Give each flat frame what takes its bias and dark off; a flat that would keep its bias is refused."""
    if settings["dark"]["use"] and settings["flat"]["subtract_dark"]:
        for frame in master.frames:
            dark = darks.find(_wanted(frame, exposure=frame.exposure))
            if isinstance(dark, Miss):
                return replace(dark, remedy=f"{dark.remedy}; flat.subtract_dark: false takes the bias alone off flats")
            master.darks.append(dark)
    whole = [match.master.holds_bias for match in master.darks]
    if not any(whole):
        if settings["bias"]["use"]:
            bias = biases.find(Wanted(master.night, master.setup, master.time, temperature=master.temperature))
            if isinstance(bias, Miss):
                return bias
            master.bias = bias.master
        elif not master.frames[0].overscan:
            return _miss_bias_removal(master.night, master.setup)
    return None


def _plan_light(light: Light, biases: Shelf, darks: Shelf, flats: Shelf, settings: dict[str, Any]) -> Light:
    frame = light.frame
    found: dict[str, Match | Miss] = {}
    if settings["dark"]["use"]:
        found["dark"] = darks.find(_wanted(frame, exposure=frame.exposure))
    dark = found.get("dark")
    # a dark that still holds its bias takes the light's bias off with it; subtracting a bias too would count it twice
    if settings["bias"]["use"] and not (isinstance(dark, Match) and dark.master.holds_bias):
        found["bias"] = biases.find(_wanted(frame))
    elif not settings["dark"]["use"] and not frame.overscan:
        found["bias"] = _miss_bias_removal(frame.night, frame.setup)
    if settings["flat"]["use"]:
        found["flat"] = flats.find(_wanted(frame, filter=frame.filter))
    light.misses = [result for result in found.values() if isinstance(result, Miss)]
    light.misses += _miss_for_cosmic_rays(frame, settings["lights"]["cosmic_rays"])
    if not light.misses:
        light.bias, light.dark, light.flat = (_as_match(found.get(kind)) for kind in ("bias", "dark", "flat"))
    return light


def _miss_bias_removal(night: str, setup: str) -> Miss:
    there, remedy = "nothing takes its bias off", "bias.use: true, whole darks or an overscan would"
    return Miss("bias", "", f"(night {night}, setup {setup})", there, remedy)


def _miss_for_cosmic_rays(frame: Frame, rays: dict[str, Any]) -> list[Miss]:
    """Return what L.A.Cosmic needs to know of a camera and neither header nor settings say."""
    lacking = [key for key in ("gain", "read_noise") if rays["use"] and not (rays[key] or getattr(frame, key))]
    where = f"(night {frame.night}, setup {frame.setup})"
    return [
        Miss(key, "for cosmic rays", where, "its header has none", f"lights.cosmic_rays.{key} gives it")
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
