"""What a page says of figures: their names, what they mean, how they are written."""

from __future__ import annotations

import math
import re
from typing import Any

from darkroom.chart_words import say_number

UNITS = {"electron": "e⁻", "adu": "ADU"}
# What certificates hold: name, the factor and unit it is shown with, and what it means. Zero is best unless it says so.
FIGURES: dict[str, tuple[str, float, str, str]] = {
    "frames": ("Frames", 1, "", "raw frames that it was made of"),
    "proven": ("Held against a frame", 1, "", "whether one could be left out and compared with the others"),
    "residual": ("Residual", 1, "σ", "how far a frame lies from the master of the others, in noises of a pixel"),
    "local_residual": ("Residual in places", 1, "σ", "the same where it is largest: a star, a reflection, a defect"),
    "noise_excess": ("Noise in excess", 100, "%", "how much noisier a frame is than read-out and photons explain"),
    "noise_excess_error": ("its uncertainty", 100, "%", "how well the noise in excess is known"),
    "departure": ("Level apart", 1, "σ", "how far the level of the oddest frame lies from the master"),
    "level": ("Level", 1, "ADU", "the typical level of its frames"),
    "structure": ("Structure", 1, "ADU", "how much single columns and rows stand out"),
    "structure_read_noises": ("the same", 1, "read noises", "columns and rows beside the noise of one read-out"),
    "temperature": ("Temperature", 1, "°C", "the mean of the sensor's"),
    "temperature_departure": ("Temperature apart", 1, "°C", "how far the oddest frame's lies from that mean"),
    "rate": ("Dark current", 1, "ADU/s", "what a pixel gathers in the dark"),
    "hot_fraction": ("Hot pixels", 100, "%", "pixels with far more dark current than those around them"),
    "illumination_change": ("Light unsteady", 100, "%", "how much the illumination changes from frame to frame, rms"),
    "gradient": ("Gradient", 100, "%", "how much brighter one end of the field is than the other"),
    "change": ("Changed", 100, "%", "how much it differs from the flat of the night before, rms"),
    "pixel_change": ("Pixels changed", 100, "%", "the same from pixel to pixel: dust that moved"),
}  # fmt: skip
STATISTICS = {  # in the order in which they are shown
    "median": "median",
    "mean": "mean",
    "robust_std": "robust standard deviation",
    "std": "standard deviation",
    "p01": "1st percentile",
    "p99": "99th percentile",
    "min": "minimum",
    "max": "maximum",
    "blank": "part without a value",
}
VERDICTS = {  # of a master: symbol, word, tone, meaning
    "passed": ("✓", "certified", "good", "held against frames that did not make it"),
    "unproven": ("?", "unproven", "warn", "made of one frame, so that there was none to hold it against"),
    "failed": ("✕", "failed", "bad", "it does not hold what a master must"),
    "not made": ("✕", "not made", "bad", "none of its frames is good"),
    "": ("–", "not examined", "plain", "certification is switched off, or its verdict is not there yet"),
}
STATES = {  # of a light
    "made": ("✓", "made", "good"),
    "odd": ("▲", "stands out", "warn"),
    "skipped": ("✕", "skipped", "bad"),
}


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number (of Python or numpy; True and False are none)."""
    if value is None or isinstance(value, bool | str):
        return False
    try:
        return math.isfinite(value)
    except TypeError:
        return False


def write_number(value: Any, digits: int = 4) -> str:
    """Return a number with so many significant digits, a dash where there is none; other values as they are."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if not is_number(value):
        return "–"
    return say_number(value, digits)


def write_duration(seconds: float | None) -> str:
    """Return a duration: ``90 s``, ``1,080 s (18 min)``, ``9,000 s (2 h 30 min)``; nothing where it is not known."""
    if seconds is None or not is_number(seconds):
        return ""
    text, minutes = f"{say_number(seconds)} s", round(seconds / 60)
    if seconds < 120:
        return text
    return f"{text} ({f'{minutes // 60} h ' if minutes >= 60 else ''}{minutes % 60} min)"


def write_time(iso: str) -> str:
    """Return a time (ISO 8601, UTC) to the second, as people write it; what is none as it is."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d*)?Z?", iso)
    return f"{match[1]} {match[2]} UTC" if match else iso


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number and its noun: ``1 light``, ``2 lights``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def write_unit(unit: str) -> str:
    """Return the sign of a unit, ``electron`` or ``adu``."""
    return UNITS.get(unit, unit)


def explain_figures(figures: dict[str, Any]) -> list[dict[str, str]]:
    """Return name, value and meaning of each figure of a certificate that has a value; unknown ones come last."""
    names = [name for name in FIGURES if name in figures] + [name for name in figures if name not in FIGURES]
    lines = []
    for name in names:
        value = figures[name]
        if value is None:
            continue
        title, factor, unit, meaning = FIGURES.get(name, (name.replace("_", " "), 1, "", ""))
        text = write_number(value * factor if is_number(value) else value)
        lines.append({"key": name, "name": title, "value": f"{text} {unit}".rstrip(), "meaning": meaning})
    return lines
