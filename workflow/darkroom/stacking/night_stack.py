"""The stack of a night: calibrated lights opened, registered, judged and put on top of each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from darkroom.history import LEFT_OUT, NO_STACK, add_sentence
from darkroom.problems import JobProblem
from darkroom.stacking.colour_stack import measure_colour_scales, stack_colours
from darkroom.stacking.colours import COLOURS
from darkroom.stacking.header_guess import guess_transform, read_coordinates
from darkroom.stacking.judgement import Limits
from darkroom.stacking.light_files import LightFile, open_light
from darkroom.stacking.placed_lights import Canvas, PlacedLight, choose_canvas
from darkroom.stacking.selection import Selection, select_lights
from darkroom.stacking.stack_lights import Stack, stack_lights
from darkroom.stacking.stack_products import describe_stack, tabulate_lights, write_no_stack, write_stack
from darkroom.stacking.star_lists import StarList
from darkroom.stacking.transforms import Transform

TOLD = 3  # lights of many whose reasons make no stack, in the line that says so; the table tells all

Lights = dict[str, tuple[LightFile, StarList]]


def make_stack(paths: Sequence[str], recipe: dict[str, Any], output: str) -> list[str]:
    """Stack lights as a recipe says, and write the stack; return a line on each light that was left out.

    Where no two lights can be put on top of each other, what is written tells why, in place of a stack.

    Raises
    ------
    JobProblem
        If a light is gone, damaged or made by another recipe; if the stack cannot be written.
    """
    settings = recipe["settings"]
    files = [open_light(path, wanted["digest"]) for path, wanted in zip(paths, recipe["lights"], strict=True)]
    lights = {file.name: (file, file.find_stars()) for file in files}
    try:
        selection = _select(lights, settings)
    except JobProblem as problem:
        return _tell_no_stack(str(problem), {}, lights, recipe, output)
    if len(selection.used) < 2:
        told = [f"{_short(name)} {why}" for name, why in selection.left_out.items()]
        more = f"; and {len(told) - TOLD} more of {len(lights)} lights" if told[TOLD:] else ""
        return _tell_no_stack("; ".join(told[:TOLD]) + more, selection.left_out, lights, recipe, output)
    stack, canvas, levels = _stack(lights, selection, settings)
    used = [lights[name][0] for name in selection.used]
    header = describe_stack(used, lights[selection.reference][0], stack, canvas, levels)
    said = [f"{LEFT_OUT}{_short(name)}: {why}" for name, why in selection.left_out.items()]
    for line in said:
        add_sentence(header, line)
    weights = dict(zip(selection.used, map(float, stack.weights), strict=True))
    write_stack(output, stack, header, recipe, tabulate_lights(lights, selection, weights, selection.left_out))
    return said


def _tell_no_stack(
    reason: str, left_out: dict[str, str], lights: Lights, recipe: dict[str, Any], output: str
) -> list[str]:
    """Write why there is no stack; return the line that says so."""
    reasons = dict.fromkeys(lights, "no stack") | left_out
    write_no_stack(output, reason, recipe, tabulate_lights(lights, None, {}, reasons))
    return [f"{NO_STACK}{reason}"]


def _select(lights: Lights, settings: dict[str, Any]) -> Selection:
    """Register lights and judge them."""
    coordinates = {name: read_coordinates(file.header) for name, (file, _) in lights.items()}

    def guess(name: str, reference: str) -> Transform | None:
        return guess_transform(coordinates[name], coordinates[reference], lights[name][0].shape)

    return select_lights(
        {name: stars for name, (_, stars) in lights.items()},
        {name: file.seconds for name, (file, _) in lights.items()},
        {name: file.start for name, (file, _) in lights.items()},
        Limits(settings["min_flux"], settings["max_fwhm"], settings["max_elongation"]),
        guess,
        {name for name, (file, _) in lights.items() if file.is_solved},
    )


def _stack(lights: Lights, selection: Selection, settings: dict[str, Any]) -> tuple[Stack, Canvas, list[float]]:
    """Return the stack of the lights that are used, its place on the reference, and the level of its sky; of colours
    that of each, one behind the other.
    """
    placed = []
    for name, (registration, scale) in selection.used.items():
        file, stars = lights[name]
        reader = file.make_reader(stars.noise)
        of_sky = stars.level, stars.noise, scale.value, file.seconds, file.middle, stars.fwhm
        placed.append(PlacedLight(reader, file.shape, registration.transform, *of_sky))
    reference, stars = lights[selection.reference]
    canvas = choose_canvas(placed, reference.shape, settings["canvas"] == "whole")
    how = settings["sigma"], settings["weights"]
    if reference.mosaic:
        files = [lights[name][0] for name in selection.used]
        skies = {colour: [file.find_stars(colour) for file in files] for colour in COLOURS}
        number = list(selection.used).index(selection.reference)
        scales = measure_colour_scales(skies, placed, number)
        mosaics = [file.mosaic or reference.mosaic for file in files]  # lights of one setup are of one camera
        stack, levels = stack_colours(placed, mosaics, skies, scales, number, canvas, *how)
        return stack, canvas, levels
    stack = stack_lights(placed, canvas, *how)
    stack.data += np.float32(stars.level)
    return stack, canvas, [stars.level]


def _short(name: str) -> str:
    return name.rsplit("/", 1)[-1]
