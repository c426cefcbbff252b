"""Lights that stand out, of simulated nights: bad ones are found, ordinary ones seldom."""

import math

import numpy as np
import pytest

from darkroom import oddities
from darkroom.oddities import find_oddities, predict
from darkroom.report_model import LightShown

NIGHTS = 200
SPOILT = ("cloud", "trailed", "defocused", "dome", "dawn")


def wander(rng, number, length, rms):
    """Return noise that keeps for about so many steps."""
    values, keep = [rng.normal(0, rms)], math.exp(-1 / length)
    for _ in range(number - 1):
        values.append(keep * values[-1] + rng.normal(0, rms * math.sqrt(1 - keep**2)))
    return np.array(values)


def make_night(seed, each=None, objects=None):
    """Make up lights of three filters, one after the other or in turns: airmass, seeing, fields of their own."""
    rng = np.random.default_rng(seed)
    counts = [each or int(rng.integers(12, 51)) for _ in "BVR"]
    turns = sorted(
        (n / count if seed % 2 else 0, name, n) for name, count in zip("BVR", counts, strict=True) for n in range(count)
    )
    number = len(turns)
    hours = np.linspace(0, rng.uniform(3, 9), number)
    seeing = np.exp(wander(rng, number, rng.uniform(5, 30), rng.uniform(0.05, 0.15)) + rng.normal(0, 0.04, number))
    drift = 1 + rng.uniform(0, 0.5) * hours / hours[-1]  # of the focus
    airmass = 1 / np.clip(np.cos(np.radians((hours - hours[-1] * rng.uniform(0.2, 0.8)) * 13)), 0.35, 1)
    pointed = np.sort(rng.integers(0, objects or rng.integers(1, 4), number))
    field, glow = 10 ** rng.uniform(1.3, 3, 5), rng.normal(1, 0.08, 5)
    haze = wander(rng, number, 20, 0.02)
    lights = []
    for n, (_, name, _) in enumerate(turns):
        sky = {"B": 80, "V": 200, "R": 400}[name] * (0.6 + 0.4 * airmass[n]) * glow[pointed[n]]
        sky *= math.exp(2 * haze[n] + rng.normal(0, 0.01))
        fwhm = 2.8 * seeing[n] * drift[n] * airmass[n] ** 0.6
        expected = field[pointed[n]] * {"B": 0.4, "V": 0.8, "R": 1}[name] * (2.8 / fwhm) ** 0.7 * math.exp(-haze[n])
        stars = int(rng.poisson(expected))
        error = 1 / math.sqrt(max(min(stars, 80), 1))
        lights.append(
            LightShown(
                f"lights/{n:03}", f"{n:03}", "ccd", f"field {pointed[n]}", name, 60.0, f"2024-03-10T{hours[n]:09.5f}",
                sky=sky, noise=math.sqrt(sky + 64) * rng.normal(1.01, 0.006), noise_expected=math.sqrt(sky + 64),
                fwhm=fwhm * (1 + rng.normal(0, 0.1 * error)) if stars > 2 else None,
                elongation=1 + abs(rng.normal(0.05, 0.03)) + abs(rng.normal(0, 0.15 * error)), stars=stars,
                masked=0.002 * rng.uniform(0.9, 1.1),
            )
        )  # fmt: skip
    return lights


def spoil(light, how):
    if how == "cloud":
        light.sky, light.stars = 2 * light.sky, light.stars // 3
    elif how == "trailed":
        light.fwhm, light.elongation = 1.6 * light.fwhm if light.fwhm else None, 2.0
    elif how == "defocused":
        light.fwhm, light.stars = 2.5 * (light.fwhm or 3.0), light.stars // 2
    elif how == "dome":
        light.stars, light.fwhm, light.elongation = 0, None, None
    elif how == "dawn":
        light.sky *= 5
    light.noise_expected = math.sqrt(light.sky + 64)
    light.noise = 1.01 * light.noise_expected


def make_group(number, **fields):
    """Return lights that are all alike."""
    usual = {"sky": 100.0, "noise": 12.0, "noise_expected": 12.0, "fwhm": 3.0, "elongation": 1.05, "stars": 300,
             "masked": 0.001}  # fmt: skip
    return [
        LightShown(f"{n}", f"{n}", "ccd", "M67", "V", 60.0, f"2024-03-11T{n // 60:02}:{n % 60:02}:00", **usual | fields)
        for n in range(number)
    ]


def test_ordinary_nights_have_few_odd_lights():
    nights = [make_night(seed) for seed in range(NIGHTS)]
    for night in nights:
        find_oddities(night)
    assert sum(bool(light.odd) for night in nights for light in night) < 0.005 * sum(map(len, nights))


@pytest.mark.parametrize("each", [4, 6, 8, 12])
def test_short_nights_have_few_odd_lights(each):
    nights = [make_night(seed, each) for seed in range(60)]
    for night in nights:
        find_oddities(night)
    assert sum(bool(light.odd) for night in nights for light in night) <= 0.005 * sum(map(len, nights))


@pytest.mark.parametrize("how", SPOILT)
def test_bad_lights_are_found(how):
    missed = tried = 0
    for seed in range(60):
        night = make_night(seed)
        at = -1 if how == "dawn" else int(np.random.default_rng(seed + 9000).integers(len(night)))
        if how in ("cloud", "dome") and night[at].stars < 30:  # there is not much to lose
            continue
        spoil(night[at], how)
        find_oddities(night)
        tried, missed = tried + 1, missed + (not night[at].odd)
    assert tried > 35
    assert missed <= (1 if how == "defocused" else 0)  # a seeing that wanders by as much hides one


