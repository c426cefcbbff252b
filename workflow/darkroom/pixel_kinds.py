"""Kinds by the pixels: the last resort, where neither header nor folder nor name tells what a frame is.

Where the pixels do not tell either, none is given: a frame of the wrong kind spoils a master.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

FEWEST_PIXELS = 4096
SHORTEST = 1e-3  # s; what is exposed for less is a bias
HANDFUL = 5  # stars, however small the frame
STARS_PER_PIXEL = 25e-6  # besides
SAME_PLACE = 1  # pixels that a peak of the detector's own may move
BRIGHT = 3000  # ADU of a flat, at least
# e-/ADU, as level and noise have it were all of the level light. That of a bias is far beyond.
PHOTON_GAINS = (0.03, 4.0)
SMOOTH = 2.5  # by how much the brightest part of a flat may exceed the darkest, as a factor
CENTRE, CORNERS = (5, 6, 9, 10), (0, 3, 12, 15)  # of the 4 x 4 parts


def guess_kinds(frames: Sequence[Any]) -> dict[str, tuple[str | None, str]]:
    """Return by name, for each frame of kind ``unknown``, what its pixels and its fellows tell: kind or None, and why.

    Fellows are the frames of the same setup, or where that is not known yet, of the same shape. Their kind helps:
    peaks that are in a bias too are no stars.
    """
    groups: dict[Any, list[Any]] = defaultdict(list)
    for frame in frames:
        if frame.pixels:
            groups[frame.setup or (frame.rows, frame.columns)].append(frame)
    guesses = {}
    for group in groups.values():
        unknown = [frame for frame in group if frame.kind == "unknown"]
        if not unknown:
            continue
        known = {kind: [frame.pixels for frame in group if frame.kind == kind] for kind in ("bias", "dark", "flat")}
        own = collect_peaks([*known["bias"], *known["dark"]])
        for frame in unknown:
            kind, why = guess_kind(frame.pixels, frame.exposure, own)
            guesses[frame.name] = (kind, why) if kind else _guess_beside(frame, known, why)
    return guesses


def guess_kind(
    pixels: dict[str, Any], exposure: float | None, own_peaks: Iterable[tuple[int, int]] = ()
) -> tuple[str | None, str]:
    """Return what a frame is by its pixels and its exposure in seconds, or None; and why.

    ``own_peaks`` are places (row, column) of peaks that are the detector's own.
    """
    level = pixels.get("level")
    if level is None or pixels["one_value"] or pixels["pixels"] < FEWEST_PIXELS:
        return None, "its pixels do not tell"
    stars, many = count_new_stars(pixels, own_peaks), needed_stars(pixels)
    spread = max(pixels["parts"]) - min(pixels["parts"])
    if exposure is not None and exposure <= SHORTEST:
        if stars >= many or (level > BRIGHT and spread > 0.1 * level):
            return None, f"an exposure of {exposure:g} s, but light in it"
        return "bias", f"an exposure of {exposure:g} s"
    if stars >= many:
        return "light", f"{stars} stars"
    if level > BRIGHT and stars <= HANDFUL and exposure is not None:
        gain = level / max(pixels["noise"], 1e-3) ** 2
        smooth = 0 < max(pixels["parts"]) < SMOOTH * min(pixels["parts"])
        if smooth and PHOTON_GAINS[0] < gain < PHOTON_GAINS[1] and spread > 20 * pixels["parts_noise"]:
            return "flat", f"bright ({level:g} ADU), smooth, without stars"
    return None, "its pixels do not tell: no stars, and not as bright as a flat"


def count_new_stars(pixels: dict[str, Any], own_peaks: Iterable[tuple[int, int]] = ()) -> int:
    """Return the number of stars, less the share of them that are at places where the detector itself has peaks."""
    peaks = pixels.get("peaks") or []
    near = set(own_peaks)
    if not peaks or not near:
        return int(pixels.get("stars", 0))
    reach = range(-SAME_PLACE, SAME_PLACE + 1)
    new = sum(not any((y + dy, x + dx) in near for dy in reach for dx in reach) for y, x in peaks)
    return round(pixels["stars"] * new / len(peaks))


def collect_peaks(measured: Iterable[dict[str, Any]]) -> set[tuple[int, int]]:
    """Return the places of all peaks of several frames."""
    return {(y, x) for pixels in measured for y, x in pixels.get("peaks") or []}


def needed_stars(pixels: dict[str, Any]) -> float:
    """Return how many stars are more than chance, dust and a few in a flat at dusk make."""
    return HANDFUL + STARS_PER_PIXEL * float(pixels["searched"])


def _guess_beside(frame: Any, known: dict[str, list[dict[str, Any]]], why: str) -> tuple[str | None, str]:
    """Return light for what saw light as no dark does, where biases and flats are named and this frame is not."""
    biases = [pixels["parts"] for pixels in known["bias"] if pixels.get("parts")]
    if not biases or not known["flat"] or not frame.exposure or not frame.pixels.get("parts"):
        return None, why
    parts = [own - median(levels) for own, *levels in zip(frame.pixels["parts"], *biases, strict=True)]
    noise = frame.pixels["parts_noise"]
    centre, corners = median(parts[n] for n in CENTRE), median(parts[n] for n in CORNERS)
    # glows and dark current are strongest at the edges, if anywhere
    if min(parts) > 20 * noise and centre - corners > max(20 * noise, 0.1 * corners):
        return "light", "light in it, brightest in the middle, beside biases and flats that are named"
    return None, why
