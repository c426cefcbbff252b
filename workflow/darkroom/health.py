"""Health: raw frames that are not what they are said to be, or not sound, judged alone and beside their fellows.

A frame is named only where nothing harmless explains what is seen: drifting bias levels, warm sensors, glowing
amplifiers, dusty flats and twilight are no ailments.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from darkroom.clocks import find_wrong_times
from darkroom.pixel_kinds import SHORTEST, collect_peaks, count_new_stars, needed_stars

FEWEST_PIXELS = 1024  # in fewer, one value may be chance
MOST_FELLOWS = 30  # that a frame is compared with
LONG, LONGEST_BIAS = 0.1, 1.0  # s; some shutters have a shortest exposure of 0.1 s and more
GAIN = 10.0  # e-/ADU, at most, where it is not known
DOUBLING = 5.0  # degrees that double the dark current
UNKNOWN_WARMTH = 10.0  # degrees by which two darks may differ that say nothing of it
BRIGHT_RATE, BRIGHT_LEVEL, COOL = 100.0, 10_000.0, 15.0  # ADU/s and ADU that no dark reaches, where it is cool (deg C)
SHADES = 0.02  # share of the rows that a camera may leave unwritten

Judge = Callable[[Any, "Fellows"], str]


@dataclass(frozen=True)
class Ailment:
    """What a frame suffers from: the key of the settings' ``health`` part that says what to do, and a line."""

    name: str
    text: str


def find_ailments(frames: Sequence[Any], settings: dict[str, Any]) -> dict[str, list[Ailment]]:
    """Return the ailments of frames by name; frames that have a problem already are passed over."""
    health = settings["health"]
    sound = [frame for frame in frames if not frame.problem]
    found: dict[str, list[Ailment]] = defaultdict(list)
    fellows = Fellows(sound)
    for frame in sound:
        for name, text in _examine(frame, fellows, health):
            deed = "" if name == "damaged" else health[name]  # nothing uses such a frame
            advice = {
                "leave_out": f"; health.{name}: warn uses it",
                "warn": f"; health.{name}: leave_out leaves it out",
            }
            found[frame.name].append(Ailment(name, text + advice.get(deed, "")))
    for frame_name, text in find_wrong_times(sound):
        found[frame_name].append(Ailment("clock", f"{text}; headers.fix mends it"))
    return dict(found)


class Fellows:
    """The frames of the table by what they have in common; those of the own night come first."""

    def __init__(self, frames: Sequence[Any]):
        self._groups: dict[Any, list[Any]] = defaultdict(list)
        for frame in frames:
            if frame.pixels.get("level") is not None and not frame.pixels["one_value"]:
                self._groups[frame.setup].append(frame)
                self._groups[frame.setup, frame.night].append(frame)
                for key in ((frame.kind,), (frame.kind, frame.exposure)):
                    self._groups[frame.setup, *key].append(frame)
                    self._groups[frame.setup, frame.night, *key].append(frame)

    def find(self, frame: Any, *key: Any, enough: int = 2) -> list[Any]:
        """Return the other frames with kind, or kind and exposure: of its night, if there are enough, or of any."""
        for group in ((frame.setup, frame.night, *key), (frame.setup, *key)):
            # some will do; not every frame of an archive is compared with thousands
            others = [other for other in self._groups.get(group, [])[: MOST_FELLOWS + 1] if other is not frame]
            if len(others) >= enough:
                break
        return others