@pytest.mark.parametrize("start", [0, 13, 24])
def test_a_bank_of_clouds_is_found_and_what_is_around_it_is_not(start):
    lights = make_group(32)
    for n, light in enumerate(lights):
        light.sky *= 1 + 0.02 * n + 0.01 * (-1) ** n
        light.stars += n % 7
    bank = lights[start : start + 8]
    for light in bank:
        spoil(light, "cloud")
    find_oddities(lights)
    assert [bool(light.odd) for light in lights] == [light in bank for light in lights]
    assert all(set(light.odd) >= {"sky", "stars"} for light in bank)


def test_reasons_name_the_figures():
    lights = make_group(20)
    lights[3].sky = 420.0
    lights[5].fwhm, lights[5].elongation = 7.9, 1.8
    lights[7].stars, lights[8].stars = 0, 1
    lights[9].noise = 19.2
    lights[11].masked = 0.12
    lights[13].sky = 30.0
    find_oddities(lights)
    assert {n: light.odd for n, light in enumerate(lights) if light.odd} == {
        3: {"sky": "sky 4.2 times that of the lights around it"},
        5: {
            "fwhm": "FWHM 7.9 pixels; the lights around it have 3.0",
            "elongation": "stars 1.80 times as long as wide; the lights around it have 1.05",
        },
        7: {"stars": "no stars; the lights around it have 300"},
        8: {"stars": "1 star; the lights around it have 300"},
        9: {"noise": "noise 1.60 times what its error bars say; the lights around it have 1.00"},
        11: {"masked": "12.0% of its pixels flagged; the lights around it have 0.1%"},
        13: {"sky": "sky 0.30 times that of the lights around it"},
    }


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_less_than_four_lights_say_nothing_of_each_other(number):
    lights = make_group(number)
    lights[-1].sky, lights[-1].fwhm, lights[-1].stars = 5000.0, 30.0, 0
    find_oddities(lights)
    assert [bool(light.odd) for light in lights] == [number > 3 and n == 3 for n in range(number)]


def test_noise_of_twice_the_error_bars_is_odd_by_itself():
    lights = make_group(2, noise=25.0)
    find_oddities(lights)
    why = "a nebula, a cluster of stars or bands, or a wrong gain, makes more of it"
    assert [light.odd for light in lights] == [{"noise": f"noise 2.1 times what its error bars say; {why}"}] * 2


def test_single_exposures_are_compared_with_others_by_the_second():
    lights = make_group(8)
    for n, light in enumerate(lights):
        light.exposure, light.sky, light.stars = 10.0 * (n + 1), 20.0 * (n + 1), 30 * n
    lights[4].sky *= 4
    lights[6].fwhm = 8.0
    find_oddities(lights)
    assert {n: set(light.odd) for n, light in enumerate(lights) if light.odd} == {4: {"sky"}, 6: {"fwhm"}}


def test_stars_of_another_field_are_not_compared():
    lights = make_group(20)
    for light in lights[12:]:
        light.object, light.stars = "a poor field", 20
    lights[15].stars = 3
    find_oddities(lights)
    assert [n for n, light in enumerate(lights) if light.odd] == [15]


def test_noise_of_a_cluster_is_compared_with_its_own():
    lights = make_group(20)
    for light in lights[::4]:
        light.object, light.noise = "a cluster", 20.0
    lights[9].noise = 20.0
    find_oddities(lights)
    assert [n for n, light in enumerate(lights) if light.odd] == [9]


def test_slow_changes_are_not_odd():
    lights = make_group(40)
    for n, light in enumerate(lights):
        light.fwhm = 3.0 * (1 + n / 40)  # the focus drifts away
        light.sky = 100 * math.exp(0.03 * n)  # the moon rises
    find_oddities(lights)
    assert not any(light.odd for light in lights)


def test_old_oddities_are_forgotten_and_unknown_figures_are_nothing():
    lights = make_group(10, sky=None, noise=math.nan, noise_expected=0.0, fwhm=math.inf, stars=None, masked=None)
    lights[0].odd = {"sky": "once"}
    lights[1].exposure, lights[2].start, lights[3].sky = None, "", -5.0
    find_oddities(lights)
    assert not any(light.odd for light in lights)


def test_the_order_of_lights_does_not_matter():
    night = make_night(3)
    for light in night[40:44]:
        spoil(light, "cloud")
    find_oddities(night)
    found = {light.path: light.odd for light in night}
    find_oddities(night[::-1])
    assert {light.path: light.odd for light in night} == found
    assert any(found.values())


def test_a_line_with_outliers_is_predicted():
    line = 2 + 0.3 * np.arange(30)
    spoilt = line.copy()
    spoilt[[4, 5, 6, 20, 29]] += 9
    np.testing.assert_allclose(predict(spoilt)[7:25], line[7:25], atol=1e-9)
    np.testing.assert_allclose(predict(spoilt)[[0, 29]], [line[1], line[29]], atol=0.31)


@pytest.mark.parametrize("count", [0, 1, 2, 12, 35, 47])
def test_stars_are_told_as_they_were_counted(count):
    """The logarithm by which they are compared does not come back exactly."""
    text = oddities._tell_stars(math.exp(oddities._take_log(count, oddities.NO_STAR)), 143.0, "the lights around it")
    assert text.split(" ")[0] == (str(count) if count else "no")
