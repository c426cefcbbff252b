"""Stacks of nights that never were: of an object in each filter, with what leaves lights out and what there is not."""

import math
from collections import defaultdict
from statistics import median

from darkroom.report_model import LightShown, Night, StackedLight, StackShown

CLOUDS = "clouds: its stars have 0.06 of the light that they have in the median of all (limit 0.5)"
FOCUS = "out of focus, or bad seeing: FWHM 4.90 pixels, 1.58 of the median (limit 1.5)"
TOO_SPARSE = (
    "none of {} lights shows the 4 stars that a match needs (stars: {}): blank, clouded or out of focus; a longer "
    "exposure, or coordinates solved from stars in the headers, help"
)
UNSOLVED = (
    "solve-field found nothing with {} stars (at the position of the header: no pattern matches); what might help: "
    "tell its scale in the settings, or give it more time"
)


def add_solutions(lights: list[LightShown]) -> None:
    """Give lights plate solutions of 0.2 to 0.4 seconds of arc; every seventh has none, and why."""
    for number, light in enumerate(lights):
        if light.path and number % 7 == 3:
            light.unsolved = UNSOLVED.format(20 + number)
        elif light.path:
            light.sky_rms = 0.2 + 0.01 * (7 * number % 20)


def make_stacks(lights: list[LightShown], picture: bytes) -> list[StackShown]:
    """Return a stack of each object and filter; those that stand out are left out, the object of one has no stars."""
    groups: dict[tuple[str, str], list[LightShown]] = defaultdict(list)
    for light in lights:
        if light.path:
            groups[light.object, light.filter].append(light)
    return [make_stack(group, picture, blank=kind == ("NGC 2264", "B")) for kind, group in groups.items()]


def make_stack(group: list[LightShown], picture: bytes, blank: bool = False) -> StackShown:
    """Return the stack of these lights; a ``blank`` one could not be made."""
    first = group[0]
    path = f"{first.path.split('/lights/')[0]}/stacks/{first.object}_{first.filter}_{first.exposure:g}s.fits"
    stack = StackShown(path, first.setup, first.object, first.filter, first.exposure, unit=first.unit)
    if blank:
        stack.lights = [StackedLight(light.path, False, stars=number % 3) for number, light in enumerate(group)]
        counts = ", ".join(f"{light.raw} {number % 3}" for number, light in enumerate(group))
        stack.problem = TOO_SPARSE.format(len(group), counts)
        return stack
    used = [light for light in group if not light.odd] or group
    inverse = sum(1 / (light.noise or 1) ** 2 for light in used)
    for number, light in enumerate(group):
        one = StackedLight(light.path, light in used, fwhm=light.fwhm, stars=light.stars, rms=0.05 + 0.01 * number)
        if one.used:
            one.weight, one.scale = 1 / (light.noise or 1) ** 2 / inverse, 1 + 0.01 * number
        else:
            one.reason = FOCUS if number % 2 else CLOUDS
        stack.lights.append(one)
    stack.reference = used[0].path
    stack.seconds = sum(light.exposure or 0 for light in used)
    stack.middle = used[len(used) // 2].start
    stack.fwhm = 1.02 * median(light.fwhm or 3 for light in used)
    stack.stars = round(1.6 * median(light.stars or 1 for light in used))
    stack.noise_factor = 1.27
    stack.noise = median(light.noise or 1 for light in used) / math.sqrt(len(used)) / stack.noise_factor
    stack.picture, stack.preview = picture, path.partition("/")[2].replace(".fits", ".png")
    return stack


def spoil_stacks(night: Night, before: list[str], texts: list[str]) -> None:
    """Write texts into the stacks of a night and into what lights say of them; ``before`` are the lights' old paths."""
    paths = dict(zip(before, [light.path for light in night.lights], strict=True))
    for at, stack in enumerate(night.stacks):
        text = texts[at % len(texts)]
        stack.path, stack.preview = f"{stack.path}{text}", stack.preview and f"{text}.png"
        stack.object, stack.filter, stack.setup, stack.unit, stack.middle = text, text, text, text, text
        stack.problem, stack.reference = stack.problem and text, paths[stack.reference] if stack.reference else text
        for light in stack.lights:
            light.path, light.reason = paths[light.path], light.reason and text
        stack.lights += [StackedLight(f"{number} {text}", False, text) for number in range(9)]
    for at, light in enumerate(night.lights):
        light.unsolved = light.unsolved and texts[at % len(texts)]
