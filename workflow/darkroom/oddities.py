"""Oddities: which lights stand out of their night, by which figure and why, and none that go with a slow change.

A figure is compared with those of the lights around it in time, of the same setup, filter and exposure: a line through
them, as robust as a median, so that a drift (the sky with the altitude, the focus with the temperature) is nothing odd.
What lasts for longer than that is compared with the whole group.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.report_model import LightShown

FEWEST = 4  # lights of a group, below which nothing stands out
FEWEST_OF_OBJECT = 5  # of one object, below which its sky is compared with that of others
ENOUGH = 8  # from which there are some around each, and some that make a trend
AROUND = 20  # lights that one is compared with
DEVIATION = 4.0  # robust standard deviations of the group that an odd light is away, at least
FEW = 2.0  # over the number of lights: by how much more a light of a small group has to differ
LASTING = 0.25  # part of a group that may be odd together
UNEXPECTED = 2.0  # times the noise that error bars say, from which it is odd whatever the others are like
STRUCTURE = "a nebula, a cluster of stars or bands, or a wrong gain, makes more of it"
ROUND = 1.25  # longer axis over shorter one of stars up to which none is called long
NO_STAR = 0.5  # what counts for none, of which there is no logarithm
SOME = 0.02  # part of flagged pixels up to which it is nothing odd

Values = NDArray[np.float64]
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Figure:
    """A figure, and from which factor on it is odd: above or below the lights around it, above or below all.

    ``read`` gives the logarithm of its value, ``tell`` says why a light is odd: from its value, that of the others, and
    what these are called.
    """

    name: str
    read: Callable[[LightShown], float | None]
    tell: Callable[[float, float, str], str]
    above: float = math.inf
    below: float = math.inf
    above_all: float = math.inf
    below_all: float = math.inf
    surely: float = math.inf  # from which it is, however much the others scatter
    counted: bool = False  # is it a number of things, which differs by chance?


def find_oddities(lights: list[LightShown]) -> None:
    """Set what is odd of each light of a night: the figure's name, and a short sentence.

    Groups are those of one setup, filter and exposure; where they have less than four lights, those of one setup and
    filter, whose sky is compared by the second, and whose stars are not. Sky, stars and what noise is more than error
    bars say are compared within one object, where there are enough lights of it; a cluster is noisier than its
    surroundings. Of few lights of an object the sky alone is compared with that of others.
    """
    for light in lights:
        light.odd = {}
    lights = sorted(lights, key=lambda light: (light.start, light.path, light.raw))
    whole = _split(lights, lambda light: (light.setup, light.filter, light.exposure))
    for group in whole.values():
        of_object = list(_split(group, lambda light: (light.object,)).values())
        few = [light for some in of_object if len(some) < FEWEST_OF_OBJECT for light in some]
        for figure in (SKY, STARS, EXCESS):
            for some in of_object:
                if len(some) >= FEWEST_OF_OBJECT or len(of_object) == 1:
                    judge(figure, some, some)
                    judge_all(figure, some)
        judge(SKY, group, few)
        for figure in OTHERS:
            judge(figure, group, group)
        for figure in (SKY, NO_STARS, *OTHERS):
            judge_all(figure, group)
    for key, wider in _split(lights, lambda light: (light.setup, light.filter)).items():
        alone = [light for light in wider if len(whole[(*key, light.exposure)]) < FEWEST]
        for figure in (SKY_RATE, *OTHERS):
            judge(figure, wider, alone)
    for light in lights:
        ratio = _read_excess(light)
        if ratio is not None and ratio >= math.log(UNEXPECTED) and "noise" not in light.odd:
            light.odd["noise"] = f"noise {_say(math.exp(ratio))} times what its error bars say; {STRUCTURE}"


def judge(figure: Figure, group: list[LightShown], asked: list[LightShown]) -> None:
    """Set what is odd of some lights of a group, in order of time, compared with the lights of it around them."""
    known, values = _read(figure, group)
    if len(known) < FEWEST or not asked:
        return
    expected = predict(values)
    away = values - expected
    scatter = 1.4826 * np.median(np.abs(away - np.median(away)))
    others = "the lights around it" if len(known) >= ENOUGH else "the others of its group"
    wanted = {id(light) for light in asked}
    for light, value, usual in zip(known, values.tolist(), expected.tolist(), strict=True):
        if id(light) in wanted:
            least = min(DEVIATION * scatter, figure.surely if len(known) >= ENOUGH else math.inf)
            if figure.counted:
                least = max(least, DEVIATION * math.exp(-usual / 2))
            few = 1 + FEW / len(known)
            if value - usual > max(figure.above * few, least) or usual - value > max(figure.below * few, least):
                _mark(figure, light, value, usual, others)


def judge_all(figure: Figure, group: list[LightShown]) -> None:
    """Set what is odd of lights that differ much from all of a group, for longer than those around them would show."""
    known, values = _read(figure, group)
    if len(known) < ENOUGH:
        return
    usual = float(np.median(values))
    least = 3 * 1.4826 * float(np.median(np.abs(values - usual)))
    if figure.counted:
        least = max(least, DEVIATION * math.exp(-usual / 2))
    odd = (values - usual > max(figure.above_all, least)) | (usual - values > max(figure.below_all, least))
    if np.count_nonzero(odd) <= LASTING * len(known):
        for light, value, is_odd in zip(known, values.tolist(), odd.tolist(), strict=True):
            if is_odd:
                _mark(figure, light, value, usual, "its group")


def predict(values: Values) -> Values:
    """Return what is expected of each of some values in order of time, from those around it; its own takes no part.

    Where there are enough, that is the line of repeated medians (Siegel 1982) through the nearest of them, no higher
    and no lower than they are. Up to nearly half of them may be odd.
    """
    number, wide = len(values), min(AROUND, len(values) - 1)
    place = np.arange(number)
    near = np.clip(place - (wide + 1) // 2, 0, number - wide - 1)[:, None] + np.arange(wide + 1)
    near = near[near != place[:, None]].reshape(number, wide)
    around = values[near]
    if number < ENOUGH:
        return np.asarray(np.median(around, axis=1))
    away = (near - place[:, None]).astype(np.float64)
    apart = away[:, None, :] - away[:, :, None]
    itself = apart == 0
    slopes = (around[:, None, :] - around[:, :, None]) / np.where(itself, 1, apart)
    slopes = slopes[~itself].reshape(number, wide, wide - 1)
    slope = np.median(np.median(slopes, axis=2), axis=1)
    line = np.median(around - slope[:, None] * away, axis=1)
    return np.clip(line, around.min(axis=1), around.max(axis=1))


def _read(figure: Figure, group: list[LightShown]) -> tuple[list[LightShown], Values]:
    """Return the lights of a group of which a figure is known, and the logarithms of it."""
    read = [(light, value) for light in group if (value := figure.read(light)) is not None]
    return [light for light, _ in read], np.array([value for _, value in read])


def _mark(figure: Figure, light: LightShown, value: float, usual: float, others: str) -> None:
    if figure.name not in light.odd and (why := figure.tell(math.exp(value), math.exp(usual), others)):
        light.odd[figure.name] = why


def _split(lights: Iterable[LightShown], name: Callable[[LightShown], Key]) -> dict[Key, list[LightShown]]:
    groups: dict[Key, list[LightShown]] = defaultdict(list)
    for light in lights:
        groups[name(light)].append(light)
    return groups


def _take_log(value: float | None, least: float = 0.0) -> float | None:
    """Return the logarithm of a figure, or of the least that counts; None if there is none."""
    if value is None or not math.isfinite(value) or not max(value, least) > 0:
        return None
    return math.log(max(value, least))


def _read_sky(light: LightShown) -> float | None:
    """Return that of the sky, or of a pixel's noise if that is more: a sky of about zero doubles by chance."""
    return _take_log(light.sky, light.noise if light.noise is not None and math.isfinite(light.noise) else 0.0)


