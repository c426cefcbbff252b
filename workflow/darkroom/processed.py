"""Processed: what tells that a file is no raw frame any more, but a master, a stack or calibrated already."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from darkroom.dialects import read_dialects
from darkroom.patterns import match_name, match_word, matches
from darkroom.quantities import read_number
from darkroom.values import find_value

REMEDY = "give the frames it was made of"


def find_processing(header: Mapping[str, Any], name: str, known: dict[str, Any], words: dict[str, list[str]]) -> str:
    """Return why a file is no raw frame, or nothing if it may be one.

    Such a file combined with raw frames, or calibrated once more, gives numbers that look right and are wrong.

    Parameters
    ----------
    header : mapping
        Card to value, of the HDU that holds the image.
    name : str
        The file's name below the raw folder.
    known : dict
        What the header says of the frame (`darkroom.headers.describe_header`).
    words : dict
        The settings' ``headers.words``: a word that they say means a raw frame is none of a master.
    """
    signs = read_dialects()["generic"]["processed"]
    calibrated, word = known["calibrated"], known["kind_word"]
    if calibrated and not matches(calibrated, signs["undone"]):
        return f"no raw frame: it is calibrated already (CALSTAT = '{calibrated}')"
    if word and matches(word, signs["words"]) and not match_word(word, words):
        return f"no raw frame: it is a master ('{word}'); {REMEDY}"
    for card in signs["combined"]:
        number = read_number(find_value(header, [card]))
        if number is not None and number > 1:
            return f"no raw frame: {number:g} frames are combined in it ({card}); {REMEDY}"
    if done := [card for card in signs["done"] if _is_done(header, card, signs["undone"])]:
        return f"no raw frame: it is calibrated already ({', '.join(done)})"
    if done := [card for card in signs["sections"] if matches(find_value(header, [card]), signs["section_done"])]:
        return f"no raw frame: its overscan is off already ({', '.join(done)})"
    file = Path(name).stem
    if match_name(file, {"master": signs["names"]}):
        return f"no raw frame by its name: a master; rename it if it is one, else {REMEDY}"
    return ""


def _is_done(header: Mapping[str, Any], card: str, undone: list[Any]) -> bool:
    value = find_value(header, [card])
    return value is not None and not matches(value, undone)
