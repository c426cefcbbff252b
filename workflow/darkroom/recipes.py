"""Recipes: all that a product depends on, by content; a product is stale when its recipe is not the one stamped in it.

A recipe holds digests of the raw frames and of the masters' recipes, the settings that matter, a fingerprint of the
code and the versions of the libraries that make the numbers; never a path of this machine or a time of day.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from typing import Any

from darkroom.fingerprints import fingerprint_script
from darkroom.frames import Frame
from darkroom.matching import Master, Match
from darkroom.plan import Light, Plan
from darkroom.stamps import digest_recipe

SCRIPTS = {
    "bias": "make_master_bias.py",
    "dark": "make_master_dark.py",
    "flat": "make_master_flat.py",
    "light": "calibrate_lights.py",
}
LIBRARIES = ("astropy", "ccdproc", "numpy")


def write_recipes(plan: Plan, settings: dict[str, Any]) -> None:
    """Give every master and light of the plan its recipe and digest; masters first, since others build on theirs."""
    for kind in ("bias", "dark", "flat"):
        for master in plan.masters:
            if master.kind == kind:
                master.recipe = _describe_master(master, settings)
                master.digest = digest_recipe(master.recipe)
    for light in plan.made:
        light.recipe = _describe_light(light, settings)
        light.digest = digest_recipe(light.recipe)


def compare_recipes(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """Yield what differs between two recipes, as ``settings.combine.sigma: 5.0 -> 4.0``; some of it more than once."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if key == "digest" and _name(old) == _name(new):
                if old[key] != new[key]:
                    yield f"{where}: {_name(new)} has changed"
            elif key != "digest":
                yield from compare_recipes(old.get(key), new.get(key), f"{where}.{key}" if where else key)
    elif isinstance(old, list) and isinstance(new, list):
        names_old, names_new = ({_name(item): item for item in items} for items in (old, new))
        for name in [name for name in names_old if name not in names_new]:
            yield f"{where}: {name} is gone"
        for name in [name for name in names_new if name not in names_old]:
            yield f"{where}: {name} is new"
        for name in [name for name in names_old if name in names_new]:
            yield from compare_recipes(names_old[name], names_new[name], where)
    elif old != new and where.startswith("code."):
        yield f"{where}: {'is new' if old is None else 'is gone' if new is None else 'has changed'}"
    elif old != new:
        yield f"{where}: {_short(old)} -> {_short(new)}"


def _describe_master(master: Master, settings: dict[str, Any]) -> dict[str, Any]:
    rules = settings[master.kind]
    chosen = {"combine": _combine_settings(rules["combine"])}
    if master.kind == "flat":
        chosen |= {key: rules[key] for key in ("scale", "normalise", "min_counts", "max_counts")}
    frames = [_describe_frame(frame) for frame in master.frames]
    for entry, dark in zip(frames, master.darks, strict=False):
        entry["dark"] = _describe_match(dark)
    return {
        "product": master.path,
        "kind": master.kind,
        "night": master.night,
        "setup": master.setup,
        "exposure": master.exposure,
        "filter": master.filter,
        "per_second": master.per_second,
        "holds_bias": master.holds_bias,
        "saturation": master.frames[0].saturation if master.kind == "flat" else None,
        "frames": frames,
        "bias": {"path": master.bias.path, "digest": master.bias.digest} if master.bias else None,
        "settings": chosen | {"overscan": _overscan_settings(master.frames[0], settings)},
        **_describe_tools(master.kind, master.frames[0], settings),
    }


def _describe_light(light: Light, settings: dict[str, Any]) -> dict[str, Any]:
    frame = light.frame
    rays = dict(settings["lights"]["cosmic_rays"])
    if rays["use"]:
        rays |= {key: rays[key] or getattr(frame, key) for key in ("gain", "read_noise", "saturation")}
    return {
        "product": light.path,
        "kind": "light",
        "night": frame.night,
        "setup": frame.setup,
        "frames": [_describe_frame(frame)],
        "bias": _describe_match(light.bias),
        "dark": _describe_match(light.dark),
        "flat": _describe_match(light.flat),
        "settings": {
            "overscan": _overscan_settings(frame, settings),
            "flat_minimum": settings["flat"]["minimum"] if light.flat else None,
            "cosmic_rays": rays if rays["use"] else None,
        },
        **_describe_tools("light", frame, settings),
    }


def _describe_frame(frame: Frame) -> dict[str, Any]:
    """Return what a product depends on of a raw frame; the name without its folder, which may move."""
    name = frame.name.rsplit("/", 1)[-1]
    return {"name": name, "digest": frame.digest, "start": frame.start, "exposure": frame.exposure}


def _describe_match(match: Match | None) -> dict[str, Any] | None:
    if match is None:
        return None
    return {"path": match.master.path, "digest": match.master.digest, "scale": match.scale}


def _combine_settings(combine: dict[str, Any]) -> dict[str, Any]:
    """Return only the settings that the chosen way of combining looks at."""
    used = {"sigma": ("sigma",), "minmax": ("low", "high"), "none": ()}[combine["reject"]]
    return {key: combine[key] for key in ("method", "reject", *used)}


def _overscan_settings(frame: Frame, settings: dict[str, Any]) -> dict[str, Any] | None:
    if not frame.overscan and not frame.trim:
        return None
    chosen: dict[str, Any] = {"section": frame.overscan, "trim": frame.trim}
    if frame.overscan:
        used = ("method",) if settings["overscan"]["method"] in ("median", "mean") else ("method", "order", "sigma")
        chosen |= {key: settings["overscan"][key] for key in used}
    return chosen


def _describe_tools(kind: str, frame: Frame, settings: dict[str, Any]) -> dict[str, Any]:
    libraries = list(LIBRARIES)
    if kind == "light" and settings["lights"]["cosmic_rays"]["use"]:
        libraries.append("astroscrappy")
    if frame.overscan and settings["overscan"]["method"] == "spline":
        libraries.append("scipy")
    return {"code": fingerprint_script(SCRIPTS[kind]), "versions": _versions(tuple(libraries))}


@cache
def _versions(libraries: tuple[str, ...]) -> dict[str, str]:
    return {library: version(library) for library in libraries}


def _name(item: Any) -> str:
    """Return what a frame or a master of a recipe is called."""
    return str(item.get("name") or item.get("path")) if isinstance(item, dict) else str(item)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
