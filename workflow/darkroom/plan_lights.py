"""The plan of the lights: the name of each, the masters it gets, or what it lacks. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from darkroom.contracts import Breach, Contents, divide_flat
from darkroom.folders import find_stem
from darkroom.frames import Frame
from darkroom.matching import Match, Shelf, canonical_exposure
from darkroom.measurements import Source
from darkroom.misses import Miss
from darkroom.plan_masters import calibrate_contents, miss_bias_removal, miss_contract, want
from darkroom.plan_stacks import PlateSolution
from darkroom.setups import make_slug, tell_apart


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
    solution: PlateSolution | None = None
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


def plan_light(
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


def name_lights(frames: list[Frame]) -> list[tuple[Frame, str]]:
    """Return each light's product below results; two of one name in one folder are told apart by their raw folders."""
    in_order = sorted(frames, key=lambda frame: (frame.start, frame.name))
    keys = [(frame.night, frame.setup, frame.name) for frame in in_order]
    stems = [f"{frame.night}/{frame.setup}/lights/{make_slug(find_stem(frame.name))}" for frame in in_order]
    names = tell_apart(dict(zip(keys, stems, strict=True)))
    return [(frame, f"{names[key]}.fits") for frame, key in zip(in_order, keys, strict=True)]
