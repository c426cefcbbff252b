"""What charts show of each frame: a row with its names, its time, its figures, and why it stands out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from darkroom.chart_words import read_number, shorten
from darkroom.report_model import LightShown, Night, RawShown

DAYS = 2 * 86_400_000  # in ms; further from the others no frame of a night can be

Row = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """A figure of frames: its field, its chart's heading, what its axis is called, its unit, what to know of it.

    ``reference`` is where a rule is drawn, ``floor`` the value that its scale begins with, ``odd`` under which names a
    light's ``odd`` tells of it; ``frames`` are what it is of, and ``ring`` says what a ring means.
    """

    name: str
    title: str
    axis: str
    unit: str
    caption: str
    reference: float | None = None
    floor: float | None = None
    odd: tuple[str, ...] = ()
    frames: str = "lights"
    ring: str = "A cross in a ring: it stands out from the others."


LIGHTS = [
    Figure("sky", "Sky level", "Sky level", "", "Of one pixel, in the calibrated lights. Dusk, dawn and the Moon "
           "change it slowly, clouds at once.", odd=("sky",)),
    Figure("ratio", "Background noise against what is expected", "Noise over expected noise", "", "Of one pixel of "
           "empty sky, over what its error bars say: 1 where they are right, more where something adds noise.",
           reference=1.0, odd=("noise", "ratio", "noise_ratio")),
    Figure("fwhm", "Width of stars", "FWHM of stars", "pixels", "The full width at half maximum of the stars of each "
           "light: focus and seeing.", odd=("fwhm",)),
    Figure("elongation", "Elongation of stars", "Elongation of stars", "", "The longer axis over the shorter one: 1 "
           "for round stars, more where the telescope was shaken or did not follow.", reference=1.0,
           odd=("elongation",)),
    Figure("stars", "Number of stars", "Number of stars", "", "Those found in each light: few where clouds or dew are "
           "in the way.", floor=0.0, odd=("stars",)),
    Figure("masked", "Masked pixels", "Masked part", "%", "The part of each light's pixels that are flagged: bad, hot, "
           "full, hit.", floor=0.0, odd=("masked",)),
]  # fmt: skip
TEMPERATURE = Figure("temperature", "Sensor temperature", "Sensor temperature", "°C", "Of all raw frames. A dark fits "
                     "lights of its own temperature.", odd=("temperature",), frames="frames")  # fmt: skip
FLATS = Figure("level", "Levels of flat frames", "Level", "ADU", "The median of each raw flat frame, its bias "
               "included.", odd=("level",), frames="flat frames",
               ring="A cross in a ring: it was left out.")  # fmt: skip


def describe_light(light: LightShown, filters: dict[str, str]) -> Row:
    """Return the row of a light; ``filters`` says how each filter is shown."""
    noise, expected = light.noise, light.noise_expected
    ratio = noise / expected if noise is not None and expected else None
    figures = {"sky": light.sky, "ratio": ratio, "fwhm": light.fwhm, "elongation": light.elongation,
               "stars": light.stars, "masked": light.masked, "noise": noise, "expected": expected}  # fmt: skip
    row = _start_row(light.raw, light.path, light.start, light.exposure)
    row |= {"object": shorten(light.object), "filter": filters[light.filter]}
    row |= {name: number for name, value in figures.items() if (number := read_number(value)) is not None}
    return row | _say_odd(LIGHTS, light.odd)


def describe_raw(
    raw: RawShown, filters: dict[str, str], kinds: dict[str, str], paths: dict[str, str], odd: dict[str, str]
) -> Row:
    """Return the row of a raw frame; ``paths`` are those of what was made of it, ``odd`` how the light stands out."""
    row = _start_row(raw.name, paths.get(raw.name, ""), raw.start, raw.exposure)
    row |= {"kind": kinds[raw.kind], "filter": filters.get(raw.filter, "")}
    figures = {"temperature": raw.temperature, "level": raw.level}
    row |= {name: number for name, value in figures.items() if (number := read_number(value)) is not None}
    if raw.problem and raw.kind == "flat":
        odd = {"level": raw.problem, **odd}
    return row | _say_odd([TEMPERATURE, FLATS], odd)


def _start_row(raw: str, path: str, start: str, exposure: float | None) -> Row:
    row: Row = {"raw": raw, "path": path, "name": shorten(raw, 60)}
    time = _read_time(start)
    if time is not None:
        row |= {"time": time, "start": f"{datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%d %H:%M:%S}"}
    if (number := read_number(exposure)) is not None:
        row["exposure"] = number
    return row


def _say_odd(figures: list[Figure], odd: dict[str, str]) -> Row:
    """Return why a frame stands out, in a field for each figure that it stands out by."""
    said = {one.name: [odd[key] for key in one.odd if key in odd] for one in figures}
    return {f"{name}_odd": shorten("; ".join(reasons), 200) or "yes" for name, reasons in said.items() if reasons}


def _read_time(start: str) -> int | None:
    """Return an ISO 8601 time, UTC unless it says otherwise, in milliseconds since 1970."""
    try:
        moment = datetime.fromisoformat(start)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError, TypeError):
        return None


def find_products(night: Night) -> dict[str, str]:
    """Return for each raw frame the light or the master that was made of it."""
    masters = {name: master.path for master in night.masters for name in master.frames}
    return masters | {light.raw: light.path for light in night.lights if light.path}


def choose_timed(rows: list[Row]) -> list[Row]:
    """Return the rows that have a time, without what a wrong clock puts days away from the others."""
    timed = [row for row in rows if "time" in row]
    middle = median(row["time"] for row in timed) if timed else 0
    return [row for row in timed if abs(row["time"] - middle) <= DAYS]
