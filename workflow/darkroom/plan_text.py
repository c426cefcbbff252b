"""The plan in words: each light's masters and why, what would help a light that lacks one, why a product is stale."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from darkroom.certificates import Certificate
from darkroom.matching import Master, Match
from darkroom.measurements import Source
from darkroom.misses import Miss
from darkroom.night_choice import name_nights
from darkroom.plan import Plan
from darkroom.plan_lights import Light
from darkroom.plan_nights import list_shown_frames
from darkroom.plan_stacks import Stack
from darkroom.plan_table import list_matches
from darkroom.setups import describe_setups
from darkroom.texts import make_printable

MOST_NAMED = 3
Item = TypeVar("Item")


def describe_plan(plan: Plan, reasons: dict[str, str]) -> str:
    """Return the plan as text: masters, lights, what is left out, what would be made and why.

    ``reasons`` maps each product to why it is stale, empty where it is not.
    """
    setups = describe_setups(frame for frame in list_shown_frames(plan) if not frame.problem)
    lines = [_count(plan), "", "SETUPS", *(f"  {line}" for line in setups), "", "MASTERS"]
    used = {master.path for master in plan.used_masters}
    for folder, masters in _by_folder(plan.masters, lambda master: f"{master.night}/{master.setup}"):
        lines.append(folder)
        for master in masters:
            why = "" if master.path in used else " (no light needs it)"
            if master.path in plan.aside:
                why = " (only for comparison with a chosen night's flats)"
            lines += _describe_master(master, why, plan.certificates.get(master.path))
    lines += ["", "LIGHTS"]
    for folder, lights in _by_folder(plan.lights, lambda light: f"{light.frame.night}/{light.frame.setup}"):
        lines.append(folder)
        # most lights of a night get the same masters, of which there is the same to say
        told: dict[tuple[Any, ...], list[str]] = {}
        for light in lights:
            alike = id(light.bias), id(light.dark), id(light.flat), id(light.sources), light.contents, *light.misses
            if alike not in told:
                told[alike] = list(_describe_making(light))
            lines += [_name_light(light), *told[alike]]
    if plan.stacks or plan.alone:
        lines += ["", "STACKS"]
        stacks: list[Stack | Light] = [*plan.stacks, *plan.alone]
        for folder, members in _by_folder(stacks, lambda one: f"{one.frame.night}/{one.frame.setup}"):
            lines += [folder, *map(_describe_stack, members)]
    for title, said in (("LEFT OUT", list_problems(plan, most=10**9)), ("NOTES", list_notes(plan, most=10**9))):
        if said:
            lines += ["", title] + [f"  {line}" for line in said]
    stale = {path: reason for path, reason in reasons.items() if reason}
    lines += ["", "TO BE MADE" if stale else "TO BE MADE: nothing, all that can be made is up to date"]
    lines += [f"  {path}: {reason}" for path, reason in sorted(stale.items())]
    return "\n".join(lines) + "\n"


def list_problems(plan: Plan, most: int = MOST_NAMED) -> list[str]:
    """Return a line for each reason for which frames, masters or lights are left out, naming up to ``most`` of each."""
    lines = _name_frames({frame.name: frame.problem for frame in list_shown_frames(plan)}, most)
    lines += [str(refusal) for refusal in plan.refused if not refusal.miss.derived]
    return lines + list(_list_skipped(plan, most))


def list_notes(plan: Plan, most: int = MOST_NAMED) -> list[str]:
    """Return a line for each thing that an observer should know of frames that take part, and of the whole."""
    notes = {frame.name: frame.notes for frame in list_shown_frames(plan) if not frame.problem}
    unknown = {light.frame.name: _say_unknown(light) for light in plan.made}
    groups = (notes, *_find_doubts(plan), unknown, _find_idle(plan))
    lines = [line for reasons in groups for line in _name_frames(reasons, most)]
    return lines + plan.remarks


def _find_doubts(plan: Plan) -> list[dict[str, str]]:
    """Return by the kind of a master what could not be checked of it, for each frame that gets one."""
    used = [(master.frames, master.matches) for master in plan.used_masters]
    used += [([light.frame], light.matches) for light in plan.made]
    doubts: dict[str, dict[str, str]] = defaultdict(dict)
    for frames, matches in used:
        for match in matches:
            if match.warning:
                doubts[match.master.kind] |= {frame.name: match.warning for frame in frames}
    return list(doubts.values())


def _say_unknown(light: Light) -> str:
    """Return that a light gets no error bars, where nothing tells the gain or the read noise."""
    lacking = [quantity for quantity, source in light.sources.items() if not source.is_known]
    if not lacking:
        return ""
    what = " and ".join(quantity.replace("_", " ") for quantity in lacking)
    keys = " and ".join(f"detector.{quantity}" for quantity in lacking)
    return f"no error bars: neither header nor frames tell the {what}; {keys} would"


def _find_idle(plan: Plan) -> dict[str, str]:
    """Return the calibration frames of setups that no light has, often of another shape or binning by mistake."""
    lit = {frame.setup for frame in plan.frames if frame.kind == "light" and not frame.problem}
    return {
        frame.name: f"no light is of their setup {frame.setup}, so they serve none"
        for frame in list_shown_frames(plan)
        if lit and not frame.problem and frame.setup not in lit
    }


def _name_frames(reasons: dict[str, str], most: int) -> list[str]:
    """Return a line for each reason, with the frames that it holds for."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, reason in reasons.items():
        if reason:
            groups[reason].append(name)
    return [f"{_name_some(names, 'frames', most)}: {reason}" for reason, names in groups.items()]


