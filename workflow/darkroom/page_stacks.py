"""The stacks of a night's page as plain values for its template: cards, which lights are in them, what went wrong."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from darkroom.chart_words import shorten
from darkroom.history import ADVICE
from darkroom.page_pictures import embed_picture, link_file
from darkroom.page_words import count, is_number, write_duration, write_number, write_time, write_unit
from darkroom.report_model import LightShown, Night, Problem, StackedLight, StackShown

Row = dict[str, Any]
STACK_SIZE = 512  # pixels of the longer side of a stack's picture on its card, which is shown at 320 and less
STACK_HEAVY = 120_000  # bytes of it from which it becomes a JPEG: noise makes a PNG ten times as heavy
NAMED = 6  # names in a sentence
SHORT = 60  # letters of each
GROUPS = 4  # reasons that problems tell one by one
LONGEST = 300  # letters of a reason
# The measured columns of a stack's table: figure, title, unit, factor, digits.
COLUMNS = [
    ("weight", "Weight", "%", 100, 3),
    ("scale", "Scale", "", 1, 4),
    ("rms", "Rms", "px", 1, 2),
    ("fwhm", "FWHM", "px", 1, 3),
    ("stars", "Stars", "", 1, 6),
]
HELP_NOT_MADE = (
    "look at its lights: those that are blank, clouded or out of focus show too few stars to be laid on each other; "
    "longer exposures show more"
)
HELP_NOT_SOLVED = (
    "see that the solver and its star indexes are there, and tell about where the frames point and how large their "
    "pixels are on the sky; the lights are good all the same"
)


@dataclass(frozen=True)
class Part:
    """A light's part in a stack that was made: the stack's anchor and name, and why it was left out, if it was."""

    anchor: str
    name: str
    used: bool
    reason: str


def name_stacks(night: Night) -> list[str]:
    """Return what each stack is called: object, filter and exposure; its file where two would be called alike, and its
    setup where two cameras have files of one name.
    """
    names = [", ".join(filter(None, _list_kind(stack))) or _take_file(stack.path) for stack in night.stacks]
    files = [_take_file(stack.path) for stack in night.stacks]
    often, twice = Counter(names), Counter(zip(names, files, strict=True))
    return [
        name if often[name] == 1 else f"{name} ({file if twice[name, file] == 1 else shorten(stack.setup)})"
        for name, file, stack in zip(names, files, night.stacks, strict=True)
    ]


def find_parts(night: Night) -> dict[str, list[Part]]:
    """Return the part that each light has in the stacks that were made, by the light's path."""
    parts: dict[str, list[Part]] = {}
    for number, (stack, name) in enumerate(zip(night.stacks, name_stacks(night), strict=True), 1):
        for light in stack.lights if not stack.problem else []:
            parts.setdefault(light.path, []).append(Part(f"stack-{number}", name, light.used, light.reason))
    return parts


def list_stacks(night: Night, anchors: dict[str, dict[str, str]]) -> list[Row]:
    """Return the card of each stack: picture, figures and what they mean, its lights, those left out and why.

    Those that were not made come last.
    """
    lights = {light.path: light for light in night.made}
    several = len({stack.setup for stack in night.stacks}) > 1
    cards = []
    for number, (stack, name) in enumerate(zip(night.stacks, name_stacks(night), strict=True), 1):
        used = [light for light in stack.lights if light.used]
        cards.append(
            {
                "anchor": f"stack-{number}",
                "stack": stack,
                "name": name,
                "setup": stack.setup if several else "",
                "badge": ("✕", "not made", "bad") if stack.problem else ("✓", "made", "good"),
                "summary": _count_lights(stack, used),
                "picture": embed_picture(stack.picture, STACK_SIZE, STACK_HEAVY),
                "preview": link_file(stack.preview),
                "figures": [] if stack.problem else _list_figures(stack, used, lights),
                "left_out": [] if stack.problem else _list_left_out(stack, anchors["lights"]),
                "columns": [one for one in COLUMNS if any(is_number(getattr(light, one[0])) for light in stack.lights)],
                "rows": _list_rows(stack, used, anchors["lights"]),
            }
        )
    return sorted(cards, key=lambda card: bool(card["stack"].problem))


def cut_advice(reason: str) -> str:
    """Return a reason without what might help, which the list of problems tells."""
    return reason.partition(ADVICE)[0]


def list_star_problems(night: Night) -> list[Problem]:
    """Return what is wrong with stacks and plate solutions: one problem for all that have the same reason."""
    names = name_stacks(night)
    stacks = [(name, stack.problem) for name, stack in zip(names, night.stacks, strict=True) if stack.problem]
    unsolved = [(light.raw, light.unsolved) for light in night.made if light.unsolved]
    return [
        *_group_problems(stacks, ("The stack of {} was not made", "stacks were not made"), HELP_NOT_MADE),
        *_group_problems(unsolved, ("{} has no plate solution", "lights have no plate solution"), HELP_NOT_SOLVED),
    ]


def expect_noise(stack: StackShown, lights: dict[str, LightShown]) -> float | None:
    """Return the noise of a pixel if the noise of the lights were independent, in the stack's unit.

    Of N like lights it is 1/sqrt(N) of that of one; else their weights and scales count. None where the noise, unit or
    scale of a light is not known.
    """
    used = [light for light in stack.lights if light.used]
    shares, noises = _share_weights(used), []
    for one in used:
        light = lights.get(one.path)
        if light is None or light.unit != stack.unit or not (is_number(light.noise) and is_number(one.scale)):
            return None
        noises.append(float(light.noise or 0) * float(one.scale or 0))
    return math.hypot(*(share * noise for share, noise in zip(shares, noises, strict=True))) if used else None


