"""Dialects: what programs and observatories call the same things, and which of them a header speaks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from darkroom.patterns import matches
from darkroom.values import find_value

DIALECTS = Path(__file__).parents[1] / "dialects"
GENERIC = "generic"


@cache
def read_dialects() -> dict[str, dict[str, Any]]:
    """Return the dialects by name in the order in which they are tried, each merged over the generic one, the last."""
    generic = yaml.safe_load((DIALECTS / f"{GENERIC}.yaml").read_text())
    files = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(DIALECTS.glob("*.yaml"))}
    del files[GENERIC]
    # an observatory's own cards tell more than those of the program that it uses, and a style tells least
    names = sorted(files, key=lambda name: (files[name].get("order", 1), name))
    return {name: _merge(generic, files[name]) for name in names} | {GENERIC: generic | {"recognise": []}}


def recognise_dialect(header: Mapping[str, Any], settings: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name of a header's dialect and the dialect; the one that the settings name, if they do.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    dialects = read_dialects()
    if name := settings.get("dialect"):
        if name not in dialects:
            raise ValueError(f"{name!r} is no dialect; there are {', '.join(sorted(dialects))}")
        return name, dialects[name]
    for name, dialect in dialects.items():
        if any(_speaks(header, signs) for signs in dialect["recognise"]):
            return name, dialect
    return GENERIC, dialects[GENERIC]


def list_cards(dialect: dict[str, Any], settings: dict[str, Any]) -> dict[str, list[str]]:
    """Return the cards that may hold each concept in order of preference, those of the settings first."""
    own = settings["cards"]
    return {concept: own.get(concept, []) + names for concept, names in dialect["cards"].items()}


def list_hint_cards(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the cards that may hold where a light points and how large its pixels are, those of the settings first.

    Plain, for a recipe: concept to cards, and ``position`` as pairs of cards, a right ascension and its declination.

    Parameters
    ----------
    name : str
        The dialect of the light's header.
    settings : dict
        The settings' ``headers`` part.
    """
    dialect, own = read_dialects()[name], settings["cards"]
    cards = {concept: own.get(concept, []) + names for concept, names in dialect["sky"].items()}
    known = [dialect["sky"][axis] for axis in ("right_ascension", "declination")]
    every = list_cards(dialect, settings)
    # where the settings name the card of one of them, any card may hold the other
    named = own.get("right_ascension") or known[0], own.get("declination") or known[1]
    pairs = [list(pair) for pair in product(*named)] if named != tuple(known) else []
    return {
        **{concept: cards[concept] for concept in ("pixel_scale", "pixel_size", "focal_length")},
        "binning_x": [*every["binning_x"], *(f"{card}#1" for card in every["binning"] if "#" not in card)],
        "position": pairs + [list(pair) for pair in zip(*known, strict=True)],
    }


def derive_value(header: Mapping[str, Any], dialect: dict[str, Any], concept: str) -> Any:
    """Return what other cards stand for where no card tells a concept, such as an observatory's longitude, or None."""
    for card, meanings in dialect["derive"].get(concept, {}).items():
        value = find_value(header, [card])
        for pattern, meaning in meanings.items():
            if matches(value, pattern):
                return meaning
    return None


def _merge(generic: dict[str, Any], special: dict[str, Any]) -> dict[str, Any]:
    words = {kind: words + special.get("words", {}).get(kind, []) for kind, words in generic["words"].items()}
    return {
        **generic,
        "recognise": special["recognise"],
        "cards": generic["cards"] | special.get("cards", {}),
        "sky": generic["sky"] | special.get("sky", {}),
        "derive": generic["derive"] | special.get("derive", {}),
        "unsaid": generic["unsaid"] | special.get("unsaid", {}),
        "words": words,
        "rules": special.get("rules", []) + generic["rules"],
    }


def _speaks(header: Mapping[str, Any], signs: dict[str, Any]) -> bool:
    return all(matches(find_value(header, [card]), pattern) for card, pattern in signs.items())
