"""Clocks: times of observation that cannot be true."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

FIRST_YEAR = 1976  # before the first CCD at a telescope
RESETS = ("1980-01-01", "1980-01-06", "1999-11-30", "2000-01-01")  # where clocks begin that have lost the time
SLACK = timedelta(minutes=10)  # between two cards of one header: heliocentric, mid-exposure, rounded
FUTURE = timedelta(days=1)  # time zones, and a clock that is off by some
LONGEST_OVERLAP = 60.0  # s
FEW = 0.2  # of the frames; where more overlap, two cameras have one name
EPOCH = datetime(1858, 11, 17)  # of the modified Julian date


def find_wrong_times(frames: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """Yield the names of frames whose time cannot be true, and why."""
    runs: dict[Any, list[tuple[datetime, Any]]] = defaultdict(list)
    for frame in frames:
        if not frame.start:
            continue
        start = datetime.fromisoformat(frame.start)
        if wrong := _judge_time(frame, start):
            yield frame.name, wrong
        else:
            runs[frame.night, frame.setup].append((start, frame))
    for run in runs.values():
        yield from _find_overlaps(run)


def _judge_time(frame: Any, start: datetime) -> str:
    """Return why a start cannot be true by itself; nothing if it can."""
    if start.year < FIRST_YEAR or frame.start[:10] in RESETS:
        return f"starts at {frame.start[:19]}, as by a clock that was never set"
    mjd = getattr(frame, "mjd", None)
    if mjd is not None and mjd % 1:  # a whole number is a date alone
        try:
            other = EPOCH + timedelta(days=mjd)
        except OverflowError:
            return f"starts at {frame.start[:19]}, but its MJD or JD is none ({mjd:g})"
        if abs(other - start) > SLACK + timedelta(seconds=min(frame.exposure or 0.0, 1e6)):
            return f"starts at {frame.start[:19]}, but at {other:%Y-%m-%dT%H:%M:%S} by its MJD or JD"
    written = getattr(frame, "mtime_ns", 0) / 1e9
    if written > 0:
        file = datetime.fromtimestamp(written, UTC).replace(tzinfo=None)
        if start > file + FUTURE:
            return f"starts at {frame.start[:19]}, after its file was written ({file:%Y-%m-%d})"
    return ""


def _find_overlaps(run: list[tuple[datetime, Any]]) -> Iterator[tuple[str, str]]:
    """Yield frames that had not ended when the next one of their camera began, where that is an exception."""
    run = sorted(run, key=lambda item: (item[0], item[1].name))
    found = []
    for (start, frame), (following, other) in pairwise(run):
        exposure, gap = frame.exposure or 0.0, (following - start).total_seconds()
        if 0 < gap < exposure - max(LONGEST_OVERLAP, 0.1 * exposure):
            text = f"{exposure:g} s from {frame.start[11:19]} on, but {other.name} starts {gap:.0f} s later"
            found.append((frame.name, text))
    if len(found) <= FEW * len(run):
        yield from found
