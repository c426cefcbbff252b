"""Solve hints: how large a light's pixels are on the sky and where it points, as settings or header tell.

What a header tells may be wrong, so it narrows the first search alone; see `list_attempts`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from darkroom.quantities import read_number
from darkroom.solving.places import read_declination, read_right_ascension
from darkroom.values import find_quantity, find_value, read_card_name, read_comment

SMALLEST, LARGEST = 0.01, 600.0  # seconds of arc a pixel that a camera may have
WIDEST = 180.0  # degrees of a field
# How far a scale may be from what is told: a rough WCS, a card with the scale, a focal length by name only.
WCS_ROOM, CARD_ROOM, OPTICS_ROOM = 1.1, 1.15, 1.3
RADIUS = 5.0  # degrees that a telescope may be off
ARCSEC = math.degrees(1) * 3600


@dataclass(frozen=True)
class Hints:
    """What is known of a field: ``scale`` as a range in seconds of arc a pixel, ``position`` (RA, Dec) and ``radius``.

    The latter two in degrees (J2000, or near enough). What ends in ``told_by`` says what told each, for a person; what
    begins with ``sure_of``, whether the settings did, so that nothing else is tried.
    """

    scale: tuple[float, float] | None = None
    position: tuple[float, float] | None = None
    radius: float = RADIUS
    scale_told_by: str = ""
    position_told_by: str = ""
    sure_of_scale: bool = False
    sure_of_position: bool = False

    @property
    def text(self) -> str:
        """What is known, for a person."""
        parts = []
        if self.scale:
            parts.append(f'{self.scale[0]:.3g} to {self.scale[1]:.3g}"/pixel ({self.scale_told_by})')
        if self.position:
            ra, dec = self.position
            parts.append(f"within {self.radius:g} deg of RA {ra:.3f} Dec {dec:+.3f} ({self.position_told_by})")
        return ", ".join(parts) or "any scale, anywhere"


def read_hints(
    header: Mapping[str, Any], shape: tuple[int, int], settings: Mapping[str, Any], cards: Mapping[str, Any]
) -> Hints:
    """Return what settings or else header tell of a light's scale and place.

    Parameters
    ----------
    header : mapping
        Card to value, of the light.
    shape : tuple of int
        Its rows and columns.
    settings : mapping
        ``scale`` (a range of two numbers, seconds of arc a pixel), ``position`` (RA and Dec: numbers in degrees or
        text) and ``radius`` (degrees); None or missing is what the header tells.
    cards : mapping
        What the header's cards are called; see `darkroom.dialects.list_hint_cards`.

    Raises
    ------
    ValueError
        If the settings' position or scale is none.
    """
    hints = Hints(radius=float(settings.get("radius", RADIUS)))
    wcs = _read_rough_wcs(header, shape)
    hints = _add_scale(hints, header, cards, wcs)
    hints = _add_position(hints, header, cards, wcs)
    if settings.get("scale"):
        hints = replace(hints, scale=_read_range(settings["scale"]), scale_told_by="settings", sure_of_scale=True)
    if settings.get("position"):
        place = _read_place(settings["position"])
        hints = replace(hints, position=place, position_told_by="settings", sure_of_position=True)
    return hints


def list_hint_problems(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the settings' ``scale`` and ``position``, a line each."""
    for key, read in (("scale", _read_range), ("position", _read_place)):
        try:
            if settings.get(key):
                read(settings[key])
        except ValueError as error:
            yield f"{key}: {error}"


def list_attempts(hints: Hints) -> list[Hints]:
    """Return what to try, one after the other: with all hints, then anywhere, then at any scale.

    What the settings tell is never given up.
    """
    attempts = [hints]
    if hints.position and not hints.sure_of_position:
        attempts.append(replace(hints, position=None))
    if hints.scale and not hints.sure_of_scale:
        attempts.append(replace(attempts[-1], scale=None))
    return attempts


def widen_scale(hints: Hints, shape: tuple[int, int]) -> tuple[float, float]:
    """Return the range of scales to try: that of the hints, or all that a camera of so many pixels may have."""
    return hints.scale or (SMALLEST, min(LARGEST, WIDEST * 3600 / max(shape)))


def _read_range(told: Sequence[Any]) -> tuple[float, float]:
    low, high = (read_number(each) for each in told)
    if low is None or high is None or not SMALLEST <= low <= high <= LARGEST:
        raise ValueError(f"{list(told)!a} is no range of seconds of arc a pixel ({SMALLEST:g} to {LARGEST:g})")
    return low, high


def _read_place(told: Sequence[Any]) -> tuple[float, float]:
    ra, dec = read_right_ascension(told[0]), read_declination(told[1])
    if ra is None or dec is None:
        raise ValueError(f"{list(told)!a} is no right ascension and declination")
    return ra, dec


