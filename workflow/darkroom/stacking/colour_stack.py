"""Stacks of mosaics: each colour of placed lights, or of their raw frames, stacked by itself and joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from darkroom.stacking.colours import COLOURS, join_colours, measure_colour_scale, take_colour
from darkroom.stacking.placed_lights import Canvas, PlacedLight
from darkroom.stacking.stack_lights import Stack, make_blank, stack_lights
from darkroom.stacking.star_lists import StarList

Skies = Mapping[str, Sequence[StarList]]
Scales = Mapping[str, Sequence[float]]


def measure_colour_scales(skies: Skies, lights: Sequence[PlacedLight], reference: int) -> dict[str, list[float]]:
    """Return the scale of each colour of each light, by its stars in ``skies``; ``reference`` is the number of one."""
    scales = {}
    for colour, own in skies.items():
        scales[colour] = [
            measure_colour_scale(
                stars, own[reference], light.transform, (light.seconds, lights[reference].seconds)
            ).value
            for stars, light in zip(own, lights, strict=True)
        ]
    return scales


def stack_colours(
    lights: Sequence[PlacedLight],
    mosaics: Sequence[str],
    skies: Skies,
    scales: Scales,
    reference: int,
    canvas: Canvas,
    sigma: float | None,
    weights: str,
) -> tuple[Stack, list[float]]:
    """Return red, green and blue stacked, one behind the other, and the level of the sky of each, which is left in.

    A light of which a colour shows no sky (all of it saturated, say) has no part in this colour; where none has, the
    plane is blank.

    Parameters
    ----------
    lights : sequence of PlacedLight
        Whole mosaics.
    mosaics : sequence of str
        The colours of the first two pixels of the first two rows of each.
    skies, scales : mapping of str to sequence
        The level and the noise of each colour in each light, and its scale.
    reference : int
        The number of the light whose level is left in.
    canvas, sigma, weights
        As in `darkroom.stacking.stack_lights.stack_lights`.
    """
    stacks, levels = [], []
    for colour in COLOURS:
        planes = []
        for light, mosaic, stars, scale in zip(lights, mosaics, skies[colour], scales[colour], strict=True):
            if np.isfinite(stars.level) and stars.noise > 0:
                planes += take_colour(light, mosaic, colour, stars, scale)
        stack = stack_lights(planes, canvas, sigma, weights) if planes else make_blank(canvas)
        level = skies[colour][reference].level * scales[colour][reference]
        levels.append(level if np.isfinite(level) else 0.0)
        stack.data += np.float32(levels[-1])
        stacks.append(stack)
    return join_colours(stacks, lights), levels
