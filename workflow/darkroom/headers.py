"""Headers: from a FITS header to what is known of a frame, whatever the cards are called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from darkroom.bayer import find_mosaic, read_pattern
from darkroom.dialects import derive_value, list_cards, read_dialects, recognise_dialect
from darkroom.kinds import judge_kind
from darkroom.patterns import match_name, match_word, matches
from darkroom.quantities import (
    is_gain_setting,
    read_angle,
    read_duration,
    read_gain,
    read_noise,
    read_number,
    read_temperature,
)
from darkroom.regions import read_regions
from darkroom.texts import make_printable
from darkroom.times import find_start
from darkroom.values import TEMPERATURES, TIMES, find_quantity, find_value, read_card_name, read_comment

__all__ = ["describe_header", "match_name", "match_word", "matches", "read_dialects"]

TEXTS = ("technique", "object", "camera", "calibrated", "place")
FACETS = ("telescope", "readout", "gain_setting", "offset_setting")
# What a filter wheel says of a place without a filter.
CLEAR = ["clear*", "open*", "free", "none", "empty", "air", "no filter"]
_QUOTED = re.compile(r"(['\"])\s*(.*?)\s*\1")


def describe_header(header: Mapping[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Return what the header says of its frame, by concept; what it does not say is None.

    ``mosaic`` is in the order of the file's pixels, None of a monochrome camera; ``place`` is as the card has it.

    Parameters
    ----------
    header : mapping
        Card to value, of the HDU that holds the image.
    overrides : dict
        The settings' ``headers`` part: ``cards`` asked first, ``words`` added, a ``dialect`` to read it by.

    Raises
    ------
    ValueError
        If there is no such dialect.
    """
    name, dialect = recognise_dialect(header, overrides)
    cards = list_cards(dialect, overrides)
    said = {concept: _find_said(header, concept, names, dialect) for concept, names in cards.items()}
    said["exposure"] = find_quantity(header, cards["exposure"], read_duration, TIMES)
    known: dict[str, Any] = {concept: _text(said[concept]) for concept in TEXTS}
    known["exposure"] = said["exposure"]
    known["saturation"] = read_number(said["saturation"])
    known["gain"] = find_quantity(header, _name_gains(header, cards, overrides["cards"].get("gain", [])), read_gain)
    known["read_noise"] = find_quantity(header, cards["read_noise"], read_noise)
    known["temperature"] = find_quantity(header, cards["temperature"], read_temperature, TEMPERATURES)
    known["dialect"] = name
    known["kind_word"] = _name_kind(header, cards["kind"], _text(said["kind"]))
    known["kind"] = judge_kind(header, said, dialect, overrides["words"])
    known["start"] = find_start(header, cards["start"], cards["time"])
    known["longitude"] = read_angle(said["longitude"])
    known["binning"] = _read_binning(said)
    known |= {concept: _facet(said[concept]) for concept in FACETS}
    known["window"] = _read_window(said)
    filter_name = _unquote(_facet(said["filter"]) if not isinstance(said["filter"], str) else _text(said["filter"]))
    known["mosaic"], mosaic_note = find_mosaic(header, cards["mosaic"], filter_name, dialect)
    known["filter"] = filter_name if read_pattern(filter_name) is None else None
    known["filter"] = known["filter"] or _join_wheels(header, cards["wheels"], dialect)
    known["object"] = _unquote(known["object"])
    regions, notes = read_regions(header, said)
    return known | regions | {"notes": "; ".join([*notes, *filter(None, [mosaic_note])])}


def _find_said(header: Mapping[str, Any], concept: str, cards: list[str], dialect: dict[str, Any]) -> Any:
    """Return what the cards say of a concept, or what other cards stand for."""
    value = find_value(header, cards, dialect["unsaid"]["any"] + dialect["unsaid"].get(concept, []))
    return derive_value(header, dialect, concept) if value is None else value


def _name_kind(header: Mapping[str, Any], cards: list[str], word: str | None) -> str | None:
    """Return the word for the kind, with its card where it is but a number."""
    if word is None or not word.isdigit():
        return word
    return " ".join([*[card for card in cards if _text(find_value(header, [card])) == word][:1], word])


def _name_gains(header: Mapping[str, Any], cards: dict[str, list[str]], own: list[str]) -> list[str]:
    """Return the cards that may hold e-/ADU: a GAIN that holds the camera's setting is none of them.

    A camera with an offset setting (CMOS) has a gain setting, and programs write it into GAIN. What the settings
    name is asked in any case.
    """
    settable = find_value(header, cards["offset_setting"]) is not None or find_value(header, ["CAM-GAIN"]) is not None
    gains = [card for card in cards["gain"][len(own) :] if card != "GAIN" or not settable]
    return own + [card for card in gains if not is_gain_setting(read_comment(header, read_card_name(card).keyword))]


def _text(value: Any) -> str | None:
    return None if value is None else make_printable(str(value)).strip() or None


def _unquote(text: str | None) -> str | None:
    """Return a name without the quotes that somebody typed around it."""
    parts = _QUOTED.fullmatch(text) if text else None
    return (parts[2] or None) if parts else text


def _join_wheels(header: Mapping[str, Any], cards: list[str], dialect: dict[str, Any]) -> str | None:
    """Return the filters of several wheels as one name; of wheels that are all clear, what the first one says."""
    unsaid = dialect["unsaid"]["any"] + dialect["unsaid"].get("filter", [])
    values = [text for card in cards if (text := _unquote(_text(find_value(header, [card], unsaid))))]
    return "+".join(value for value in values if not matches(value, CLEAR)) or next(iter(values), None)


def _facet(value: Any) -> str | None:
    number = read_number(value)
    return f"{number:g}" if number is not None else _text(value)


def _read_binning(said: dict[str, Any]) -> str | None:
    both = [f"{float(number):g}" for number in re.findall(r"\d{1,9}(?:\.\d*)?", str(said["binning"] or ""))]
    x = _facet(said["binning_x"]) or (both[0] if both else None)
    y = _facet(said["binning_y"]) or (both[-1] if both else x)
    return f"{x or y}x{y}" if y else None


def _read_window(said: dict[str, Any]) -> str | None:
    """Return where the frame begins on the chip, None if nothing tells."""
    x, y = _facet(said["window_x"]), _facet(said["window_y"])
    return f"{x or 0},{y or 0}" if x or y else None
