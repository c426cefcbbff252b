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
from darkroom.stacking.transforms import Transform
from tests.fields import Field, Pointing, dither, find_middle, scatter_stars, sum_aperture

SHAPE = (500, 520)


@cache
def take_night(number, hits=30, seeing=0.0, seed=3):
    """A night registered: the field, the first light's pointing, the lights as they are stacked."""
    field = Field(scatter_stars(180, SHAPE, seed, most=6e5), SHAPE, hits=hits)
    rng = np.random.default_rng(seed)
    pointings = [replace(each, see=1.3 * (1 + rng.uniform(-seeing, seeing))) for each in dither(number, seed)]
    taken = {f"{n:02d}": field.take(each, n) for n, each in enumerate(pointings)}
    lists = {name: list_stars(*planes) for name, planes in taken.items()}
    seconds = dict.fromkeys(lists, 60.0)
    # the first, which lies in the middle, is no worse than any in what a reference is chosen by
    lists["00"] = replace(lists["00"], fwhm=0.99 * min(each.fwhm or 9 for each in lists.values()))
    found = select_lights(lists, seconds, {}, Limits(most_fwhm=3.0))
    assert found.reference == "00"
    assert not found.left_out
    placed = []
    for name, (registration, scale) in found.used.items():

        def read(*box, planes=taken[name]):
            return planes[0][box], planes[1][box] ** 2, planes[2][box]

        stars = lists[name]
        middle = f"2024-01-01T00:{name}:30.000"
        placed.append(
            PlacedLight(
                read, SHAPE, registration.transform, stars.level, stars.noise, scale.value, 60.0, middle, stars.fwhm
            )
        )
    return field, pointings[int(found.reference)], placed


@cache
def stack_night(number, hits=30, seeing=0.0):
    field, pointing, placed = take_night(number, hits, seeing)
    return field, pointing, stack_lights(placed, choose_canvas(placed, SHAPE))


def choose_stars(field, pointing, least=1e5):
    truth = field.place(pointing)
    away = np.hypot(*(truth[:, None] - truth[None]).transpose(2, 0, 1))
    np.fill_diagonal(away, 99)
    inside = ((truth > 45) & (truth < (SHAPE[1] - 46, SHAPE[0] - 46))).all(axis=1)
    return truth, np.flatnonzero(inside & (away.min(axis=1) > 20) & (field.stars[:, 2] > least))


def find_sky(field, pointing, stack, least=3):
    empty = field.expect(replace(pointing, sky=0.0, see=2.2)) < 0.02
    return empty & (stack.seconds / 60 + stack.rejected >= least)


@pytest.mark.parametrize("seeing", [0.0, 0.2])
def test_places_and_fluxes(seeing):
    field, pointing, stack = stack_night(9, seeing=seeing)
    truth, chosen = choose_stars(field, pointing)
    assert len(chosen) >= 8
    image = np.nan_to_num(stack.data).astype(float)
    parts = []
    for n in chosen:
        place = find_middle(image, *truth[n], 1.4)
        assert np.hypot(*(place - truth[n])) < 0.1
        parts.append(sum_aperture(image, *truth[n], 9) * field.gain / field.stars[n, 2] / pointing.clear)
    assert np.abs(np.array(parts) - 1).max() < 0.005


@pytest.mark.parametrize("number", [4, 9, 16])
def test_noise_falls_with_the_root_of_the_number(number):
    """By blocks of 20 x 20 pixels, as single ones are smoother after resampling; a block's edges are, by 3 %."""
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


@pytest.mark.parametrize("number", [4, 9])
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
    stack = stack_lights(lights, choose_canvas(lights, SHAPE))
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
