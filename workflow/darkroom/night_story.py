"""The story of a night: what its page tells that is known while planning, as plain values, for the page's recipe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from darkroom.frames import Frame
from darkroom.matching import Master
from darkroom.measurements import Measurement
from darkroom.plan_lights import Light
from darkroom.plan_previews import NightPage, name_preview
from darkroom.plan_stacks import Stack
from darkroom.plan_text import list_notes, list_problems
from darkroom.setups import describe_setups
from darkroom.texts import make_printable

if TYPE_CHECKING:
    from darkroom.plan import Plan

MOST_NAMED = 3  # frames in a line


def tell_night(page: NightPage, plan: Plan, settings: dict[str, Any]) -> dict[str, Any]:
    """Return all of a page but what its products tell: lights, masters, raw frames, problems with their remedies.

    Nothing of what earlier runs found out plays a part, but for masters that failed: else a page would be out of date
    as soon as it is made.
    """
    own = replace(
        plan,
        frames=page.frames,
        lights=page.lights,
        refused=[one for one in plan.refused if one.master.night == page.night],
        remarks=[],
        nights=set(),
    )
    shown = {preview.path for preview in page.previews}
    used = {id(match.master) for light in page.lights for match in light.matches}
    masters = [_tell_master(master, plan, shown, id(master) in used) for master in page.masters]
    return {
        "night": page.night,
        "lights": [_tell_light(light, shown) for light in page.lights],
        "masters": masters + [_tell_master(master, plan, shown, False) for master in page.failed],
        "raws": [_tell_frame(frame) for frame in page.frames],
        "stacks": [_tell_stack(stack, shown) for stack in page.stacks],
        "pairs": [{"path": pair.path, "digest": pair.digest} for pair in page.pairs],
        "problems": [_split(line) for line in list_problems(own, MOST_NAMED)],
        "notes": [line for line in list_notes(own, MOST_NAMED)],
        "setups": describe_setups(frame for frame in page.frames if not frame.problem),
        "settings": _select(settings),
    }


def describe_measurements(measurements: Iterable[Measurement], settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return of each measurement what `darkroom.detector_table.compare_detectors` asks for."""
    described = []
    for one in measurements:
        if one.quantity == "gain":
            told = {frame.gain for _, frame in one.frames}
        else:
            told = {frame.read_noise for _, frame in one.frames}
        described.append(
            {
                "night": one.night,
                "setup": one.setup,
                "quantity": one.quantity,
                "path": one.path,
                "digest": one.digest,
                "header": told.pop() if len(told) == 1 else None,
                "config": settings["detector"][one.quantity],
                "gain": settings["detector"]["gain"] or one.frames[0][1].gain,
            }
        )
    return described


def _tell_light(light: Light, shown: set[str]) -> dict[str, Any]:
    frame = light.frame
    told: dict[str, Any] = {
        "path": "" if light.misses else light.path,
        "digest": light.digest,
        "raw": make_printable(frame.name),
        "setup": frame.setup,
        "object": make_printable(frame.object or ""),
        "filter": make_printable(frame.filter or ""),
        "exposure": frame.exposure,
        "start": frame.start or "",
        "temperature": frame.temperature,
        "masters": {match.master.kind: match.master.path for match in light.matches},
        "missing": [_split(str(replace(miss, where=""))) for miss in light.misses],
        "notes": "; ".join(filter(None, [frame.notes, *(match.warning for match in light.matches)])),
    }
    preview = name_preview(light.path)
    return told | ({"preview": preview} if preview in shown else {})


def _tell_master(master: Master, plan: Plan, shown: set[str], used: bool) -> dict[str, Any]:
    certificate = plan.certificates.get(master.path) or plan.judged.get(master.path)
    told: dict[str, Any] = {
        "path": master.path,
        "digest": master.digest,
        "kind": master.kind,
        "night": master.night,
        "setup": master.setup,
        "filter": make_printable(master.filter or ""),
        "exposure": master.exposure,
        "frames": [make_printable(frame.name) for frame in master.frames],
        "masters": sorted({match.master.path for match in master.matches}),
        "unit": master.contents.unit,
        "used": used,
        "certificate": {"path": certificate.path, "digest": certificate.digest} if certificate else None,
    }
    preview = name_preview(master.path)
    return told | ({"preview": preview} if preview in shown else {})


def _tell_stack(stack: Stack, shown: set[str]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "path": stack.path,
        "digest": stack.digest,
        "setup": stack.setup,
        "object": make_printable(stack.frame.object or ""),
        "filter": make_printable(stack.frame.filter or ""),
        "exposure": stack.exposure,
        "lights": [light.path for light in stack.lights],
    }
    preview = name_preview(stack.path)
    return told | ({"preview": preview} if preview in shown else {})


def _tell_frame(frame: Frame) -> dict[str, Any]:
    return {
        "name": make_printable(frame.name),
        "digest": frame.digest,
        "kind": frame.kind,
        "setup": frame.setup,
        "filter": make_printable(frame.filter or ""),
        "start": frame.start or "",
        "exposure": frame.exposure,
        "temperature": frame.temperature,
        "level": frame.pixels.get("level"),
        "problem": make_printable(frame.problem),
        "notes": make_printable(frame.notes),
    }


def _select(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings by which the night was made; not where this machine has its folders, nor what draws."""
    hidden = ("raw", "results", "nights", "lights_per_job", "cluster", "previews", "report")
    chosen = {key: value for key, value in settings.items() if key not in hidden}
    found_here = ("indexes", "catalogue", "tools")  # what the plan found to solve with is none of the settings
    return chosen | {"solve": {key: value for key, value in settings["solve"].items() if key not in found_here}}


def _split(line: str) -> dict[str, str]:
    """Return what is wrong and what helps; a semicolon parts the two in all that the plan says."""
    what, _, remedy = line.partition("; ")
    return {"what": what, "remedy": remedy}