def _read_sky_rate(light: LightShown) -> float | None:
    sky, seconds = _read_sky(light), _take_log(light.exposure)
    return sky - seconds if sky is not None and seconds is not None else None


def _read_excess(light: LightShown) -> float | None:
    noise, expected = _take_log(light.noise), _take_log(light.noise_expected)
    return noise - expected if noise is not None and expected is not None else None


def _tell_sky(value: float, usual: float, others: str) -> str:
    return f"sky {_say(value / usual)} times that of {others}"


def _tell_stars(value: float, usual: float, others: str) -> str:
    number = 0 if value < 0.75 else round(value)  # of NO_STAR or of 1
    return f"{number or 'no'} {'star' if number == 1 else 'stars'}; {others} {_have(others)} {usual:.0f}"


def _tell_no_stars(value: float, usual: float, others: str) -> str:
    return _tell_stars(value, usual, others) if value < 1 else ""


def _tell_fwhm(value: float, usual: float, others: str) -> str:
    return f"FWHM {value:.1f} pixels; {others} {_have(others)} {usual:.1f}"


def _tell_elongation(value: float, usual: float, others: str) -> str:
    return f"stars {value:.2f} times as long as wide; {others} {_have(others)} {usual:.2f}" if value > ROUND else ""


def _tell_excess(value: float, usual: float, others: str) -> str:
    return f"noise {_say(value)} times what its error bars say; {others} {_have(others)} {_say(usual)}"


def _tell_masked(value: float, usual: float, others: str) -> str:
    return f"{value:.1%} of its pixels flagged; {others} {_have(others)} {usual:.1%}" if value - usual > SOME else ""


def _have(others: str) -> str:
    return "has" if others == "its group" else "have"


def _say(factor: float) -> str:
    return f"{factor:.0f}" if factor >= 20 else f"{factor:.1f}" if factor >= 2 else f"{factor:.2f}"


_log = math.log
SKY = Figure("sky", _read_sky, _tell_sky, _log(1.5), _log(1.7), _log(3), _log(3))
SKY_RATE = Figure("sky", _read_sky_rate, _tell_sky, _log(2), _log(2))
STARS = Figure(
    "stars", lambda light: _take_log(light.stars, NO_STAR), _tell_stars, below=_log(2), below_all=_log(4), counted=True
)
# Whatever the field, a light has some where the others have tens.
NO_STARS = Figure(
    "stars", lambda light: _take_log(light.stars, NO_STAR), _tell_no_stars, below_all=_log(60), counted=True
)
EXCESS = Figure("noise", _read_excess, _tell_excess, _log(1.2), above_all=_log(1.5))
OTHERS = (
    Figure("fwhm", lambda light: _take_log(light.fwhm), _tell_fwhm, _log(1.4), above_all=_log(2), surely=_log(2)),
    Figure("elongation", lambda light: _take_log(light.elongation), _tell_elongation, _log(1.2), above_all=_log(1.5)),
    Figure("masked", lambda light: _take_log(light.masked, 1e-4), _tell_masked, _log(2), above_all=_log(4)),
)
