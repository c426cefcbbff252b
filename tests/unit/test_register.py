"""Registration: places, rotations, flips and mirrors are found to hundredths of a pixel; no wrong match is."""

import numpy as np
import pytest
from astropy.wcs import WCS

from darkroom.problems import JobProblem
from darkroom.stacking.header_guess import guess_transform, read_coordinates
from darkroom.stacking.judgement import Limits
from darkroom.stacking.register import register_light
from darkroom.stacking.selection import select_lights
from darkroom.stacking.star_lists import StarList, list_stars
from darkroom.stacking.transforms import Transform, fit_transform
from tests.fields import Field, Pointing, scatter_stars

SHAPE = (400, 420)
STRAIGHT = Pointing()


@pytest.fixture(scope="module")
def field():
    return Field(scatter_stars(150, SHAPE, 4), SHAPE, hits=20)


@pytest.fixture(scope="module")
def reference(field):
    return list_stars(*field.take(STRAIGHT, 0))


def miss(field, pointing, transform):
    """How far, in pixels, stars land from where they are on the straight light, at worst."""
    truth = field.place(STRAIGHT)
    inside = ((truth > 0) & (truth < (SHAPE[1], SHAPE[0]))).all(axis=1)
    return np.hypot(*(transform.apply(field.place(pointing)) - truth)[inside].T).max()


def make_list(places, shape=SHAPE):
    flux = np.linspace(1e5, 1e3, len(places))
    return StarList(np.asarray(places, float), flux, flux / 50, np.ones(len(places), bool), shape, 3.0, 1.0, 0.0, 1.0)


def make_wcs(field, pointing, off=(0.0, 0.0), degrees=0.0):
    """Coordinates of a light (arcsecond pixels), the pointing off by so many pixels."""
    middle = (np.array(SHAPE[::-1]) - 1) / 2
    angle = np.deg2rad(pointing.degrees + degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.0, 40.0]
    wcs.wcs.crpix = middle + pointing.shift + np.array(off) + 1
    wcs.wcs.cd = np.diag([-1 / 3600, 1 / 3600]) @ turn.T
    return wcs.to_header()


def test_lists_tell_places_and_fluxes(field, reference):
    truth, flux = field.place(STRAIGHT), field.stars[:, 2] / field.gain
    away = np.hypot(*(reference.places[:, None] - truth[None]).transpose(2, 0, 1))
    nearest = away.argmin(axis=1)
    alone = np.sort(np.hypot(*(truth[nearest][:, None] - truth[None]).transpose(2, 0, 1)), axis=1)[:, 1] > 12
    bright = alone & (reference.fluxes > 10000)
    assert bright.sum() > 15
    assert away.min(axis=1)[bright].max() < 0.08
    part = (reference.fluxes / flux[nearest])[bright & reference.clean]
    assert np.abs(part - 1).max() < 0.03
    assert abs(reference.fwhm - 1.3 * 2.3548) < 0.1
    assert abs(reference.level * field.gain - 200) < 2
    assert (np.diff(reference.fluxes) <= 0).all()


@pytest.mark.parametrize(
    "pointing",
    [
        Pointing((38.3, -21.6)),
        Pointing((-40, 40), 5.0, see=1.7),
        Pointing((12.4, 30.2), 180.0),
        Pointing((5.7, -8.1), 182.3, clear=0.6),
        Pointing((-3.0, 4.0), 91.0),
        Pointing((7.2, 3.3), 2.0, mirrored=True),
        Pointing((3.2, -7.3), 1.0, stretch=1.012),
    ],
)
def test_pointings_are_found_by_patterns(field, reference, pointing):
    found = register_light(list_stars(*field.take(pointing, 1)), reference)
    assert found.method == "patterns"
    assert found.transform.mirrored == pointing.mirrored
    assert len(found.pairs) > 25
    assert found.rms < 0.2
    assert miss(field, pointing, found.transform) < 0.05


def test_result_does_not_depend_on_how_it_was_found(field, reference):
    pointing = Pointing((20.4, -11.2), 3.0)
    light = list_stars(*field.take(pointing, 2))
    found = [register_light(light, reference) for _ in range(4)]  # astroalign draws lots
    guess = Transform(found[0].transform.matrix, found[0].transform.shift + np.array([9.0, -4.0]))
    found.append(register_light(light, reference, guess))
    assert found[-1].method == "wcs"
    assert len({each.transform.matrix.tobytes() + each.transform.shift.tobytes() for each in found}) == 1


