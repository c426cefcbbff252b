"""The index: from the files below the raw folders to the frame table.

Only new or changed files are opened: the readings are kept in a cache by path, size and time of change.
"""

from __future__ import annotations

import os
import re
import warnings
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from darkroom.folders import list_files
from darkroom.frames import Frame, add_note
from darkroom.health import find_ailments
from darkroom.pixel_kinds import guess_kinds
from darkroom.placing import place_frame
from darkroom.readings import UNREADABLE, digest_reader, read_file
from darkroom.setups import name_setups
from darkroom.texts import make_printable

MOST_READERS = 8  # threads that read files; each may hold one that was compressed


def index_frames(settings: dict[str, Any], raw: list[Path], results: Path, cache: dict[str, Any]) -> list[Frame]:
    """Return all raw frames, reading only what the cache does not hold; the cache is brought up to date in place."""
    headers = settings["headers"]
    if cache.get("reader") != (reader := digest_reader(headers)):
        cache.clear()
        cache.update(reader=reader, readings={})
    old, new, unread = cache["readings"], {}, []
    for path, name, status in list_files(raw, results):
        known = old.get(path)
        same = known and known["name"] == name and known["stat"] == [status.st_size, status.st_mtime_ns]
        # chmod changes neither size nor time, so what could not be read is tried again
        if not same or known["readings"][0].get("problem", "").startswith(UNREADABLE):
            unread.append((path, name, status))
        new[path] = known  # in the order of the folders
    new |= _read_all(unread, headers)
    cache["readings"] = new
    frames = []
    for path, known in new.items():
        size, mtime_ns = known["stat"]
        for reading in known["readings"]:
            label = reading.get("label")
            name = f"{known['name']}[{label}]" if label else known["name"]
            fields = {field: value for field, value in reading.items() if field != "label"}
            frame = Frame(path=path, name=name, size=size, mtime_ns=mtime_ns, **fields)
            if is_excluded(frame, raw, settings["exclude"]):
                frame.problem = "excluded by config.yaml: exclude"
            frames.append(frame)
    usable = [frame for frame in frames if not frame.problem]
    if "pixels" in headers["kind_from"]:
        _guess_unknown(usable)
    for frame in usable:
        place_frame(frame, settings)
    _find_lost_parts(usable)
    name_setups(frames)
    _drop_doubles(frames)
    _examine(frames, settings)
    return frames


def _examine(frames: list[Frame], settings: dict[str, Any]) -> None:
    """Say of each frame what it suffers from, and leave it out where the settings say so."""
    ailments = find_ailments(frames, settings)
    for frame in frames:
        own = ailments.get(frame.name, [])
        if frame.checksum == "CHECKSUM":
            add_note(frame, "its CHECKSUM is not that of its header and pixels: a program has changed it since")
        frame.health = frame.health or ", ".join(dict.fromkeys(ailment.name for ailment in own))
        for ailment in own:
            if settings["health"][ailment.name] == "warn":
                add_note(frame, ailment.text)
            else:
                frame.problem = frame.problem or ailment.text


def _read_all(files: list[tuple[str, str, os.stat_result]], headers: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the readings of files by path, as the cache keeps them: without the fields of which nothing is said."""
    if not files:
        return {}
    from astropy.utils.exceptions import AstropyWarning

    def read(item: tuple[str, str, os.stat_result]) -> dict[str, Any]:
        path, name, status = item
        readings = [
            {field: value for field, value in reading.items() if value is not None and value != ""}
            for reading in read_file(path, name, status, headers)
        ]
        return {"name": name, "stat": [status.st_size, status.st_mtime_ns], "readings": readings}

    readers = min(os.cpu_count() or 1, MOST_READERS)
    with warnings.catch_warnings(), ThreadPoolExecutor(max_workers=readers) as pool:
        warnings.simplefilter("ignore", AstropyWarning)  # odd cards are read as well as they can be
        warnings.simplefilter("ignore", RuntimeWarning)  # odd numbers too; what damaged tiles overflow
        return dict(zip((path for path, _, _ in files), pool.map(read, files), strict=True))


def _guess_unknown(frames: list[Frame]) -> None:
    """Give frames of unknown kind the one that their pixels tell, and say that it is a guess."""
    guesses = guess_kinds(frames)
    for frame in frames:
        kind, why = guesses.get(frame.name, (None, ""))
        if kind:
            frame.kind, frame.kind_from = kind, f"pixels: {why}"
            add_note(frame, f"its kind, {kind}, is a guess from its pixels")


def _drop_doubles(frames: list[Frame]) -> None:
    """Let a second file of the same content take no part, so that a copy weighs nothing.

    The one of the shortest file name stays: a copy's has something added, often in front ("Copy of", "(copy)").
    """
    first: dict[str, str] = {}
    for frame in sorted(frames, key=lambda frame: (len(frame.name.rsplit("/", 1)[-1]), frame.name)):
        # the planes of a compressed cube share the digest of the whole, and two chips may read the same
        which = frame.part, (frame.image or {}).get("plane")
        for content in (f"{frame.digest} {which}", _name_uncompressed(frame)):
            if frame.digest and not frame.problem and first.setdefault(content, frame.name) != frame.name:
                frame.problem = f"the same content as {make_printable(first[content])}"


def _find_lost_parts(frames: list[Frame]) -> None:
    """Leave out the images of a file that was cut between two extensions: all other files of its camera have more."""
    files: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        files[frame.path].append(frame)
    cameras: dict[tuple[Any, ...], list[list[Frame]]] = defaultdict(list)
    for members in files.values():
        cameras[members[0].night, members[0].camera, members[0].rows, members[0].columns].append(members)
    for group in cameras.values():
        counts = sorted(len(members) for members in group)
        for members in group:
            if len(group) > 2 and len(members) == counts[0] < counts[1]:
                for frame in members:
                    frame.health = "damaged"
                    frame.problem = (
                        f"truncated: {counts[0]} images, where others of its camera have {counts[1]} and more"
                    )


def _name_uncompressed(frame: Frame) -> str:
    """Return what a frame and a compressed copy of it beside it have in common."""
    folder, _, file = frame.name.rpartition("/")
    plain = re.sub(r"(\.[^.]*?)(\.gz|\.bz2|\.fz)?(\[[^]]*\])?$", r"\3", file, flags=re.IGNORECASE)
    plain = re.sub(r"\[\d+,", "[", plain)  # a cube lies in the first HDU, its tiles in the second
    return f"{folder}/{plain} {frame.start} {frame.kind} {frame.exposure} {frame.setup}"


def is_excluded(frame: Frame, raw: list[Path], patterns: list[str]) -> bool:
    """Whether one of the globs matches the frame's name, or its path below a raw folder; case does not count."""
    if not patterns:
        return False
    path = Path(frame.path)
    names = {frame.name, path.name, *(str(path.relative_to(root)) for root in raw if path.is_relative_to(root))}
    return any(fnmatchcase(name.casefold(), pattern.casefold()) for name in names for pattern in patterns)