def _add_scale(hints: Hints, header: Mapping[str, Any], cards: Mapping[str, Any], wcs: _RoughWcs | None) -> Hints:
    """Add the scale by the first that tells it: a rough WCS, a card, pixel size and focal length."""
    if wcs and wcs.scale:
        return _set_scale(hints, wcs.scale, wcs.scale, WCS_ROOM, "the header's WCS")
    scale = find_quantity(header, cards["pixel_scale"], lambda value, _: _read_within(value, SMALLEST, LARGEST))
    if scale:
        return _set_scale(hints, scale, scale, CARD_ROOM, "the header's scale")
    size = find_quantity(header, cards["pixel_size"], _read_size, ("um", "mm", "m"))
    length = find_quantity(header, cards["focal_length"], _read_length, ("m", "cm", "mm"))
    if not size or not length:
        return hints
    # programs write the size of the pixels of the chip or of the frame
    factor = _read_within(find_value(header, cards["binning_x"]), 1, 16) or 1.0
    scale = size / 1000 / length * ARCSEC
    return _set_scale(hints, scale, scale * factor, OPTICS_ROOM, "pixel size and focal length")


def _set_scale(hints: Hints, low: float, high: float, room: float, told_by: str) -> Hints:
    if not SMALLEST <= low <= high <= LARGEST:
        return hints
    return replace(hints, scale=(low / room, high * room), scale_told_by=told_by)


def _add_position(hints: Hints, header: Mapping[str, Any], cards: Mapping[str, Any], wcs: _RoughWcs | None) -> Hints:
    """Add the place by the first that tells it: a rough WCS, the first cards of which both are angles."""
    if wcs:
        return replace(hints, position=wcs.centre, position_told_by="the header's WCS")
    for ra_card, dec_card in cards["position"]:
        keyword = read_card_name(ra_card).keyword
        ra = read_right_ascension(find_value(header, [ra_card]), read_comment(header, keyword))
        dec = read_declination(find_value(header, [dec_card]))
        if ra is not None and dec is not None and (ra or dec):  # both zero is what was never set
            return replace(hints, position=(ra, dec), position_told_by=f"{ra_card} and {dec_card}")
    return hints


@dataclass(frozen=True)
class _RoughWcs:
    centre: tuple[float, float]
    scale: float | None


def _read_rough_wcs(header: Mapping[str, Any], shape: tuple[int, int]) -> _RoughWcs | None:
    """Return where the middle of a light lies by its WCS, and its scale; None if it has none."""
    from astropy.io import fits  # the settings are checked without it

    if not isinstance(header, fits.Header) or "CTYPE1" not in header:
        return None
    from astropy.wcs import WCS

    from darkroom.sky_cards import read_sky_cards

    if (cards := read_sky_cards(header)) is None:
        return None
    with suppress(Exception):  # whatever WCSLIB makes of such numbers
        known = {name: value for name, value in cards if not re.match(r"[AB]_|PV", name)}
        known |= {name: known[name].removesuffix("-SIP") for name in ("CTYPE1", "CTYPE2")}
        if any(name.startswith(("CD1_", "CD2_")) for name in known):  # then no others count
            known = {name: value for name, value in known.items() if not re.match(r"CDELT|CROTA|PC", name)}
        wcs = WCS(fits.Header(known), fix=False)
        ra, dec = wcs.celestial.all_pix2world((shape[1] - 1) / 2, (shape[0] - 1) / 2, 0)
        scale = math.sqrt(abs(float(_find_determinant(wcs)))) * 3600
        if math.isfinite(ra) and math.isfinite(dec) and abs(dec) <= 90:
            return _RoughWcs((float(ra) % 360, float(dec)), scale if SMALLEST <= scale <= LARGEST else None)
    return None


def _find_determinant(wcs: Any) -> float:
    (a, b), (c, d) = wcs.celestial.pixel_scale_matrix
    return float(a * d - b * c)


def _read_within(value: Any, low: float, high: float) -> float | None:
    number = read_number(value)
    return number if number is not None and low <= number <= high else None


def _read_size(value: Any, unit: str) -> float | None:
    """Return micrometres of a pixel that a camera has."""
    number = read_number(value)
    return _read_within(None if number is None else number * {"m": 1e6, "mm": 1e3}.get(unit, 1.0), 0.5, 200)


def _read_length(value: Any, unit: str) -> float | None:
    """Return millimetres of a focal length that a telescope or lens has."""
    number = read_number(value)
    return _read_within(None if number is None else number * {"m": 1000.0, "cm": 10.0}.get(unit, 1.0), 1, 2e5)
