"""Nights as they are stacked: lights of a simulated field, registered or put where they truly are."""

from dataclasses import replace
from functools import cache

import numpy as np

from darkroom.stacking.judgement import Limits
from darkroom.stacking.selection import select_lights
from darkroom.stacking.stack_lights import PlacedLight, choose_canvas, stack_lights
from darkroom.stacking.star_lists import list_stars
from darkroom.stacking.transforms import fit_transform
from tests.fields import Field, dither, scatter_stars, sum_aperture

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
