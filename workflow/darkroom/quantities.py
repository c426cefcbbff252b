"""Quantities: gain, read noise and temperature as cards give them, where what they give can be true."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

# What a sensor may have. Many programs write the gain setting (100, 139, ...) into GAIN, which is not e-/ADU.
LARGEST_GAIN = 20.0  # e-/ADU
LARGEST_READ_NOISE = 1000.0  # e-
# Comments of a GAIN that counts something else: the setting, an index, decibels, or ADU per electron.
_OTHER_GAIN = re.compile(
    r"index|setting|sensor gain|camera gain|\bdb\b|decibel|\biso\b|adu\s*(/|per)\s*e", re.IGNORECASE
)
# No sensor is warmer than 100 deg C, so more is kelvin; beyond 100 deg C in kelvin it is a mark for "not measured".
KELVIN = 273.15
LARGEST_CELSIUS = 100.0
_TEMPERATURE = re.compile(r"\s*([+-]?\d+(?:\.\d*)?(?:e[+-]?\d+)?)\s*(?:deg|°)?\.?\s*([ck])?\s*", re.IGNORECASE)


def read_number(value: Any) -> float | None:
    """Return a finite number from a number or text; None if it is neither, and for truth values."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def read_gain(value: Any) -> float | None:
    """Return a gain in e-/ADU, or None if it is none that a camera has."""
    number = read_number(value)
    return number if number is not None and 0 < number <= LARGEST_GAIN else None


def read_noise(value: Any) -> float | None:
    """Return a read noise in e-, or None if it is none that a camera has."""
    number = read_number(value)
    return number if number is not None and 0 < number <= LARGEST_READ_NOISE else None


def read_temperature(value: Any) -> float | None:
    """Return a sensor's temperature in deg C from a number or text such as ``11 C``; more than 100 is kelvin.

    None for what no sensor has: -999, 999, or the -1.8e308 of a set point that was never set.
    """
    number, unit = read_number(value), ""
    if number is None and isinstance(value, str) and (parts := _TEMPERATURE.fullmatch(value)):
        number, unit = read_number(parts[1]), (parts[2] or "").upper()
    if number is None:
        return None
    if unit == "K" or (not unit and number > LARGEST_CELSIUS):
        number -= KELVIN
    return round(number, 3) + 0.0 if -KELVIN <= number <= LARGEST_CELSIUS else None


def is_gain_setting(header: Mapping[str, Any], card: str) -> bool:
    """Whether the comment of a card such as GAIN says that it is no gain in e-/ADU."""
    comments = getattr(header, "comments", {})
    try:
        return bool(_OTHER_GAIN.search(str(comments[card])))
    except (KeyError, IndexError, ValueError):
        return False
