"""Stacks of a dithered, rotated, flipped night: places, fluxes, noise and error bars against the truth."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from darkroom.stacking.judgement import Limits
from darkroom.stacking.register import register_light
from darkroom.stacking.selection import select_lights
from darkroom.stacking.stack_lights import PlacedLight, average_times, choose_canvas, stack_lights
from darkroom.stacking.star_lists import list_stars
from darkroom.stacking.transforms import Transform, fit_transform
from tests.fields import Field, Pointing, dither, find_middle, scatter_stars, sum_aperture

SHAPE = (500, 520)
RADIUS = 9.0  # pixels of the apertures in which fluxes are compared
PIXEL = 200 + 6.0**2  # electrons: the variance of a pixel of the sky of a light


def place_lights(taken, lists, found):
    """Lights as they are stacked, of what was selected."""
    placed = []
    for name, (registration, scale) in found.used.items():

        def read(*box, planes=taken[name]):
            return planes[0][box], planes[1][box] ** 2, planes[2][box]

        stars = lists[name]
        sky = stars.level, stars.noise
        middle = f"2024-01-01T00:{name}:30.000"
        placed.append(PlacedLight(read, SHAPE, registration.transform, *sky, scale.value, 60.0, middle, stars.fwhm))
    return placed


def place_truly(field, pointings, taken, noise=PIXEL**0.5):
    """Lights placed where they truly are, with the sky that they truly have; planes of data, variance and mask."""
    lights = []
    for pointing, planes in zip(pointings, taken, strict=True):
        corners = np.array([[0.0, 0.0], [500.0, 0.0], [0.0, 500.0]])
        there = replace(field, stars=np.column_stack([corners, np.ones(3)])).place(pointing)
        back = fit_transform(there, corners, np.ones(3), pointing.mirrored)

        def read(*box, planes=planes):
            return tuple(plane[box] if isinstance(plane, np.ndarray) else plane for plane in planes)

        sky = 200 / field.gain, noise / field.gain
        lights.append(PlacedLight(read, SHAPE, back, *sky, seconds=60.0, fwhm=1.3 * 2.3548))
    return lights


@cache
def take_night(number, hits=30, seeing=0.0, seed=3):
    """A night registered: the field, the first light's pointing, the lights as they are stacked.

    The second half is taken upside down, and the second light by a mirror more.
    """
    field = Field(scatter_stars(180, SHAPE, seed, most=1.2e6), SHAPE, hits=hits)
    rng = np.random.default_rng(seed)
    pointings = [replace(each, see=1.3 * (1 + rng.uniform(-seeing, seeing))) for each in dither(number, seed)]
    pointings[1] = replace(pointings[1], mirrored=True)
    taken = {f"{n:02d}": field.take(each, n) for n, each in enumerate(pointings)}
    lists = {name: list_stars(*planes) for name, planes in taken.items()}
    # the first, which lies in the middle, is no worse than any in what a reference is chosen by
    lists["00"] = replace(lists["00"], fwhm=0.99 * min(each.fwhm or 9 for each in lists.values()))
    found = select_lights(lists, dict.fromkeys(lists, 60.0), {}, Limits(most_fwhm=3.0))
    assert found.reference == "00"
    assert not found.left_out
    assert found.used["01"][0].transform.mirrored
    return field, pointings[0], place_lights(taken, lists, found)


@cache
def stack_night(number, hits=30, seeing=0.0, seed=3):
    field, pointing, placed = take_night(number, hits, seeing, seed)
    return field, pointing, stack_lights(placed, choose_canvas(placed, SHAPE))


def choose_stars(field, pointing, least):
    """Places of all stars, and the numbers of those that lie alone within all lights and have so many electrons."""
    truth = field.place(pointing)
    away = np.hypot(*(truth[:, None] - truth[None]).transpose(2, 0, 1))
    np.fill_diagonal(away, 99)
    inside = ((truth > 45) & (truth < (SHAPE[1] - 46, SHAPE[0] - 46))).all(axis=1)
    return truth, np.flatnonzero(inside & (away.min(axis=1) > 20) & (field.stars[:, 2] > least))


def tell_noise(electrons, number):
    """The part of its flux by which photons, sky and read-out make a star uncertain in a stack."""
    return np.sqrt((electrons + np.pi * RADIUS**2 * PIXEL) / number) / electrons


def find_least(number):
    """Electrons of the faintest star of which 0.5 % are 3.3 standard deviations."""
    flux = np.geomspace(1e4, 1e7, 1000)
    return flux[tell_noise(flux, number) < 0.005 / 3.3][0]


def measure_parts(field, image, truth, chosen):
    image = np.nan_to_num(image).astype(float)
    fluxes = np.array([sum_aperture(image, *truth[n], RADIUS) for n in chosen])
    return fluxes * field.gain / field.stars[chosen, 2]


def find_sky(field, pointing, stack, least=3):
    empty = field.expect(replace(pointing, sky=0.0, see=2.2)) < 0.02
    return empty & (stack.seconds / 60 + stack.rejected >= least)


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
