"""Placing: the night of a frame and the regions of its image, or why it cannot take part."""

from __future__ import annotations

from typing import Any

from darkroom.frames import Frame, add_note
from darkroom.nights import find_night
from darkroom.sections import Section, parse_section

LONGEST_EXPOSURE = 1e6  # s; more than eleven days is no exposure but a damaged card


def place_frame(frame: Frame, settings: dict[str, Any]) -> None:
    """Give the frame its night and regions, or say why it cannot take part."""
    if frame.kind == "bias":
        frame.told_exposure = frame.exposure
        frame.exposure, frame.filter = 0.0, None
    elif frame.kind == "dark":
        frame.filter = None
    if frame.kind == "unknown":
        frame.problem = "nothing tells what kind of frame it is (headers.words, folders, names or fix does)"
    elif frame.kind == "other":
        word = frame.kind_from.removeprefix("header: ")
        frame.problem = f"'{word}' is no bias, dark, flat or light (headers.words adds words)"
    elif frame.start is None:
        frame.problem = "no date and time of observation, so no night (headers.cards.start names the card)"
    elif frame.kind != "bias" and frame.exposure is None:
        frame.problem = "no exposure time in its header (headers.cards.exposure names the card)"
    elif frame.kind != "bias" and not 0 < (frame.exposure or 0) <= LONGEST_EXPOSURE:
        frame.problem = f"an exposure of {frame.exposure:g} s (headers.cards.exposure names another card)"
    if frame.start is not None:
        frame.night, note = find_night(frame.start, frame.longitude, settings["site"])
        add_note(frame, note)
    frame.overscan, frame.trim = _choose_regions(frame, settings["overscan"])
    frame.problem = frame.problem or _check_regions(frame, settings["overscan"])
    if not frame.problem and frame.technique and "image" not in frame.technique.casefold():
        frame.problem = f"not an image ({frame.technique}); listed, not reduced"


def _choose_regions(frame: Frame, overscan: dict[str, Any]) -> tuple[str | None, str | None]:
    if frame.strips is not None:
        strip = next((strip for strip in frame.strips if strip), None)
        return strip if overscan["use"] else None, None
    if not overscan["use"]:
        return None, overscan["trim"] or frame.trim
    return overscan["section"] or frame.overscan, overscan["trim"] or frame.trim


def _check_regions(frame: Frame, settings: dict[str, Any]) -> str:
    """Return what is wrong with a frame's overscan and trim sections, if anything is."""
    if frame.strips is not None:
        return ""
    shape = (frame.rows, frame.columns)
    trim = parse_section(frame.trim) if frame.trim else Section(1, shape[1], 1, shape[0])
    overscan = parse_section(frame.overscan) if frame.overscan else trim
    for name, section in (("trim", trim), ("section", overscan)):
        if not section.fits_into(shape):
            return f"overscan.{name} {section} lies outside its {shape[1]} x {shape[0]} pixels"
    if not (overscan.spans_rows_of(trim) or overscan.spans_columns_of(trim)):
        return f"the overscan {overscan} does not reach along the whole image {trim}"
    length = trim.shape[0] if overscan.spans_rows_of(trim) else trim.shape[1]
    if frame.overscan and settings["method"] in ("polynomial", "spline") and length < settings["order"] + 4:
        return f"overscan.order: {settings['order']} is too much for the {length} rows of its overscan"
    return ""
