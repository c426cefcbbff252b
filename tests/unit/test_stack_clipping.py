"""Clipping in stacks: hits are rejected, on stars as well and where two lights tell, and stars are left whole."""

from dataclasses import replace

import numpy as np
import pytest

from darkroom.stacking.stack_lights import choose_canvas, stack_lights
from tests.fields import Field, Pointing, dither, scatter_stars
from tests.stacked_nights import (
    PIXEL,
    SHAPE,
    choose_stars,
    measure_parts,
    place_truly,
    stack_night,
)


@pytest.mark.parametrize(
    ("number", "away", "height"),
    [
        (4, 0, 0.4),
        (4, 1, 0.5),
        (4, 2, 0.4),
        (4, 3, 0.6),
        (9, 0, 0.3),
        (9, 2, 0.5),
        (2, 3, 0.4),
        (2, 4, 0.2),
        (3, 1, 0.7),
    ],
)
def test_hits_on_stars_are_found(number, away, height):
    """So many pixels from a star, of so many parts of its peak: all of it in the stack of 4 were 1 % of its light."""
    field = Field(np.array([[260.3, 250.4, 4e5]]), SHAPE, bad_part=0.0)
    pointings = dither(number, 8)
    parts = []
    for part in (0, height):
        taken = [field.take(each, n) for n, each in enumerate(pointings)]
        x, y = np.rint(field.place(pointings[1])[0]).astype(int)
        taken[1][0][y, x + away] += part * 4e5 / field.gain / (2 * np.pi * 1.3**2)
        lights = place_truly(field, pointings, [(data, bars**2, mask) for data, bars, mask in taken])
        stack = stack_lights(lights, choose_canvas(lights, SHAPE))
        parts.append(measure_parts(field, stack.data, field.place(Pointing()), [0])[0])
    assert abs(parts[1] - parts[0]) < (0.003 if number > 3 else 0.005)  # fewer lights, a larger part of the hit
    x, y = np.rint(lights[1].transform.apply(np.array([[x + away, y]], float))[0]).astype(int)
    assert stack.rejected[y - 1 : y + 2, x - 1 : x + 2].any()


@pytest.mark.parametrize("see", [0.7, 0.85, 1.3, 2.5])
@pytest.mark.parametrize("number", [2, 3, 5])
def test_stars_of_any_width_are_left_whole(number, see):
    field = Field(scatter_stars(150, SHAPE, 7, least=1e5, most=3e6), SHAPE, bad_part=0.0)
    pointings = [replace(each, see=see) for each in dither(number, 9)]
    taken = [field.take(each, n) for n, each in enumerate(pointings)]
    lights = [
        replace(each, fwhm=see * 2.3548)
        for each in place_truly(field, pointings, [(data, bars**2, mask) for data, bars, mask in taken])
    ]
    canvas = choose_canvas(lights, SHAPE)
    clipped, plain = stack_lights(lights, canvas), stack_lights(lights, canvas, sigma=None)
    truth, chosen = choose_stars(field, Pointing(), 1e5)
    assert len(chosen) > 10
    rows, columns = np.rint(truth[chosen]).astype(int).T[::-1]
    for dy, dx in ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)):
        assert not clipped.rejected[rows + dy, columns + dx].any()
    apart = measure_parts(field, clipped.data, truth, chosen) - measure_parts(field, plain.data, truth, chosen)
    assert np.abs(apart).max() < 0.002


def test_two_lights_show_no_hits():
    """What only two lights show, in a stack of two or at the edges of one of many."""
    field = Field(scatter_stars(60, SHAPE, 7, least=1e5, most=1e6), SHAPE, hits=60, bad_part=0.0)
    clean = replace(field, hits=0)
    pointings = dither(2, 9)
    stacks = []
    for each in (field, clean):
        taken = [each.take(pointing, n) for n, pointing in enumerate(pointings)]
        lights = place_truly(field, pointings, [(data, bars**2, mask) for data, bars, mask in taken])
        stacks.append(stack_lights(lights, choose_canvas(lights, SHAPE)))
    noise = PIXEL**0.5 / field.gain
    both = (stacks[1].seconds + 60 * stacks[1].rejected > 110) & (field.expect(Pointing(sky=0.0)) < 1)
    assert both.sum() > 150000
    assert np.nanmax(stacks[0].data[both]) < 6 * noise  # the faintest hit of all makes 25 of it
    assert 1e-3 < np.mean(stacks[0].rejected[both]) < 5e-3
    assert np.mean(stacks[1].rejected[both]) < 2e-4
    assert abs(np.mean(stacks[1].data[both])) < 0.02 * noise


def test_hits_are_rejected_and_stars_are_not():
    clean, hit = stack_night(9, hits=0)[2], stack_night(9)[2]
    apart = np.abs(hit.data - clean.data)
    covered = (clean.seconds >= 300) & np.isfinite(apart)
    assert np.percentile(apart[covered], 99.9) < 3 * np.sqrt(np.nanmedian(hit.variance))
    assert hit.rejected.sum() > clean.rejected.sum() + 9 * 30 * 2
    field, pointing, stack = stack_night(9, hits=0, seeing=0.2)
    truth, chosen = choose_stars(field, pointing, 2e4)
    rows, columns = np.rint(truth[chosen]).astype(int).T[::-1]
    assert not stack.rejected[rows, columns].any()