def _list_skipped(plan: Plan, most: int) -> Iterator[str]:
    """Yield a line for each thing that is missing, with what was sought and the lights that go without.

    What is missing only because a master lacks something itself is left unsaid where that something is said.
    """
    groups: dict[Miss, tuple[list[Light], list[str]]] = defaultdict(lambda: ([], []))
    for light in plan.skipped:
        for miss in [miss for miss in light.misses if not miss.derived] or light.misses:
            lights, sought = groups[replace(miss, what="")]
            lights.append(light)
            if miss.what not in sought:
                sought.append(miss.what)
    for miss, (lights, sought) in groups.items():
        merged = replace(miss, what=" or ".join(sought[:4]) + (" or ..." if len(sought) > 4 else ""))
        yield f"{_name_some([light.frame.name for light in lights], 'lights', most)} skipped: {merged}"


def _count(plan: Plan) -> str:
    files = [frame for frame in plan.frames if plan.takes(frame.night)]
    counted = [frame for frame in files if not frame.problem]
    kinds = {kind: 0 for kind in ("bias", "dark", "flat", "light")}
    for frame in counted:
        kinds[frame.kind] += 1
    frames = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    nights = len({frame.night for frame in counted})
    setups = len({frame.setup for frame in counted})
    cut = f"nights {name_nights(plan.nights)}: {len(files)} of " if plan.nights else ""
    return (
        f"{cut}{len(plan.frames)} files: {frames}; {nights} night(s), {setups} setup(s); "
        f"{len(plan.made)} light(s) can be made, {len(plan.skipped)} cannot"
    )


def _describe_master(master: Master, why: str, certificate: Certificate | None) -> Iterator[str]:
    number = len(master.frames)
    frames = "1 frame, a master of one" if number == 1 else f"{number} frames"
    whole = ", holds its bias" if master.kind == "dark" and master.holds_bias else ""
    yield f"  {_file(master)}: {frames}{whole}{why}"
    yield f"    holds: {master.contents}; {_say_sources(master.sources)}"
    if certificate:
        verdict = certificate.verdict
        yield f"    certification: {verdict.verdict if verdict else 'when it is made'}"
    if master.bias:
        yield f"    less {_file(master.bias.master, master.night)} ({master.bias.why})"
    for members in _by_master(master.darks):
        more = f", and {len(members) - 1} more frames" if members[1:] else ""
        yield f"    less {_file(members[0].master, master.night)} ({members[0].why}{more})"


def _name_light(light: Light) -> str:
    frame = light.frame
    what = f"{frame.object or 'no object'}, {frame.filter or 'no filter'}, {frame.exposure:g} s"
    return f"  {make_printable(frame.name)}: {what}"


def _describe_stack(stack: Stack | Light) -> str:
    if isinstance(stack, Light):
        return f"{_name_light(stack)}: no stack, as no other light goes with it"
    names = [make_printable(light.frame.name) for light in stack.lights]
    return f"  {stack.path.rsplit('/', 1)[-1]}: {len(names)} lights ({names[0]} ... {names[-1]})"


def _describe_making(light: Light) -> Iterator[str]:
    """Yield what a light gets and becomes, or what it lacks."""
    yield from (f"    SKIPPED: {replace(miss, where='')}" for miss in light.misses)
    for kind, match in list_matches(light):
        yield f"    {kind}: {_file(match.master, light.frame.night)} ({match.why})"
        yield from (f"      rather than {other}" for other in match.runners_up)
    if light.dark and light.dark.master.holds_bias:
        yield "    no bias: the dark still holds it"
    if not light.misses:
        yield f"    becomes: {light.contents}; {_say_sources(light.sources)}"


def _say_sources(sources: dict[str, Source]) -> str:
    return ", ".join(f"{quantity.replace('_', ' ')} {source}" for quantity, source in sources.items())


def _file(master: Master, night: str | None = None) -> str:
    """Return a master's file name, with its folder where that is not the night's own."""
    return master.path.rsplit("/", 1)[-1] if night in (None, master.night) else master.path


def _by_master(matches: list[Match]) -> list[list[Match]]:
    groups: dict[str, list[Match]] = defaultdict(list)
    for match in matches:
        groups[match.master.path].append(match)
    return list(groups.values())


def _by_folder(items: list[Item], folder: Callable[[Item], str]) -> list[tuple[str, list[Item]]]:
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[folder(item)].append(item)
    return sorted(groups.items())


def _name_some(names: list[str], what: str, most: int) -> str:
    shown = [make_printable(name) for name in names]
    if len(names) <= most:
        return ", ".join(shown)
    return f"{len(names)} {what} ({shown[0]} ... {shown[-1]})"
