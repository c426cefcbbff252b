"""Planning the masters: which frames make one, what takes their bias and dark off, whether it may be used. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from darkroom.certificates import CHANGED, Certificate, plan_certificate
from darkroom.contracts import Breach, Contents, subtract_bias, subtract_dark
from darkroom.frames import Frame
from darkroom.matching import Master, Match, Shelf, Wanted, canonical_exposure
from darkroom.measurements import Measurements, Source
from darkroom.misses import Miss
from darkroom.setups import make_slug, tell_apart
from darkroom.temperatures import mean_temperature, name_temperatures, split_by_temperature


@dataclass(frozen=True)
class Refusal:
    """A master that is not made or, having ``failed``, not used, although there are frames for it; and why."""

    master: Master
    miss: Miss
    failed: bool = False

    def __str__(self) -> str:
        which = f"{self.master.label} of {self.master.night}"
        if self.failed:
            return f"{which} failed its certification: {self.miss.there}; {self.miss.remedy}"
        return f"{which} cannot be made: {self.miss}"


PASSES = "that passes certification"
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


def _name_masters(kind: str, groups: list[Group]) -> dict[tuple[Any, ...], str]:
    """Return the product of each group below results."""
    paths = {key: f"{key[0]}/{key[1]}/{_name_master(kind, *key[2:])}" for key, _ in groups}
    return {key: f"{name}.fits" for key, name in tell_apart(paths).items()}


def _new_master(kind: str, key: tuple[Any, ...], path: str, frames: list[Frame]) -> Master:
    night, setup, what, group = key  # what: the exposure of darks (None for a rate), the filter of flats
    starts = [_start(frame) for frame in frames]
    time = starts[0] + sum((start - starts[0] for start in starts), start=timedelta(0)) / len(starts)
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
class MasterPlanner:
    """Plans the masters of each kind, and keeps what was refused, what failed and what is to be certified.

    ``judge`` tells why a master is not to be used, if it failed its certification; ``lit`` are nights, setups and
    filters of lights. ``certificates`` are those of masters that can be used, ``judged`` of all.
    """

    settings: dict[str, Any]
    measurements: Measurements
    judge: Callable[[Certificate], str]
    lit: set[tuple[str, str, str | None]]
    refused: list[Refusal] = field(default_factory=list)
    failed: list[Master] = field(default_factory=list)
    changed: list[Master] = field(default_factory=list)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    judged: dict[str, Certificate] = field(default_factory=dict)

    def plan_all(self, frames: list[Frame]) -> tuple[Shelf, Shelf, Shelf]:
        """Return the biases, darks and flats that can be made of the frames."""
        settings, groups = self.settings, _group_calibrations(frames, self.settings)
        biases = self._plan_kind("bias", groups["bias"], lambda bias: _calibrate_bias(bias))
        darks = self._plan_kind("dark", groups["dark"], lambda dark: _calibrate_dark(dark, biases, settings))
        flats = self._plan_kind("flat", groups["flat"], lambda flat: _calibrate_flat(flat, biases, darks, settings))
        return biases, darks, flats

    def _plan_kind(self, kind: str, groups: list[Group], calibrate: Callable[[Master], Miss | None]) -> Shelf:
        """Return the masters that can be made; ``calibrate`` gives each the masters it needs or says what it lacks."""
        masters: list[Master] = []
        refused = []
        paths = _name_masters(kind, groups)
        for key, frames in groups:
            master = _new_master(kind, key, paths[key], frames)
            master.sources = find_sources(frames[0], self.measurements, self.settings)
            if kind == "bias" and master.sources["read_noise"].is_in_adu:
                master.sources["gain"] = Source("not needed")  # another one is no reason to make a bias anew
            miss = _miss_frames(master, self.settings[kind]["combine"])
            try:
                miss = miss or calibrate(master) or self._certify(master, masters)
            except Breach as breach:
                miss = miss_contract(master.night, master.setup, f"its frames' calibration {breach}")
            if miss:
                refused.append(master)
                self.refused.append(Refusal(master, miss, failed=miss.what == PASSES))
            else:
                masters.append(master)
        return Shelf(kind, self.settings[kind], masters, refused)

    def _certify(self, master: Master, earlier: list[Master]) -> Miss | None:
        """Plan the master's certification; return that it failed, or cannot be made, if that is known already."""
        certificate = plan_certificate(master, earlier, self.changed, self.lit, self.measurements)
        self.judged[master.path] = certificate
        why = self.judge(certificate)
        if why:
            self.failed.append(master)
            if certificate.verdict and any(line.startswith(CHANGED) for line in certificate.verdict.failures):
                self.changed.append(master)
            where = f"(night {master.night}, setup {master.setup})"
            if certificate.verdict and not certificate.verdict.is_made:
                return Miss(master.kind, "frame that is good", where, why, "see flat.min_counts and flat.max_counts")
            return Miss(master.kind, PASSES, where, why, "certification.failed: warn uses it")
        if self.settings["certification"]["use"]:
            self.certificates[master.path] = certificate
        return None


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
        master.bias = bias
        linear = bool(settings["detector"]["linearity"])
        master.contents = replace(subtract_bias(master.contents, bias.master.contents), linear=linear)
    if master.per_second:
        master.contents = replace(master.contents, unit="adu/s")
    return None


