"""Stacks of colour mosaics: each colour by itself, with the places and fluxes that its own pixels show."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from darkroom.stacking.colours import COLOURS, fill_between, list_colour_stars, measure_colour_scale, take_colour
from darkroom.stacking.judgement import Limits
from darkroom.stacking.selection import select_lights
from darkroom.stacking.stack_lights import Canvas, PlacedLight, stack_lights
from tests.fields import Field, dither, find_middle, scatter_stars, sum_aperture

SHAPE = (401, 420)  # an odd number of rows: the last cells are cut
SKIES = {"R": 120.0, "G": 200.0, "B": 90.0}
PARTS = {"R": 0.8, "G": 1.0, "B": 0.6}
CLEAR = {"R": 0.0, "G": 0.1, "B": 0.25}  # of what comes through on the first light, less on the last one
RADIUS = 9.0


def lay_mosaic(colours, mosaic):
    """One light of three: of each plane the pixels that have its colour."""
    mixed = [np.empty_like(plane) for plane in colours["R"]]
    for number, colour in enumerate(mosaic):
        own = np.s_[number // 2 :: 2, number % 2 :: 2]
        for plane, part in zip(mixed, colours[colour], strict=True):
            plane[own] = part[own]
    return mixed


@cache
def stack_night(number, mosaic, only="RGB", hits=0):
    stars = scatter_stars(110, SHAPE, 3, least=1e4, most=1.5e6)
    fields, sky = {}, {}
    for colour in COLOURS:
        part = np.array([1, 1, PARTS[colour] * (colour in only)])
        fields[colour] = Field(stars * part, SHAPE, hits=hits)
    pointings, lights = dither(number, 3), {}
    for n, pointing in enumerate(pointings):
        colours = {}
        for k, (colour, field) in enumerate(fields.items()):
            clear = 1 - CLEAR[colour] * n / (number - 1)
            sky[colour] = SKIES[colour] / clear  # so that the sky is the same on all lights
            colours[colour] = field.take(replace(pointing, sky=sky[colour], clear=clear), 3 * n + k)
        lights[f"{n:02d}"] = lay_mosaic(colours, mosaic)
    lists = {
        colour: {name: list_colour_stars(*planes, mosaic, colour) for name, planes in lights.items()}
        for colour in COLOURS
    }
    told = lists["G"]
    told["00"] = replace(told["00"], fwhm=0.9 * (told["00"].fwhm or 3))  # the reference, which lies in the middle
    found = select_lights(told, dict.fromkeys(lights, 60.0), {}, Limits(most_fwhm=3.0))
    assert found.reference == "00"
    assert not found.left_out
    stacks = {}
    for colour in COLOURS:
        placed = []
        for name, (registration, scale) in found.used.items():

            def read(*box, planes=lights[name]):
                return planes[0][box], planes[1][box] ** 2, planes[2][box]

            stars, first = (lists[colour][each] for each in (name, "00"))
            own = measure_colour_scale(stars, first, registration.transform, (60.0, 60.0))
            whole = PlacedLight(read, SHAPE, registration.transform, 0.0, 0.0, scale.value, 60.0)
            placed.extend(take_colour(whole, mosaic, colour, stars, own.value if own.stars else None))
        stacks[colour] = stack_lights(placed, Canvas(SHAPE))
    return fields, pointings[0], lists, stacks


def choose_stars(field, pointing, least):
    truth = field.place(pointing)
    away = np.hypot(*(truth[:, None] - truth[None]).transpose(2, 0, 1))
    np.fill_diagonal(away, 99)
    inside = ((truth > 45) & (truth < (SHAPE[1] - 46, SHAPE[0] - 46))).all(axis=1)
    return truth, np.flatnonzero(inside & (away.min(axis=1) > 20) & (field.stars[:, 2] > least))


@pytest.mark.parametrize(("number", "mosaic"), [(4, "RGGB"), (9, "GBRG")])
@pytest.mark.parametrize("colour", list(COLOURS))
def test_places_fluxes_and_error_bars(number, mosaic, colour):
    """Fluxes within 4 standard deviations of what the photons of a half or a quarter of all pixels leave uncertain."""
    fields, pointing, _, stacks = stack_night(number, mosaic)
    field, stack = fields[colour], stacks[colour]
    truth, chosen = choose_stars(field, pointing, 4e4)
    assert len(chosen) >= 8
    image = np.nan_to_num(stack.data).astype(float)
    density, electrons = mosaic.count(colour) / 4, field.stars[chosen, 2]
    noise = np.sqrt((electrons + np.pi * RADIUS**2 * (SKIES[colour] + 36)) / number / density) / electrons
    parts = np.array([sum_aperture(image, *truth[n], RADIUS) for n in chosen]) * field.gain / electrons
    assert (np.abs(parts - 1) < 4 * noise + 0.003).all()  # and scales are uncertain by 0.1 % in blue
    for n in chosen:
        assert np.hypot(*(find_middle(image, *truth[n], 1.5) - truth[n])) < 0.1
    inner = np.zeros(SHAPE, bool)
    inner[45:-45, 45:-45] = True
    empty = inner & (field.expect(replace(pointing, sky=0.0, see=2.4)) < 0.02)
    assert np.isfinite(stack.data[inner]).all()
    assert abs((stack.data[empty] / np.sqrt(stack.variance[empty])).std() - 1) < 0.05
    blocks = np.where(empty, stack.data, np.nan)[:400].reshape(40, 10, 42, 10).sum(axis=(1, 3))
    bars = np.sqrt(np.where(empty, stack.variance, np.nan)[:400].reshape(40, 10, 42, 10).sum(axis=(1, 3)))
    pulls = (blocks / bars)[np.isfinite(blocks)]
    assert pulls.std() > 2  # a pixel of a colour is a neighbour of itself
    assert 0.85 < pulls.std() / stack.noise_factor < 1.07  # pixels of this size show at the edges of the blocks
    assert stack.exposure == 60 * number
    assert abs(np.median(stack.seconds[inner]) - 60 * number) < 2


def test_colours_do_not_mix():
    fields, pointing, _, stacks = stack_night(4, "RGGB", only="G")
    _, chosen = choose_stars(fields["G"], pointing, 1e5)
    truth = fields["G"].place(pointing)
    for colour in "RB":
        image = np.nan_to_num(stacks[colour].data).astype(float)
        sums = np.array([sum_aperture(image, *truth[n], RADIUS) for n in chosen])
        noise = np.sqrt(np.pi * RADIUS**2 * (SKIES[colour] + 36)) / fields[colour].gain
        assert np.abs(sums).max() < 4 * noise
    assert np.nanmax(stacks["G"].data) > 2000


def test_hits_are_rejected():
    """Beside stars; on them pixels that stand for four differ too much to tell all hits."""
    fields, pointing, _, clean = stack_night(4, "RGGB")
    hit = stack_night(4, "RGGB", hits=60)[-1]
    for colour in COLOURS:
        empty = np.zeros(SHAPE, bool)
        empty[45:-45, 45:-45] = True
        empty &= fields[colour].expect(replace(pointing, sky=0.0, see=2.4)) < 0.02
        noise = np.sqrt(np.nanmedian(clean[colour].variance))
        assert np.abs(hit[colour].data - clean[colour].data)[empty].max() < 5 * noise
        assert hit[colour].rejected[empty].sum() > clean[colour].rejected[empty].sum() + 100


@pytest.mark.parametrize("colour", list(COLOURS))
def test_lists_tell_the_sky_of_a_colour(colour):
    fields, pointing, lists, _ = stack_night(4, "RGGB")
    stars, field = lists[colour]["00"], fields[colour]
    assert abs(stars.level * field.gain / SKIES[colour] - 1) < 0.01
    assert abs(stars.noise * field.gain / np.sqrt(SKIES[colour] + 36) - 1) < 0.04
    assert abs(lists[colour]["01"].fwhm - 1.3 * 2.3548) < 0.15
    truth = field.place(pointing)
    away = np.hypot(*(stars.places[:, None] - truth[None]).transpose(2, 0, 1))
    bright = stars.fluxes * field.gain > 1e5
    assert bright.sum() > 8
    assert np.median(away.min(axis=1)[bright]) < 0.1
    parts = stars.fluxes * field.gain / field.stars[away.argmin(axis=1), 2]
    assert abs(np.median(parts[bright & stars.clean]) - 1) < 0.02


def test_filled_pixels_are_means_of_good_neighbours():
    data = np.arange(36.0).reshape(6, 6)
    mask = np.zeros((6, 6), np.uint8)
    data[2, 2], mask[2, 4] = np.nan, 1
    own = np.zeros((6, 6), bool)
    own[::2, ::2] = True
    image, flags = fill_between(data, mask, own)
    assert image[0, 1] == 1
    assert image[1, 1] == (0 + 2 + 12) / 3
    assert image[2, 1] == 12
    assert np.isnan(image[2, 2])
    assert np.isnan(image[2, 3])
    assert flags[2, 3] == 1
    assert image[4, 1] == 25
    assert np.array_equal(image[own & (mask == 0)], data[own & (mask == 0)].astype(np.float32), equal_nan=True)
    assert not flags[:2, :3].any()
