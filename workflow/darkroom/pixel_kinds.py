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
MOST_FELLOWS = 20  # looked at for a frame
BRIGHT = 8000  # ADU of a flat, at least
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
        unlit = [frame for frame in group if frame.kind in ("bias", "dark") or _is_shortest(frame)]
        for frame in unknown:
            own = collect_peaks(other.pixels for other in unlit[:MOST_FELLOWS] if other is not frame)
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
    zero = [median(levels) for levels in zip(*biases, strict=True)]
    signal = [own - level for own, level in zip(frame.pixels["parts"], zero, strict=True)]
    even = [[own - level for own, level in zip(flat["parts"], zero, strict=True)] for flat in known["flat"]]
    noise = frame.pixels["parts_noise"]
    # glows and dark current are strongest at the edges, if anywhere
    if min(signal) < 20 * noise or _compare_centre(signal) < 1.1:
        return None, why
    for flat in even:
        if min(flat) < 20 * noise:
            return None, why
        ratio = [own / other for own, other in zip(signal, flat, strict=True)]
        if max(ratio) < 1.25 * min(ratio) or _compare_centre(ratio) < 1.05:
            return None, f"{why}; it may be a flat"
    return "light", "light in it, brightest in the middle and unlike the flats that are named beside it"


def _compare_centre(parts: list[float]) -> float:
    """Return how many times as bright as the corners the middle is."""
    return median(parts[n] for n in CENTRE) / median(parts[n] for n in CORNERS)


def _is_shortest(frame: Any) -> bool:
    return frame.exposure is not None and frame.exposure <= SHORTEST
