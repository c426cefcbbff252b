"""Stacks of a dithered, rotated, flipped night: places, fluxes, noise and error bars against the truth."""

from dataclasses import replace

import numpy as np
import pytest

from darkroom.stacking.judgement import Limits
from darkroom.stacking.register import register_light
from darkroom.stacking.selection import select_lights
from darkroom.stacking.stack_lights import PlacedLight, average_times, choose_canvas, stack_lights
from darkroom.stacking.star_lists import list_stars
from darkroom.stacking.transforms import Transform
from tests.fields import Field, Pointing, dither, find_middle, scatter_stars
from tests.stacked_nights import (
    PIXEL,
    SHAPE,
    choose_stars,
    find_least,
    find_sky,
    measure_parts,
    place_truly,
    stack_night,
    take_night,
)


@pytest.mark.parametrize(("number", "seeing", "seed"), [(4, 0, 3), (4, 0.2, 5), (9, 0, 3), (9, 0.2, 3), (16, 0, 3)])
def test_places_and_fluxes(number, seeing, seed):
    field, pointing, stack = stack_night(number, seeing=seeing, seed=seed)
    truth, chosen = choose_stars(field, pointing, find_least(number))
    assert len(chosen) >= 8
    image = np.nan_to_num(stack.data).astype(float)
    for n in chosen:
        assert np.hypot(*(find_middle(image, *truth[n], 1.4) - truth[n])) < 0.1
    assert np.abs(measure_parts(field, stack.data, truth, chosen) - 1).max() < 0.005


def test_nothing_is_lost_where_there_is_no_noise():
    """What fluxes are off by is noise: of its photons, and of those by which places and scales are told."""
    field = Field(scatter_stars(180, SHAPE, 3, most=1.2e6), SHAPE, bad_part=0.0)
    pointings = dither(4, 3)
    images = [field.expect(each) / field.gain for each in pointings]
    lights = place_truly(field, pointings, [(image, PIXEL / field.gain**2, None) for image in images])
    stack = stack_lights(lights, choose_canvas(lights, SHAPE))
    truth, chosen = choose_stars(field, Pointing(), 1e5)
    assert np.abs(measure_parts(field, stack.data, truth, chosen) - 1).max() < 1e-4
    assert not stack.rejected.any()


def test_lights_without_error_bars_and_masks():
    """Not finite pixels are bad ones; the noise is that of the sky."""
    field = Field(scatter_stars(180, SHAPE, 3, most=1.2e6), SHAPE, hits=30)
    pointings = dither(4, 3)
    taken, lists = {}, {}
    for n, pointing in enumerate(pointings):
        data, _, mask = field.take(pointing, n)
        data[mask != 0] = np.nan
        lists[f"{n:02d}"] = stars = list_stars(data)
        taken[f"{n:02d}"] = data, stars.noise**2, None
        assert abs(stars.noise * field.gain / PIXEL**0.5 - 1) < 0.05
    lists["00"] = replace(lists["00"], fwhm=0.99 * min(each.fwhm or 9 for each in lists.values()))
    found = select_lights(lists, dict.fromkeys(lists, 60.0), {}, Limits())
    assert sorted(found.used) == ["00", "01", "02", "03"]
    placed = []
    for name, (registration, scale) in found.used.items():

        def read(*box, planes=taken[name]):
            return planes[0][box], planes[1], planes[2]

        stars = lists[name]
        sky = stars.level, stars.noise
        placed.append(PlacedLight(read, SHAPE, registration.transform, *sky, scale.value, 60.0, None, stars.fwhm))
    stack = stack_lights(placed, choose_canvas(placed, SHAPE))
    truth, chosen = choose_stars(field, pointings[0], find_least(4))
    assert np.abs(measure_parts(field, stack.data, truth, chosen) - 1).max() < 0.005
    sky = find_sky(field, pointings[0], stack)
    assert abs((stack.data[sky] / np.sqrt(stack.variance[sky])).std() - 1) < 0.05
    assert np.isfinite(stack.data[45:-45, 45:-45]).mean() > 0.99999
    assert stack.middle is None


@pytest.mark.parametrize("number", [4, 9, 16])
def test_noise_falls_with_the_root_of_the_number(number):
    """By blocks of 20 x 20 pixels, as single ones are smoother after resampling; a block's edges are, by 3 %.

    The field has few stars, so that there are 600 empty blocks: their scatter is known to 3 %.
    """
    shape = (720, 720)
    field = Field(scatter_stars(40, shape, 6, least=3e4), shape, bad_part=0.0)
    lights = []
    reference = list_stars(*field.take(Pointing(), 0))
    for n, pointing in enumerate(dither(number, 4)):
        planes = field.take(pointing, n)
        stars = list_stars(*planes)
        found = register_light(stars, reference)

        def read(*box, planes=planes):
            return planes[0][box], planes[1][box] ** 2, planes[2][box]

        lights.append(PlacedLight(read, shape, found.transform, stars.level, stars.noise, 1.0, 60.0, None, stars.fwhm))
    stack = stack_lights(lights, choose_canvas(lights, shape))
    empty = field.expect(Pointing(sky=0.0, see=2.2)) < 0.02
    image = np.where(empty, stack.data, np.nan)[100:-100, 100:-100]
    blocks = image.reshape(26, 20, 26, 20).mean(axis=(1, 3))
    blocks = blocks[np.isfinite(blocks)]
    single = np.sqrt(200 + field.read_noise**2) / field.gain / 20
    assert len(blocks) > 300
    assert abs(blocks.std() / single * np.sqrt(number) - 1) < 0.05