def _share_weights(used: list[StackedLight]) -> list[float]:
    """Return weights whose sum is one; equal ones where they are not told."""
    weights = [float(light.weight or 0) if is_number(light.weight) else 0.0 for light in used]
    if min(weights, default=0) <= 0:
        weights = [1.0] * len(used)
    return [weight / sum(weights) for weight in weights]


def _list_kind(stack: StackShown) -> list[str]:
    exposure = f"{write_number(stack.exposure)} s" if is_number(stack.exposure) else ""
    return [shorten(stack.object), shorten(stack.filter), exposure]


def _take_file(path: str) -> str:
    return shorten(path.rsplit("/", 1)[-1])


def _count_lights(stack: StackShown, used: list[StackedLight]) -> str:
    given = len(stack.lights)
    if stack.problem:
        return f"of {count(given, 'light')}"
    return f"all {given} lights" if len(used) == given > 1 else f"{len(used)} of {count(given, 'light')}"


def _list_figures(stack: StackShown, used: list[StackedLight], lights: dict[str, LightShown]) -> list[Row]:
    """Return name, meaning and value of each figure of a stack that is known."""
    unit, noise = write_unit(stack.unit), expect_noise(stack, lights)
    widths = [float(light.fwhm) for light in used if light.fwhm is not None and is_number(light.fwhm)]
    usual = f"the median of its lights is {write_number(median(widths), 3)} px" if widths else ""
    lines = [
        ("lights", "Lights used", "", f"{len(used)} of {len(stack.lights)}"),
        ("seconds", "Total exposure", "", write_duration(stack.seconds)),
        ("middle", "Mid-time", "", write_time(stack.middle)),
        ("fwhm", "FWHM", usual, _write(stack.fwhm, "px")),
        ("stars", "Stars", "", _write(stack.stars, "", 6)),
        ("noise", "Noise", "of one pixel of empty sky", _write(stack.noise, unit)),
        ("noise_expected", "1/√N of its lights' noise", "what that would be if pixels shared none",
         _write(noise, unit)),
        ("noise_factor", "Noise factor", "neighbours share noise: the error of a sum of many pixels is so many times "
         "what their error bars add up to", _write(stack.noise_factor, "")),
    ]  # fmt: skip
    return [{"key": key, "name": name, "meaning": meaning, "value": value} for key, name, meaning, value in lines
            if value]  # fmt: skip


def _write(value: Any, unit: str, digits: int = 3) -> str:
    return f"{write_number(value, digits)} {unit}".rstrip() if is_number(value) else ""


def _list_left_out(stack: StackShown, anchors: dict[str, str]) -> list[Row]:
    """Return the lights that a stack left out, those of the same reason together."""
    groups: dict[str, list[Row]] = {}
    for light in stack.lights:
        if not light.used:
            one = {"name": light.path.rsplit("/", 1)[-1], "anchor": anchors.get(light.path, "")}
            groups.setdefault(light.reason, []).append(one)
    return [{"reason": reason or "no reason is told", "lights": lights} for reason, lights in groups.items()]


def _list_rows(stack: StackShown, used: list[StackedLight], anchors: dict[str, str]) -> list[Row]:
    told = all(is_number(light.weight) and float(light.weight or 0) > 0 for light in used)
    shares = iter(_share_weights(used))
    rows = []
    for light in stack.lights:
        share = next(shares) if light.used else None
        cells = {key: getattr(light, key) for key, *_ in COLUMNS} | {"weight": share if told else None}
        rows.append(
            {
                "light": light,
                "name": light.path.rsplit("/", 1)[-1],
                "anchor": anchors.get(light.path, ""),
                "reference": bool(light.path) and light.path == stack.reference,
                "cells": {
                    key: write_number(cells[key] * factor if is_number(cells[key]) else None, digits)
                    for key, _, _, factor, digits in COLUMNS
                },
            }
        )
    return rows


def _group_problems(found: list[tuple[str, str]], words: tuple[str, str], remedy: str) -> list[Problem]:
    """Return a problem for each reason, whatever its numbers, with the names of what has it; rare ones together."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, reason in found:
        groups.setdefault(re.sub(r"\d[\d.,]*", "0", reason), []).append((name, reason))
    ordered = sorted(groups.values(), key=len, reverse=True)
    most = len(ordered) if len(ordered) <= GROUPS else GROUPS - 1
    problems = [_describe_group(group, words, remedy) for group in ordered[:most]]
    if rest := [one for group in ordered[most:] for one in group]:
        what = (
            f"{len(rest)} more {words[1]}, for {len(ordered) - most} other reasons: {_join(name for name, _ in rest)}"
        )
        problems.append(Problem(what, remedy))
    return problems


def _describe_group(group: list[tuple[str, str]], words: tuple[str, str], remedy: str) -> Problem:
    one, many = words
    told, _, advice = group[0][1].partition(ADVICE)
    told = shorten(told, LONGEST)
    if len(group) == 1:
        what = f"{one.replace('{}', shorten(group[0][0], 2 * SHORT))}: {told}"
    else:
        first = "" if len({reason for _, reason in group}) == 1 else "of the first, "
        what = f"{len(group)} {many} ({_join(name for name, _ in group)}): {first}{told}"
    return Problem(what, shorten(advice, LONGEST) or remedy)


def _join(names: Iterable[str]) -> str:
    shown = [shorten(name, SHORT) for name in names]
    more = f" and {len(shown) - NAMED} more" if len(shown) > NAMED else ""
    return "; ".join(shown[:NAMED]) + more
