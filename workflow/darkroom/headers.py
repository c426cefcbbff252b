"""Header dialects: from a FITS header to what is known of a frame, whatever the cards are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from darkroom.quantities import is_gain_setting, read_gain, read_noise, read_number, read_temperature
from darkroom.sections import Section, parse_section
from darkroom.texts import make_printable

DIALECTS = Path(__file__).parents[1] / "dialects"
NUMBERS = ("exposure", "saturation")
# What a filter wheel says of a place without a filter.
CLEAR = ["clear*", "open*", "free", "none", "empty", "air", "no filter"]
# A glob, a number or several of them, as a dialect file gives them.
Pattern = str | float | list


@cache
def read_dialects() -> dict[str, dict[str, Any]]:
    """Return the dialects by name, each merged over the generic one, the generic one last."""
    generic = yaml.safe_load((DIALECTS / "generic.yaml").read_text())
    dialects = {}
    for path in sorted(DIALECTS.glob("*.yaml")):
        if path.stem != "generic":
            special = yaml.safe_load(path.read_text())
            words = {k: v + special.get("words", {}).get(k, []) for k, v in generic["words"].items()}
            dialects[path.stem] = {
                **generic,
                "recognise": special["recognise"],
                "cards": generic["cards"] | special.get("cards", {}),
                "words": words,
                "rules": special.get("rules", []) + generic["rules"],
            }
    return dialects | {"generic": generic | {"recognise": {}}}


def describe_header(header: Mapping[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Return what the header says of its frame, by concept; what it does not say is None.

    Parameters
    ----------
    header : mapping
        Card to value, of the HDU that holds the image.
    overrides : dict
        The settings' ``headers`` part: ``cards`` asked first, ``words`` added.
    """
    name, dialect = _recognise(header)
    own = overrides["cards"]
    cards = {concept: own.get(concept, []) + names for concept, names in dialect["cards"].items()}
    raw = {concept: find_value(header, names) for concept, names in cards.items()}
    known: dict[str, Any] = {
        concept: _text(raw[concept]) for concept in ("technique", "filter", "object", "camera", "calibrated")
    }
    known["filter"] = known["filter"] or _join_wheels(header, cards["wheels"])
    known |= {concept: read_number(raw[concept]) for concept in NUMBERS}
    known["gain"] = find_quantity(header, _name_gains(header, cards, own.get("gain", [])), read_gain)
    known["read_noise"] = find_quantity(header, cards["read_noise"], read_noise)
    known["temperature"] = find_quantity(header, cards["temperature"], read_temperature)
    known["dialect"] = name
    known["kind_word"] = _text(raw["kind"])
    known["kind"] = _find_kind(raw, dialect, overrides["words"])
    known["start"] = _read_time(raw["start"], raw["time"])
    known["longitude"] = read_angle(raw["longitude"])
    known["binning"] = _read_binning(raw)
    for facet in ("telescope", "readout", "gain_setting", "offset_setting"):
        known[facet] = _facet(raw[facet])
    known["window"] = f"{_facet(raw['window_x']) or 0},{_facet(raw['window_y']) or 0}"
    known["trim"], known["overscan"], known["notes"] = _read_regions(header, raw)
    return known


def matches(value: Any, pattern: Pattern) -> bool:
    """Whether a header value matches a glob (case, spaces, '_' and '-' do not count) or equals a number."""
    if isinstance(pattern, list):
        return any(matches(value, part) for part in pattern)
    if isinstance(pattern, str):
        return value is not None and fnmatchcase(_fold(str(value)), _fold(pattern))
    number = read_number(value)
    return number is not None and abs(number - pattern) < 1e-6


def match_word(word: str, words: Mapping[str, list[str]]) -> str | None:
    """Return the kind that one of the words (globs, as in `matches`) stands for, or None."""
    return next((kind for kind, patterns in words.items() if matches(word, patterns)), None)


def match_name(name: str, names: Mapping[str, list[str]]) -> str | None:
    """Return the kind that one of the file or folder names (globs; case does not count) stands for, or None."""
    folded = name.casefold()
    for kind, patterns in names.items():
        if any(fnmatchcase(folded, pattern.casefold()) for pattern in patterns):
            return kind
    return None


def read_angle(value: Any) -> float | None:
    """Return degrees from a number or from text such as ``-105 49 13`` or ``105:49:13 W``; None if it is neither."""
    number = read_number(value)
    if number is not None or not isinstance(value, str):
        return number
    parts = re.fullmatch(r"\s*([+-]?)(\d+)[\s:d]+(\d+)(?:[\s:m']+(\d+(?:\.\d*)?))?(.*)", value)
    if not parts:
        return None
    sign, degrees, minutes, seconds, rest = parts.groups()
    angle = float(degrees) + float(minutes) / 60 + float(seconds or 0) / 3600
    return -angle if sign == "-" or rest.strip().upper().endswith("W") else angle