def _examine(frame: Any, fellows: Fellows, health: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield key and text of what is wrong with a frame."""
    pixels = frame.pixels
    told = getattr(frame, "checksum", None)
    if told == "DATASUM":
        yield "checksum", "its pixels are not those of its DATASUM: damaged, or changed by a program; copy it again"
    if frame.kind == "bias" and (text := _judge_exposure(frame, fellows)):
        yield "exposure", text
    if not pixels or pixels.get("level") is None:
        if pixels:
            yield "empty", "none of its pixels has a value"
        return
    if pixels["one_value"]:
        if pixels["pixels"] >= FEWEST_PIXELS or pixels["level"] == 0:
            yield "empty", f"all its pixels are {pixels['level']:g} ADU"
        return
    if text := _judge_end(frame, fellows):
        yield "damaged", text
    if pixels["full"] > health["saturated_share"]:
        yield "saturated", f"{pixels['full']:.0%} of its pixels are full ({pixels['full_from']:g} ADU)"
    if frame.kind in ("bias", "dark") and (text := _judge_light(frame, fellows)):
        yield "lit", text
    elif frame.kind == "flat" and (text := _judge_stars(frame, fellows)):
        yield "stars", text


def _judge_exposure(frame: Any, fellows: Fellows) -> str:
    told = getattr(frame, "told_exposure", None)
    if told is None or told < LONG:
        return ""
    others = [getattr(other, "told_exposure", None) for other in fellows.find(frame, "bias", enough=1)]
    shorter = [other for other in others if other is not None and other <= told / 10]
    if told > LONGEST_BIAS or len(shorter) > len(others) / 2:
        beside = f", the other biases {median(shorter):g} s" if shorter else ""
        return f"a bias that was exposed for {told:g} s{beside}; if it is a dark, headers.fix makes it one"
    return ""


def _judge_end(frame: Any, fellows: Fellows) -> str:
    """Return that the end of an image was never written, unless the camera leaves so many rows as they are."""
    rows, value = frame.pixels["blank_rows"], frame.pixels.get("blank_value")
    level, noise = frame.pixels["level"], frame.pixels["noise"]
    if not rows or frame.columns < 16 or (value is not None and abs(value - level) <= 5 * noise + 1):
        return ""
    if value is not None and frame.pixels["full_from"] is not None and value >= frame.pixels["full_from"]:
        return ""
    others = [other.pixels["blank_rows"] for other in fellows.find(frame)]
    usual = median(others) if others else SHADES * frame.rows
    if rows <= usual or (len(others) < 2 and rows <= SHADES * frame.rows):
        return ""
    shown = "without a value" if value is None else f"all {value:g} ADU"
    return f"its last {rows} of {frame.rows} rows are {shown}, as of a download that broke off"


def _judge_light(frame: Any, fellows: Fellows) -> str:
    """Return that a bias or dark saw light: it has stars, or more electrons than its fellows and warmth explain."""
    others = fellows.find(frame, frame.kind, frame.exposure)
    unlit = [*others, *fellows.find(frame, "bias", enough=1)]
    stars = count_new_stars(frame.pixels, collect_peaks(other.pixels for other in unlit))
    if stars >= needed_stars(frame.pixels) and stars > 3 * _usual_stars(unlit):
        return f"saw light: {stars} stars in it"
    if not others and frame.kind == "dark":  # one of a longer exposure is brighter, if anything
        longer = [other for other in fellows.find(frame, "dark") if other.exposure > frame.exposure]
        shortest = min((other.exposure for other in longer), default=None)
        others = [other for other in longer if other.exposure == shortest]
    level = frame.pixels["level"]
    zero = _zero_level(frame, fellows)
    if others and (usual := _exceeds(frame, others, zero)) is not None:
        what = f"other {'biases' if frame.kind == 'bias' else 'darks'} of this camera"
        if frame.kind == "dark":
            what = f"other darks of {others[0].exposure:g} s"
        return f"saw light: a median of {level:g} ADU where the {what} have {usual:g}"
    if frame.kind == "dark" and zero is not None and frame.temperature is not None and frame.temperature < COOL:
        excess = level - zero
        if excess > BRIGHT_LEVEL and excess > BRIGHT_RATE * frame.exposure:
            return f"saw light: a median of {level:g} ADU where biases have {zero:g}"
    return ""


def _exceeds(frame: Any, others: list[Any], zero: float | None) -> float | None:
    """Return the usual level of other frames, if this one's is so far above it that it must have seen light."""
    levels = [other.pixels["level"] for other in others]
    usual, noise = median(levels), median(other.pixels["noise"] for other in others)
    scatter = 1.4826 * median(abs(level - usual) for level in levels)
    excess = frame.pixels["level"] - usual
    gain = frame.gain if frame.gain and 0 < frame.gain < GAIN else GAIN
    if frame.kind == "dark":  # dark current, which a warmer sensor has more of, and which is noise too
        degrees = [_find_warming(frame, other) for other in others]
        dark = min(max(0.0, usual - (zero or 0.0)), gain * noise**2)
        excess -= dark * (2 ** (max(0.0, median(degrees)) / DOUBLING) - 1)
    if excess <= max(10 * scatter, 3 * noise, 5.0):
        return None
    # electrons bring their noise, a drift of the electronics does not
    brought = frame.pixels["noise"] ** 2 - noise**2
    return usual if brought > max(0.3 * excess / gain, 0.1 * noise**2) else None


def _find_warming(frame: Any, other: Any) -> float:
    """Return by how many degrees a frame's sensor may be warmer than another's."""
    if frame.temperature is None or other.temperature is None:
        return UNKNOWN_WARMTH
    return float(frame.temperature - other.temperature)


def _zero_level(frame: Any, fellows: Fellows) -> float | None:
    biases = [other.pixels["level"] for other in fellows.find(frame, "bias", enough=1)]
    return median(biases) if biases else None


def _judge_stars(frame: Any, fellows: Fellows) -> str:
    """Return that a flat has stars that are neither the detector's own peaks nor in all flats alike."""
    unlit = [*fellows.find(frame, "bias", enough=1), *fellows.find(frame, "dark", enough=1)]
    own = collect_peaks(other.pixels for other in unlit)
    # what other flats have in the same place stays with the camera
    flats = [other for other in fellows.find(frame, "flat") if other.exposure > SHORTEST]
    own |= _keep_common([collect_peaks([other.pixels]) for other in flats])
    # specks of dust leave bright gaps between them, but none so bright
    stars = min(count_new_stars(frame.pixels, own), frame.pixels.get("bright_stars", 0))
    if stars < needed_stars(frame.pixels) or stars <= 3 * _usual_stars(unlit):
        return ""
    return f"a flat with {stars} stars in it; if it is a light, headers.fix makes it one"


def _keep_common(places: list[set[tuple[int, int]]]) -> set[tuple[int, int]]:
    """Return places that are in more than half of several sets, and in three at least, to a pixel."""
    numbers: dict[tuple[int, int], int] = defaultdict(int)
    for one in places:
        for place in {(y + dy, x + dx) for y, x in one for dy in (-1, 0, 1) for dx in (-1, 0, 1)}:
            numbers[place] += 1
    return {place for place, number in numbers.items() if number >= 3 and number > len(places) / 2}


def _usual_stars(frames: list[Any]) -> float:
    return median(frame.pixels["stars"] for frame in frames) if frames else 0.0
