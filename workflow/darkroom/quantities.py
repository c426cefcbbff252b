"""Quantities: times, angles, gain, read noise and temperature as cards give them, where what they give can be true."""

from __future__ import annotations

import math
import re
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
# What a unit of time is in seconds.
SECONDS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "msec": 1e-3, "us": 1e-6, "usec": 1e-6, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(rf"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*({'|'.join(SECONDS)})\.?\s*", re.IGNORECASE)
_FRACTION = re.compile(r"\s*1/0*([1-9]\d{0,5})\s*s?\s*")
_ANGLE = re.compile(r"\s*([+-]?)(\d+)[\s:d]+(\d+)(?:[\s:m']+(\d+(?:\.\d*)?))?(.*)")


def read_number(value: Any) -> float | None:
    """Return a finite number from a number or text; None if it is neither, and for truth values."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def read_gain(value: Any, unit: str = "") -> float | None:
    """Return a gain in e-/ADU, or None if it is none that a camera has; no unit is asked."""
    number = read_number(value)
    return number if number is not None and 0 < number <= LARGEST_GAIN else None


def read_noise(value: Any, unit: str = "") -> float | None:
    """Return a read noise in e-, or None if it is none that a camera has; no unit is asked."""
    number = read_number(value)
    return number if number is not None and 0 < number <= LARGEST_READ_NOISE else None


def read_temperature(value: Any, unit: str = "") -> float | None:
    """Return a sensor's temperature in deg C from a number or text such as ``11 C``; more than 100 is kelvin.

    ``unit`` is that of a value which does not say it itself, if it is known.
    None for what no sensor has: -999, 999, or the -1.8e308 of a set point that was never set.
    """
    number = read_number(value)
    if number is None and isinstance(value, str) and (parts := _TEMPERATURE.fullmatch(value)):
        number, unit = read_number(parts[1]), (parts[2] or unit).upper()
    if number is None:
        return None
    if unit == "K" or (unit != "C" and number > LARGEST_CELSIUS):
        number -= KELVIN
    return round(number, 3) + 0.0 if -KELVIN <= number <= LARGEST_CELSIUS else None


def is_gain_setting(comment: str) -> bool:
    """Whether the comment of a card such as GAIN says that it is no gain in e-/ADU."""
    return bool(_OTHER_GAIN.search(comment))


def read_duration(value: Any, unit: str = "") -> float | None:
    """Return seconds from a number, or text such as ``60``, ``60 s``, ``1.5 min`` or ``1/250``; None if it is none.

    ``unit`` is that of a value which does not say it itself; nothing is seconds.
    """
    number = read_number(value)
    if number is None and isinstance(value, str) and (parts := _DURATION.fullmatch(value)):
        number, unit = read_number(parts[1]), parts[2].lower()
    elif number is None and isinstance(value, str) and (parts := _FRACTION.fullmatch(value)):
        number, unit = 1 / int(parts[1]), "s"
    if number is None or unit in ("", "s"):
        return number
    return read_number(number * SECONDS[unit]) if unit in SECONDS else None


def read_angle(value: Any) -> float | None:
    """Return degrees from a number or from text such as ``-105 49 13`` or ``105:49:13 W``; None if it is neither."""
    number = read_number(value)
    if number is not None or not isinstance(value, str):
        return number
    parts = _ANGLE.fullmatch(value)
    if not parts:
        return None
    sign, degrees, minutes, seconds, rest = parts.groups()
    angle = read_number(f"{degrees}.0")
    if angle is None:
        return None
    angle += float(minutes) / 60 + float(seconds or 0) / 3600
    angle = -angle if sign == "-" or rest.strip().upper().endswith("W") else angle
    return angle if math.isfinite(angle) else None
