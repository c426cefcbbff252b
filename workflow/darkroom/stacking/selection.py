"""Stack selection: the lights of a stack registered and judged, and those left out, each with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

from darkroom.problems import JobProblem
from darkroom.stacking.judgement import Limits, Scale, choose_reference, judge_light, measure_scale
from darkroom.stacking.register import FEWEST, Registration, register_light
from darkroom.stacking.star_lists import StarList
from darkroom.stacking.transforms import Transform


@dataclass(frozen=True)
class Selection:
    """The name of the reference, where the used lights lie on it and on which scale, and why others are left out."""

    reference: str
    used: dict[str, tuple[Registration, Scale]]
    left_out: dict[str, str]


def select_lights(
    lights: Mapping[str, StarList],
    seconds: Mapping[str, float],
    times: Mapping[str, str | None],
    limits: Limits,
    guess: Callable[[str, str], Transform | None] = lambda name, reference: None,
    trusted: Set[str] = frozenset(),
) -> Selection:
    """Register lights on one of them, and judge which of them go into a stack.

    A JobProblem where there is no light that others could be put on.

    Parameters
    ----------
    lights : mapping
        Name to stars; the order in which they are stacked.
    seconds, times : mapping
        Name to exposure, and to when it began (ISO UTC).
    limits : Limits
        From the configuration.
    guess : callable, optional
        Tells of a light and the reference where their headers' coordinates put the light; None if they do not tell.
    trusted : set of str
        Names of lights whose coordinates were solved from stars.
    """
    reference = choose_reference(lights, times)
    if reference is None and trusted:
        reference = min((name for name in lights if name in trusted), key=lambda name: (times.get(name) or "~", name))
    if reference is None:
        seen = ", ".join(f"{name} {len(stars)}" for name, stars in lights.items())
        raise JobProblem(
            f"none of {len(lights)} lights shows the {FEWEST} stars that a match needs (stars: {seen}): blank, clouded "
            "or out of focus; a longer exposure, or coordinates solved from stars in the headers, help"
        )
    found: dict[str, tuple[Registration, Scale]] = {}
    left_out: dict[str, str] = {}
    for name, stars in lights.items():
        first = Transform.stay() if name == reference else guess(name, reference)
        sure = name == reference or {name, reference} <= trusted
        try:
            registration = register_light(stars, lights[reference], first, sure)
        except JobProblem as problem:
            left_out[name] = f"not registered on {reference}: {problem}"
            continue
        exposures = seconds[name], seconds[reference]
        found[name] = registration, measure_scale(stars, lights[reference], registration, exposures)
    all_found = [(lights[name], scale) for name, (_, scale) in found.items()]
    times_found = [seconds[name] for name in found]
    for name, (_, scale) in found.items():
        reason = judge_light(lights[name], scale, all_found, [seconds[name], *times_found], limits)
        if reason is not None:
            left_out[name] = reason
    used = {name: each for name, each in found.items() if name not in left_out}
    if not used:  # two lights of which neither is like the median
        raise JobProblem("all lights are left out: " + "; ".join(f"{n}: {reason}" for n, reason in left_out.items()))
    return Selection(reference, used, {name: left_out[name] for name in lights if name in left_out})