def _calibrate_flat(master: Master, biases: Shelf, darks: Shelf, settings: dict[str, Any]) -> Miss | None:
    """Give each flat frame what takes its bias and dark off; a flat that would keep its bias is refused."""
    if settings["dark"]["use"] and settings["flat"]["subtract_dark"]:
        for frame in master.frames:
            dark = darks.find(want(frame, exposure=frame.exposure))
            if isinstance(dark, Miss):
                return replace(dark, remedy=f"{dark.remedy}; flat.subtract_dark: false takes the bias alone off flats")
            master.darks.append(dark)
    if settings["bias"]["use"] and not any(match.master.holds_bias for match in master.darks):
        bias = biases.find(Wanted(master.night, master.setup, master.time, temperature=master.temperature))
        if isinstance(bias, Miss):
            return bias
        master.bias = bias
    for number, frame in enumerate(master.frames):
        used = master.darks[number] if master.darks else None
        master.contents = calibrate_contents(frame, master.bias, used, settings)
    if master.contents.bias and not master.contents.overscan:
        return miss_bias_removal(master.night, master.setup)
    master.contents = replace(master.contents, unit="relative")
    return None


def _hold_raw(frame: Frame, dark: bool = True) -> Contents:
    return Contents(dark=dark, overscan=bool(frame.overscan))


def calibrate_contents(frame: Frame, bias: Match | None, dark: Match | None, settings: dict[str, Any]) -> Contents:
    """Return what a frame holds less its bias and dark.

    Raises
    ------
    Breach
        If one does not fit the other; matching gives no such pair.
    """
    contents = _hold_raw(frame)
    if bias:
        contents = subtract_bias(contents, bias.master.contents)
        contents = replace(contents, linear=bool(settings["detector"]["linearity"]))
    if dark:
        contents = subtract_dark(contents, dark.master.contents, dark.scale, frame.exposure)
    return contents


def miss_contract(night: str, setup: str, breach: str) -> Miss:
    """Return that a frame's masters do not fit each other or the frame."""
    return Miss("calibration", "that fits", f"(night {night}, setup {setup})", breach, "plan.txt says what each holds")


def miss_bias_removal(night: str, setup: str) -> Miss:
    """Return that a frame would keep its bias."""
    there, remedy = "nothing takes its bias off", "bias.use: true, whole darks or an overscan would"
    return Miss("bias", "", f"(night {night}, setup {setup})", there, remedy)


def want(frame: Frame, exposure: float | None = None, filter: str | None = None) -> Wanted:
    """Return what a frame asks for."""
    return Wanted(frame.night, frame.setup, _start(frame), exposure, filter, frame.temperature)


def find_sources(frame: Frame, measurements: Measurements, settings: dict[str, Any]) -> dict[str, Source]:
    """Return where the gain and the read noise of a frame, and of what is made of such, come from."""
    detector = settings["detector"]
    return {key: measurements.choose(key, frame, detector) for key in ("gain", "read_noise")}
