"""Setups and file names: what must agree before frames may be combined, and names that are safe as paths."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Any

from darkroom.frames import FACETS_TOLD, Frame, add_note
from darkroom.texts import make_printable

# What must agree, in the order in which the setup's name shows it.
FACETS = (*FACETS_TOLD[:-1], "shape", "regions", "technique", "part", "mosaic")
Told = tuple[str | None, ...]


def name_setups(frames: list[Frame]) -> None:
    """Give each frame the name of its setup, and say where that is a guess.

    A frame whose header lacks what others of its shape tell is taken for one of them, if all that it tells agrees with
    them and they agree with each other; what is unknown is never taken to be equal without a word.
    """
    known: dict[tuple[Any, ...], set[Told]] = defaultdict(set)
    for frame in frames:
        if frame.digest and not frame.problem:
            known[_read_fixed(frame)].add(_read_told(frame))
    fuller: dict[tuple[Any, ...], list[Told]] = {}
    for frame in frames:
        if not frame.digest:  # nothing is known of it
            continue
        fixed, told = _read_fixed(frame), _read_told(frame)
        if (fixed, told) not in fuller:
            fuller[fixed, told] = _find_fuller(told, known[fixed]) if None in told else []
        found = fuller[fixed, told]
        if found and not frame.problem:
            add_note(frame, _say_unknown(told, found))
        if len(found) == 1:
            told = found[0]
        frame.setup = _name_setup(*told[:-1], *fixed, told[-1])


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


def _find_fuller(told: Told, others: set[Told]) -> list[Told]:
    """Return what others tell that agree in all that is told, and tell more; of those only the fullest."""
    fuller = [
        other
        for other in others
        if other != told and all(own is None or own == value for own, value in zip(told, other, strict=True))
    ]
    most = [one for one in fuller if not _find_fuller(one, set(fuller))]
    return sorted(most, key=str)


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


def tell_apart(names: Iterable[str]) -> dict[str, str]:
    """Return for each name one that no disk takes for another: with a digest where two differ in case alone."""
    alike: dict[str, set[str]] = defaultdict(set)
    for name in names:
        alike[name.casefold()].add(name)
    return {
        name: name if len(same) == 1 else f"{name}-{hashlib.blake2b(name.encode(), digest_size=3).hexdigest()}"
        for same in alike.values()
        for name in same
    }


def _keep_safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+:=@,()-]+", "_", text).strip("._-")