@pytest.mark.parametrize(("off", "degrees"), [((0, 0), 0), ((60, -90), 0.3)])
def test_coordinates_that_are_off_are_put_right_by_stars(field, reference, off, degrees):
    pointing = Pointing((-22.1, 9.9), 184.0)
    header, other = make_wcs(field, pointing, off, degrees), make_wcs(field, STRAIGHT)
    guess = guess_transform(read_coordinates(header), read_coordinates(other), SHAPE)
    assert (miss(field, pointing, guess) < 0.05) == (off == (0, 0))
    found = register_light(list_stars(*field.take(pointing, 3)), reference, guess)
    assert found.method == "wcs"
    assert miss(field, pointing, found.transform) < 0.05


def test_coordinates_that_are_wrong_do_no_harm(field, reference):
    pointing = Pointing((-22.1, 9.9), 4.0)
    wrong = Transform(np.array([[0.0, -1.0], [1.0, 0.0]]), np.array([300.0, 7.0]))
    found = register_light(list_stars(*field.take(pointing, 3)), reference, wrong)
    assert found.method == "patterns"
    assert miss(field, pointing, found.transform) < 0.05


@pytest.mark.parametrize(
    "cards",
    [
        {},
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": 0.0},
        {"CTYPE1": "X"},
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 9.0, "CRVAL2": 9.0, "CD1_1": 1e-4, "CD2_2": 1e-4},
    ],
    ids=["none", "no scale", "no sky", "no reference pixel"],
)
def test_headers_without_coordinates_give_no_guess(cards):
    from astropy.io import fits

    assert guess_transform(read_coordinates(fits.Header(cards)), read_coordinates(fits.Header(cards)), SHAPE) is None


@pytest.mark.parametrize("number", [4, 5, 8, 15, 40, 120, 300])
def test_other_fields_are_not_matched(number):
    rng = np.random.default_rng(number)
    lists = [make_list(rng.uniform(0, 1, (number, 2)) * SHAPE[::-1]) for _ in range(2)]
    with pytest.raises(JobProblem, match=r"stars can be told to be among"):
        register_light(*lists, Transform.stay())


@pytest.mark.parametrize("number", [5, 6, 8, 12])
def test_few_stars_are_enough_where_all_match(number):
    rng = np.random.default_rng(number)
    places = rng.uniform(40, 380, (number, 2))
    turned = Transform(np.array([[0.0, -1.0], [1.0, 0.0]]), np.array([400.0, 3.0]))
    found = register_light(
        make_list(turned.invert().apply(places) + rng.normal(0, 0.02, places.shape)), make_list(places)
    )
    assert len(found.pairs) == number
    assert np.abs(found.transform.apply(np.zeros((1, 2))) - turned.shift).max() < 0.2


def test_half_of_the_stars_may_be_others():
    rng = np.random.default_rng(2)
    places, angle = rng.uniform(0, 400, (60, 2)), np.deg2rad(4)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    others = rng.uniform(0, 400, (2, 30, 2))
    light = np.concatenate([places @ turn.T + [15, -20], others[0]])[rng.permutation(90)]
    reference = np.concatenate([places, others[1]])[rng.permutation(90)]
    guess = Transform(turn.T, np.zeros(2))
    found = register_light(make_list(light), make_list(reference), guess)
    assert len(found.pairs) >= 55
    assert np.abs(found.transform.matrix - turn.T).max() < 1e-3


def test_blank_frames_are_named(reference):
    rng = np.random.default_rng(0)
    blank = list_stars(rng.normal(100, 5, SHAPE).astype(np.float32))
    assert len(blank) < 4
    with pytest.raises(JobProblem, match=r"it shows .*star.*, and a match needs 4"):
        register_light(blank, reference)
    with pytest.raises(JobProblem, match=r"the reference shows"):
        register_light(reference, blank)
    trusted = register_light(blank, reference, Transform.stay(), trusted=True)
    assert trusted.method == "header"
    assert not len(trusted.pairs)


@pytest.mark.parametrize("value", [0.0, np.nan, 1000.0])
def test_images_without_anything_have_no_stars(value):
    assert not len(list_stars(np.full((64, 80), value, np.float32)))


