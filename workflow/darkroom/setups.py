"""Setups and file names: what must agree before frames may be combined, and names that are safe as paths."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from functools import cache
from typing import Any, TypeVar

from darkroom.frames import FACETS_TOLD, Frame, add_note
from darkroom.texts import make_printable

# What must agree, in the order in which the setup's name shows it.
FACETS = (*FACETS_TOLD[:-1], "shape", "regions", "technique", "part", "mosaic")
Told = tuple[str | None, ...]
Key = TypeVar("Key", bound=Hashable)


def name_setups(frames: list[Frame]) -> None:
    """Give each frame the name of its setup, and say where that is a guess.

    A frame whose header lacks what others of its shape tell is taken for one of them, if all that it tells agrees with
    them and they agree with each other; what is unknown is never taken to be equal without a word.
    """
    known: dict[tuple[Any, ...], set[Told]] = defaultdict(set)
    for frame in frames:
        if frame.digest and not frame.problem:
            known[_read_fixed(frame)].add(_read_told(frame))
    told_by: dict[tuple[Any, ...], set[Told]] = defaultdict(set)
    for frame in frames:
        told_by[_read_fixed(frame)].add(_read_told(frame))
    fuller = {fixed: _find_fuller(told, known[fixed]) for fixed, told in told_by.items()}
    placed: list[tuple[Frame, Told]] = []
    for frame in frames:
        if not frame.digest:  # nothing is known of it
            continue
        fixed, told = _read_fixed(frame), _read_told(frame)
        found = fuller[fixed].get(told, [])
        if found and not frame.problem:
            add_note(frame, _say_unknown(told, found))
        if len(found) == 1:
            told = found[0]
        placed.append((frame, (*told[:-1], *fixed, told[-1])))
    names = _name_setups({facets for _, facets in placed})
    for frame, facets in placed:
        frame.setup = names[facets]


def describe_setups(frames: Iterable[Frame]) -> list[str]:
    """Return a line for each setup with what its frames tell of the camera's state, and what none of them does."""
    told: dict[str, dict[str, str]] = defaultdict(dict)
    for frame in frames:
        own = {facet: value for facet in FACETS_TOLD if (value := getattr(frame, facet)) is not None}
        told[frame.setup] |= own
    lines = []
    for setup, facets in sorted(told.items()):
        known = [f"{facet.replace('_', ' ')} {make_printable(value)}" for facet, value in facets.items()]
        unknown = [facet.replace("_", " ") for facet in FACETS_TOLD if facet not in facets and facet != "mosaic"]
        lines.append(f"{setup}: {', '.join(known)}" + (f"; unknown: {', '.join(unknown)}" if unknown else ""))
    return lines


def _say_unknown(told: Told, found: list[Told]) -> str:
    """Return what a header does not tell, and what it is taken to be."""
    unknown = [n for n, own in enumerate(told) if own is None and any(other[n] for other in found)]
    names = [FACETS_TOLD[n].replace("_", " ") for n in unknown]
    if len(found) > 1:
        return f"its {' and '.join(names)} is unknown, and {len(found)} setups would fit: none is (headers.fix tells)"
    what = ", ".join(f"{name} {found[0][n]}" for name, n in zip(names, unknown, strict=True))
    return f"not in its header, and taken from the other frames of its camera: {what}"


def _find_fuller(told: set[Told], others: set[Told]) -> dict[Told, list[Told]]:
    """Return for what is ``told`` the others that agree in all of it, and tell more; of those only the fullest.

    There are few ways to tell a part, so that of thousands of setups not each is compared with each.
    """
    ways = {tuple(value is not None for value in one) for one in told | others}
    found: dict[Told, list[Told]] = defaultdict(list)
    for other in others:
        for way in ways:
            part = tuple(value if kept else None for value, kept in zip(other, way, strict=True))
            if part != other and tuple(value is not None for value in part) == way:
                found[part].append(other)
    return {one: sorted((other for other in found[one] if other not in found), key=str) for one in told if one in found}


def _read_told(frame: Frame) -> Told:
    return tuple(getattr(frame, facet) for facet in FACETS_TOLD)


def _read_fixed(frame: Frame) -> tuple[str | None, ...]:
    """Return the facets that are never unknown."""
    technique = frame.technique and frame.technique.casefold()
    strips = None if frame.strips is None else " ".join(map(str, frame.strips))
    return (
        f"{frame.columns}x{frame.rows}",
        f"{frame.overscan or ''}{frame.trim or ''}{strips or ''}" or None,
        technique if technique and "image" not in technique else None,
        frame.part,
    )


def _name_setups(setups: set[Told]) -> dict[Told, str]:
    """Return a name for each setup; one with a longer digest where a short one is that of two, as a forger may want."""
    alike: dict[str, list[Told]] = defaultdict(list)
    for facets in setups:
        alike[_name_setup(*facets).casefold()].append(facets)
    return {
        facets: _name_setup(*facets)
        if len(same) == 1
        else f"{_name_setup(*facets)}-{hashlib.blake2b(repr(facets).encode(), digest_size=16).hexdigest()}"
        for same in alike.values()
        for facets in same
    }


@cache
def _name_setup(*values: str | None) -> str:
    """Return the name of a setup whose facets are in the order of FACETS."""
    facets = dict(zip(FACETS, values, strict=True))
    shown = [_keep_safe(facets["camera"] or "") or "camera", facets["part"], facets["binning"], facets["shape"]]
    shown = [part for part in [*shown, facets["technique"]] if part]
    digest = hashlib.blake2b(repr(values).encode(), digest_size=3).hexdigest()
    return "-".join([*(_keep_safe(str(part))[:40] for part in shown), digest])


def make_slug(text: str | None) -> str:
    """Return ``text`` as a file name: letters, digits and ``._+-:=@,()`` stay; None is ``none``.

    Where anything else had to go, or the text is long or says none itself, a short digest keeps two texts apart.
    """
    if text is None:
        return "none"
    slug = _keep_safe(text)[:80]
    if slug == text and slug not in ("", "none"):
        return slug
    digest = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=3).hexdigest()
    return f"{slug}-{digest}" if slug else digest


def tell_apart(names: Mapping[Key, str]) -> dict[Key, str]:
    """Return for each key a name that no disk takes for another's: with a digest where two differ in case or less."""
    alike: dict[str, list[Key]] = defaultdict(list)
    for key, name in names.items():
        alike[name.casefold()].append(key)
    told: dict[Key, str] = {}
    for same in alike.values():
        for key in same:
            told[key] = names[key]
            while len(same) > 1 and (told[key] == names[key] or told[key].casefold() in alike):
                told[key] += f"-{hashlib.blake2b(repr(key).encode(errors='surrogatepass'), digest_size=8).hexdigest()}"
    return told


def _keep_safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+:=@,()-]+", "_", text).strip("._-")
