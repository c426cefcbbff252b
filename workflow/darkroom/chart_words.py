"""What charts say and how: numbers, units and names as they are shown, and scales on which all of a series is seen."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from darkroom.texts import make_printable

DIGITS = 5  # of a number in a chart
LONGEST = 40  # letters of a name in a legend
FAR = 20.0  # the largest value over the smallest from which a scale is logarithmic
FAR_OUT = 8.0  # or the whole range over the range of most, if a logarithm helps at all
UNITS = {"electron": "e-", "adu": "ADU", "adu/s": "ADU/s"}


@dataclass(frozen=True)
class Range:
    """The scale of an axis: its type, ends and ticks; ``remark`` says what is unusual about it."""

    type: Literal["linear", "log", "symlog"]
    domain: tuple[float, float]
    ticks: list[float] | None = None
    constant: float = 1.0
    remark: str = ""


def read_number(value: Any) -> float | None:
    """Return a number, of a table or the model, to five digits; None for what is none, or not finite."""
    if value is None or isinstance(value, bool) or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return float(f"{number:.{DIGITS}g}") if math.isfinite(number) else None


def say_number(value: float, digits: int = 4) -> str:
    """Return a number as people write it: 312, 1,240, 0.0031, 2.1e-7."""
    if value == 0 or not 1e-4 <= abs(value) < 1e7:
        return f"{value:.{digits}g}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def say_figure(value: float, unit: str, digits: int = 4) -> str:
    """Return a number and its unit; a fraction (unit %) is shown in percent."""
    if unit == "%":
        return f"{say_number(100 * value, digits)} %"
    return f"{say_number(value, digits)} {unit}".strip()


def name_unit(unit: str) -> str:
    """Return how a unit of the products is shown."""
    return UNITS.get(unit.casefold(), shorten(unit, 16))


def shorten(text: str, most: int = LONGEST) -> str:
    """Return a text that fits: without control characters, its middle left out where it is too long."""
    text = make_printable(text[: 4 * most] + text[-4 * most :] if len(text) > 8 * most else text)
    return text if len(text) <= most else f"{text[: most - most // 3 - 1]}…{text[-(most // 3) :]}"


def name_series(names: Iterable[str], nameless: str = "none") -> dict[str, str]:
    """Return how each name is shown in a legend, in order: short, printable, and no two alike."""
    shown: dict[str, str] = {}
    for name in sorted(set(names), key=_sort_naturally):
        label = short = shorten(name.strip()) or nameless
        number = 1
        while label in shown.values():
            number += 1
            label = f"{short} ({number})"
        shown[name] = label
    return shown


def _sort_naturally(name: str) -> tuple[bool, str, str]:
    """Return what sorts numbers by their size, and what has no name last."""
    return not name.strip(), re.sub(r"[0-9]+", lambda found: found[0].zfill(9), name[:99]), name


def choose_range(values: Sequence[float], floor: float | None = None, reference: float | None = None) -> Range:
    """Return the scale on which all values are seen, and one that is far from the rest does not flatten it.

    A linear scale begins at ``floor`` and shows ``reference`` as well. It is logarithmic (with a linear part about
    zero, where there are values that have no logarithm) beyond a factor of 20, or where most values would take up less
    than an eighth of it; one with a floor of 0, where the largest is 20 times the median.
    """
    low, high, spread = min(values), max(values), _measure_middle(values)
    far_out = high - low > FAR_OUT * spread > 0
    if floor is not None:
        wanted = high > FAR * abs(median(values)) > 0
    elif low > 0:
        wanted = high / low > FAR or (far_out and high / low > 3)
    else:
        wanted = high - low > FAR * spread > 0
    if wanted and low > 0 and (floor is None or low > median(values) / FAR):
        grow = 1.12
        ends = (low / grow, high * grow)
        return Range("log", _tidy_ends(*ends), find_log_ticks(*ends), remark="The scale is logarithmic.")
    if wanted:
        constant = float(f"{max(spread, median(map(abs, values)) / 10):.1g}")
        ends = (low - 0.3 * constant if low < 0 else low, high * 1.15 + 0.1 * constant)
        remark = "The scale is logarithmic, but for the part about 0, which is linear."
        return Range("symlog", _tidy_ends(*ends), _find_symlog_ticks(*ends, constant), constant, remark)
    shown = [value for value in (low, high, floor, reference) if value is not None]
    low, high = min(shown), max(shown)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return Range("linear", _tidy_ends(low if low == floor else low - margin, high + margin))


def find_log_ticks(low: float, high: float) -> list[float]:
    """Return ticks of a logarithmic scale: the fewer of each decade, the more decades there are."""
    decades = math.log10(high / low)
    steps = (1, 1.5, 2, 3, 5, 7) if decades < 1 else (1, 2, 5) if decades < 2.5 else (1,)
    every = max(1, math.ceil(decades / 7))
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{step}e{power}") for power in exponents if power % every == 0 for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def _find_symlog_ticks(low: float, high: float, constant: float) -> list[float]:
    start = 10.0 ** math.ceil(math.log10(constant))
    above = find_log_ticks(start, high) if high > start else [high]
    below = find_log_ticks(start, -low) if -low > start else []
    return [-tick for tick in reversed(below)] + [0.0] + above


def _measure_middle(values: Sequence[float]) -> float:
    """Return the range of the values without a tenth at either end, one at least; of a few, of all."""
    ends = max(1, len(values) // 10) if len(values) >= 5 else 0
    middle = sorted(values)[ends : len(values) - ends]
    return middle[-1] - middle[0]


def _tidy_ends(low: float, high: float) -> tuple[float, float]:
    return float(f"{low:.6g}"), float(f"{high:.6g}")