def _recognise(header: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    for name, dialect in read_dialects().items():
        if all(matches(find_value(header, [card]), pattern) for card, pattern in dialect["recognise"].items()):
            return name, dialect
    raise AssertionError("the generic dialect recognises every header")


def _name_gains(header: Mapping[str, Any], cards: dict[str, list[str]], own: list[str]) -> list[str]:
    """Return the cards that may hold e-/ADU: a GAIN that holds the camera's setting is none of them.

    A camera with an offset setting (CMOS) has a gain setting, and programs write it into GAIN. What the settings
    name is asked in any case.
    """
    settable = find_value(header, cards["offset_setting"]) is not None or find_value(header, ["CAM-GAIN"]) is not None
    gains = [card for card in cards["gain"][len(own) :] if card != "GAIN" or not settable]
    return own + [card for card in gains if not is_gain_setting(header, card)]


def find_quantity(header: Mapping[str, Any], cards: list[str], read: Callable[[Any], float | None]) -> float | None:
    """Return what the first of the cards says that holds such a quantity; None if none does."""
    values = (read(find_value(header, [card])) for card in cards)
    return next((value for value in values if value is not None), None)


def find_value(header: Mapping[str, Any], cards: list[str]) -> Any:
    """Return the value of the first of the cards that says something, without blanks around it; None if none does."""
    unparsed, undefined = _import_types()
    for card in cards:
        try:
            value = header.get(card)
        except unparsed:  # a card that cannot be parsed says nothing
            continue
        if isinstance(value, str):
            value = value.strip()
        if value is not None and value != "" and not isinstance(value, undefined):
            return value
    return None


@cache
def _import_types() -> tuple[tuple[type[Exception], ...], type]:
    """Return what astropy raises for a card that it cannot parse, and the type of a card's value that has none.

    Importing astropy takes half a second, which a run that knows all its frames already can do without.
    """
    from astropy.io.fits import VerifyError
    from astropy.io.fits.card import Undefined

    return (VerifyError, ValueError), Undefined


def _fold(text: str) -> str:
    return re.sub(r"[\s_-]+", "", text).casefold()


def _text(value: Any) -> str | None:
    return None if value is None else make_printable(str(value)).strip() or None


def _join_wheels(header: Mapping[str, Any], cards: list[str]) -> str | None:
    """Return the filters of several wheels as one name; of wheels that are all clear, what the first one says."""
    values = [text for card in cards if (text := _text(find_value(header, [card])))]
    return "+".join(value for value in values if not matches(value, CLEAR)) or next(iter(values), None)


def _facet(value: Any) -> str | None:
    number = read_number(value)
    return f"{number:g}" if number is not None else _text(value)


def _find_kind(raw: dict[str, Any], dialect: dict[str, Any], words: dict[str, list[str]]) -> str | None:
    for rule in dialect["rules"]:
        if all(matches(raw[concept], pattern) for concept, pattern in rule["when"].items()):
            return rule["kind"]
    if raw["kind"] is None:
        return None
    return match_word(str(raw["kind"]), words) or match_word(str(raw["kind"]), dialect["words"])


def _read_binning(raw: dict[str, Any]) -> str:
    both = re.findall(r"\d+", str(raw["binning"] or ""))
    x = _facet(raw["binning_x"]) or (both[0] if both else "1")
    y = _facet(raw["binning_y"]) or (both[-1] if both else x)
    return f"{x}x{y}"


def _read_time(start: Any, time: Any) -> str | None:
    """Return ISO UTC to the millisecond, or None; the time of day may stand in a card of its own."""
    if not isinstance(start, str):
        return None
    text = start.strip().rstrip("Z").replace(" ", "T")
    old = re.fullmatch(r"(\d\d)/(\d\d)/(\d\d)(T.*)?", text)  # DD/MM/YY, as before 1998
    if old:
        text = f"{1900 + int(old[3])}-{old[2]}-{old[1]}{old[4] or ''}"
    if "T" not in text:
        if not isinstance(time, str):
            return None
        text = f"{text}T{time.strip()}"
    parts = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d?):(\d\d):(\d\d(?:\.\d*)?)", text)
    if not parts:
        return None
    try:
        midnight = datetime.fromisoformat(parts[1])
    except ValueError:
        return None
    if not 1 < midnight.year < 9999:  # what a clock that was never set says; the night before has no date
        return None
    hours, minutes, seconds = int(parts[2]), int(parts[3]), float(parts[4])
    if hours > 24 or minutes > 59 or seconds >= 61:  # 60 is a leap second, or a program that rounds up
        return None
    moment = midnight + timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return moment.isoformat(timespec="milliseconds")


def _read_regions(header: Mapping[str, Any], raw: dict[str, Any]) -> tuple[str | None, str | None, str]:
    """Return trim and overscan sections, and a note on those that make no sense for this image and are passed over."""
    shape = (int(header.get("NAXIS2", 0)), int(header.get("NAXIS1", 0)))
    found = {concept: _valid_section(raw[concept], shape) for concept in ("trim", "overscan", "data")}
    notes = [
        f"{concept} section {_text(raw[concept])} does not fit {shape[1]} x {shape[0]} pixels: not used"
        for concept in ("trim", "overscan")
        if raw[concept] is not None and found[concept] is None
    ]
    columns = int(read_number(raw.get("overscan_columns")) or 0)
    if found["overscan"] is None and 0 < columns < shape[1]:  # the last columns of every row
        found["overscan"] = str(Section(shape[1] - columns + 1, shape[1], 1, shape[0]))
    if found["trim"] is None and found["overscan"] is not None:
        found["trim"] = found["data"]
    return found["trim"], found["overscan"], "; ".join(notes)


def _valid_section(value: Any, shape: tuple[int, int]) -> str | None:
    try:
        section = parse_section(str(value))
    except ValueError:
        return None
    return str(section) if section.fits_into(shape) else None