@pytest.mark.parametrize("number", [4, 9, 16])
def test_noise_of_pixels_is_that_of_independent_ones_over_the_factor(number):
    """In the field of all stars, with hits and bad pixels; 1e5 pixels, where all lights are."""
    field, pointing, stack = stack_night(number)
    sky = find_sky(field, pointing, stack, least=number - 0.01)
    assert sky.sum() > 5e4
    single = PIXEL**0.5 / field.gain
    assert abs(stack.data[sky].std() * stack.noise_factor / single * np.sqrt(number) - 1) < 0.05


@pytest.mark.parametrize("number", [4, 9, 16])
def test_pulls_of_sky_pixels(number):
    field, pointing, stack = stack_night(number)
    sky = find_sky(field, pointing, stack)
    pulls = stack.data[sky] / np.sqrt(stack.variance[sky])
    assert abs(pulls.std() - 1) < 0.05
    assert abs(pulls.mean()) < 0.1


def test_noise_factor_makes_pulls_of_sums_right():
    field, pointing, stack = stack_night(9, hits=0)
    sky = find_sky(field, pointing, stack, least=9)
    image = np.where(sky, stack.data, np.nan)
    sums = image.reshape(50, 10, 52, 10).sum(axis=(1, 3))
    bars = np.sqrt(np.where(sky, stack.variance, np.nan).reshape(50, 10, 52, 10).sum(axis=(1, 3)))
    pulls = (sums / bars)[np.isfinite(sums)]
    assert pulls.std() > 1.25
    assert abs(pulls.std() / stack.noise_factor - 1) < 0.07


def test_bands_make_no_difference():
    _, _, placed = take_night(4)
    canvas = choose_canvas(placed, SHAPE)
    whole, cut = (stack_lights(placed, canvas, memory=size) for size in (2**29, 2**22))
    assert np.count_nonzero(~np.isclose(whole.data, cut.data, rtol=1e-4, atol=1e-3, equal_nan=True)) < 10
    assert abs(whole.noise_factor - cut.noise_factor) < 1e-4
    again = stack_lights(placed, canvas)
    assert all(getattr(whole, name).tobytes() == getattr(again, name).tobytes() for name in ("data", "variance"))


def test_weights_follow_the_noise():
    field = Field(np.empty((0, 3)), SHAPE, bad_part=0.0)
    lights = []
    for n, sky in enumerate((100.0, 900.0)):
        data, bars, _ = field.take(Pointing(sky=sky), n)

        def read(*box, data=data, bars=bars):
            return data[box], bars[box] ** 2, None

        noise = float(np.sqrt(sky + field.read_noise**2) / field.gain)
        still = Transform.stay()
        lights.append(PlacedLight(read, SHAPE, still, sky / field.gain, noise, seconds=30.0 * (n + 1)))
    stack = stack_lights(lights, choose_canvas(lights, SHAPE), sigma=None)  # chance has two differ by 4 of them
    assert abs(stack.weights[0] / stack.weights[1] - 936 / 136) < 1e-6
    assert abs(stack.data.std() / np.sqrt(1 / sum(1 / light.noise**2 for light in lights)) - 1) < 0.01
    assert stack.exposure == 90
    assert np.allclose(stack.seconds, 90)
    assert stack.noise_factor == pytest.approx(1, abs=1e-6)
    flat = stack_lights(lights, choose_canvas(lights, SHAPE), weights="flat")
    assert flat.weights.tolist() == [0.5, 0.5]


def test_whole_canvas_holds_every_light():
    _, _, placed = take_night(4)
    canvas = choose_canvas(placed, SHAPE, whole=True)
    stack = stack_lights(placed, canvas)
    covered = float(stack.seconds.sum()) / 60 + float(stack.rejected.sum())
    assert canvas.shape[0] > SHAPE[0]
    assert covered > 0.985 * len(placed) * SHAPE[0] * SHAPE[1]  # two in a thousand pixels are bad, and edges are cut
    inner = stack_lights(placed, choose_canvas(placed, SHAPE))
    x, y = -np.array(canvas.origin)
    part = stack.data[y : y + SHAPE[0], x : x + SHAPE[1]]
    same = np.isclose(part, inner.data, rtol=1e-3, atol=0.5, equal_nan=True)
    assert same[20:-20, 20:-20].mean() > 0.9999


def test_times_are_weighted_by_exposure():
    assert average_times(["2024-01-01T23:59:00", "2024-01-02T00:01:00"], [10, 30]) == "2024-01-02T00:00:30.000"
    assert average_times(["2024-01-01T23:59:00", None], [10, 30]) is None
