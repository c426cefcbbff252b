"""Stack selection: the lights of a stack registered and judged, and those left out, each with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

import numpy as np

from darkroom.problems import JobProblem
from darkroom.stacking.judgement import Limits, Scale, choose_reference, judge_light, measure_scale
from darkroom.stacking.register import FEWEST, Registration, register_light
from darkroom.stacking.star_lists import StarList
from darkroom.stacking.transforms import Transform

NO_SKY = "hardly a pixel of it is good and shows noise: nothing tells its sky"
TRIES = 4  # lights on which the others are put, until half of them are


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
    best: Selection | None = None
    left = {name: stars for name, stars in lights.items() if _shows_sky(stars)}
    for _ in range(TRIES):
        reference = choose_reference(left, times) or _choose_solved(left, times, trusted)
        if reference is None:
            break
        selection = _put_on(reference, lights, seconds, limits, guess, trusted)
        if reference in selection.used and len(selection.used) > len(best.used if best else ()):
            best = selection
        if best and 2 * len(best.used) >= len(lights):
            break
        # a poor one sets no scale for the others; one of another field has few with it
        fits = selection.used if reference not in selection.used else set(lights) - set(selection.used)
        left = {name: stars for name, stars in left.items() if name in fits and name != reference}
    if best is None:
        raise JobProblem(_tell_none(lights))
    return best


def _shows_sky(stars: StarList) -> bool:
    """Return whether an image tells its sky: one without a good pixel has coordinates, but no level and no weight."""
    return bool(np.isfinite(stars.level) and np.isfinite(stars.noise) and stars.noise > 0)


def _choose_solved(lights: Mapping[str, StarList], times: Mapping[str, str | None], trusted: Set[str]) -> str | None:
    """Return the earliest of the lights whose coordinates were solved; None where there is none."""
    return min(trusted & set(lights), key=lambda name: (times.get(name) or "~", name), default=None)


def _tell_none(lights: Mapping[str, StarList]) -> str:
    """Return why there is no light on which others could be put."""
    if all(len(stars) < FEWEST for stars in lights.values()):
        seen = ", ".join(str(len(stars)) for stars in lights.values())
        return (
            f"none of {len(lights)} lights shows the {FEWEST} stars that a match needs (they show {seen}): blank, "
            "clouded or out of focus; a longer exposure, or coordinates solved from stars in the headers, help"
        )
    return f"no two of {len(lights)} lights are alike enough to be put on each other (clouds, trails, focus)"


def _put_on(
    reference: str,
    lights: Mapping[str, StarList],
    seconds: Mapping[str, float],
    limits: Limits,
    guess: Callable[[str, str], Transform | None],
    trusted: Set[str],
) -> Selection:
    """Register all lights on a reference, and judge them."""
    found: dict[str, tuple[Registration, Scale]] = {}
    left_out: dict[str, str] = {}
    for name, stars in lights.items():
        if not _shows_sky(stars):
            left_out[name] = NO_SKY
            continue
        first = Transform.stay() if name == reference else guess(name, reference)
        sure = name == reference or {name, reference} <= trusted
        try:
            registration = register_light(stars, lights[reference], first, sure)
        except JobProblem as problem:
            left_out[name] = f"not registered on {reference.rsplit('/', 1)[-1]}: {problem}"
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
    return Selection(reference, used, {name: left_out[name] for name in lights if name in left_out})