def test_affine_only_where_the_stars_ask_for_it():
    rng = np.random.default_rng(3)
    source = rng.uniform(0, 1000, (80, 2))
    noise = rng.normal(0, 0.05, source.shape)
    similar = fit_transform(source, source + noise, np.ones(80), False)
    assert similar.matrix[0, 0] == similar.matrix[1, 1]
    stretched = fit_transform(source, source * [1, 1.0005] + noise, np.ones(80), False)
    assert abs(stretched.matrix[1, 1] - stretched.matrix[0, 0] - 0.0005) < 1e-4


def test_lights_are_left_out_with_the_reason(field):
    pointings = {
        "a": Pointing(),
        "b": Pointing((11, 5), 1.0),
        "c": Pointing((-12, 9), 2.0),
        "cloud": Pointing((4, 14), 1.0, clear=0.3),
        "blurred": Pointing((3, -9), 181.0, see=2.4),
    }
    lights = {name: list_stars(*field.take(each, n)) for n, (name, each) in enumerate(pointings.items())}
    long = [np.roll(field.expect(Pointing((2, 3), see=1.0)), n, 1) for n in range(-3, 4)]
    trailed = np.random.default_rng(4).poisson(np.mean(long, axis=0)) / field.gain
    lights["trailed"] = list_stars(trailed.astype(np.float32))
    other = Field(scatter_stars(150, SHAPE, 77), SHAPE)
    lights["elsewhere"] = list_stars(*other.take(Pointing(), 9))
    lights["blank"] = list_stars(np.random.default_rng(1).normal(100, 5, SHAPE).astype(np.float32))
    seconds, times = dict.fromkeys(lights, 60.0), dict.fromkeys(lights, "2024-05-05T01:00:00")
    found = select_lights(lights, seconds, times, Limits(most_fwhm=1.6))
    assert found.reference in "abc"
    assert sorted(found.used) == ["a", "b", "c"]
    reasons = {"cloud": "clouds: ", "blurred": "out of focus", "trailed": "trailed: ", "elsewhere": "not registered"}
    for name, words in reasons.items():
        assert found.left_out[name].startswith(words), found.left_out
    assert "a match needs 4" in found.left_out["blank"]
    assert select_lights(lights, seconds, times, Limits(most_fwhm=1.6)).left_out == found.left_out
    all_that_match = select_lights(lights, seconds, times, Limits(0, None, None))
    assert sorted(all_that_match.left_out) == ["blank", "elsewhere"]


@pytest.mark.parametrize("poor", [Pointing((4, 14), 1.0, see=1.1, clear=0.4), None], ids=["cloudy", "elsewhere"])
def test_a_poor_light_sets_no_scale_though_it_is_the_sharpest(field, poor):
    pointings = {"a": Pointing(see=1.4), "b": Pointing((11, 5), 1.0, see=1.4), "c": Pointing((-12, 9), see=1.4)}
    lights = {name: list_stars(*field.take(each, n)) for n, (name, each) in enumerate(pointings.items())}
    other = Field(scatter_stars(250, SHAPE, 77), SHAPE)
    poor_one = field.take(poor, 5) if poor else other.take(Pointing(see=1.1), 5)
    lights = {"poor": list_stars(*poor_one)} | lights
    found = select_lights(lights, dict.fromkeys(lights, 60.0), {}, Limits())
    assert sorted(found.used) == ["a", "b", "c"]
    assert found.reference in found.used
    assert list(found.left_out) == ["poor"]


def test_no_light_with_stars_is_a_problem_that_names_them():
    blank = {name: make_list(np.ones((n, 2))) for n, name in enumerate("ab")}
    with pytest.raises(JobProblem, match=r"none of 2 lights shows the 4 stars .*\(they show 0, 1\)"):
        select_lights(blank, {"a": 1.0, "b": 1.0}, {}, Limits())


def test_exposures_and_clouds_are_in_the_scale(field):
    lights = {"a": Pointing(), "b": Pointing((9, 9), clear=0.8), "c": Pointing((-8, 3), 180.0, clear=0.5)}
    found = select_lights(
        {name: list_stars(*field.take(each, n)) for n, (name, each) in enumerate(lights.items())},
        {"a": 100.0, "b": 80.0, "c": 50.0},
        {},
        Limits(),
    )
    assert not found.left_out
    reference = lights[found.reference].clear
    for name, pointing in lights.items():
        scale = found.used[name][1]
        assert abs(scale.value * pointing.clear / reference - 1) < max(4 * scale.error, 1e-9)
        assert scale.error < 0.004
